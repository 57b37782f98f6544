"""LanceDB: vectors, full text, and both joined by ranks, in tables on disk."""

import importlib

import numpy as np

from peers import Peer, cells_of


class Lance(Peer):
    """A table of row numbers and vectors with an index over the vectors."""

    package, module = "lancedb", "lancedb"
    texts = None

    def build(self, rows, folder):
        import pyarrow

        n, d = rows.shape
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), d)
        columns = {"row": pyarrow.array(np.arange(n)), "vector": vectors}
        if self.texts is not None:
            columns["text"] = pyarrow.array(self.texts)
        self.table = self.lib.connect(str(folder)).create_table("rows", pyarrow.table(columns))
        self.index(n, d)

    def index(self, n, d):
        """Makes what searches look in."""
        raise NotImplementedError

    def _rows(self, query, k, score="_distance"):
        return np.asarray(query.limit(k).select(["row", score]).to_arrow()["row"], np.int64)


class LanceIvfPq(Lance):
    name = "LanceDB IVF-PQ + refine"

    def index(self, n, d):
        self.table.create_index(metric="dot", index_type="IVF_PQ", num_partitions=cells_of(n), num_sub_vectors=d // 8)

    def settings(self):
        return [{"nprobes": p, "refine": r} for p in (8, 32, 128, 512) for r in (5, 20, 50)]

    def set(self, nprobes, refine):
        self.nprobes, self.refine = nprobes, refine

    def search(self, vector, k):
        # Without both bounds the table looks further by itself.
        query = self.table.search(vector).distance_type("dot").minimum_nprobes(self.nprobes).maximum_nprobes(self.nprobes)
        return self._rows(query.refine_factor(self.refine), k)


class LanceIvfFlat(Lance):
    name = "LanceDB IVF-Flat"

    def index(self, n, d):
        self.table.create_index(metric="dot", index_type="IVF_FLAT", num_partitions=cells_of(n))

    def settings(self):
        return [{"nprobes": p} for p in (8, 32, 128, 512)]

    def set(self, nprobes):
        self.nprobes = nprobes

    def search(self, vector, k):
        query = self.table.search(vector).distance_type("dot").minimum_nprobes(self.nprobes).maximum_nprobes(self.nprobes)
        return self._rows(query, k)


class LanceWords(LanceIvfPq):
    """The same with full text, and hybrid queries: reciprocal ranks with 60, as a request here does."""

    def __init__(self, texts):
        super().__init__()
        self.texts = texts

    def index(self, n, d):
        super().index(n, d)
        self.table.create_fts_index("text", with_position=False)
        self.reranker = importlib.import_module("lancedb.rerankers").RRFReranker(K=60)

    def words(self, words, k):
        """The rows that words find."""
        return self._rows(self.table.search(words, query_type="fts"), k, "_score")

    def hybrid(self, vector, words, k):
        """The rows that a vector and words find together."""
        query = self.table.search(query_type="hybrid").vector(vector).text(words).distance_type("dot")
        query = query.minimum_nprobes(self.nprobes).maximum_nprobes(self.nprobes).refine_factor(self.refine)
        return np.asarray(query.rerank(self.reranker).limit(k).to_arrow()["row"], np.int64)
