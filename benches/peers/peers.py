"""Vector libraries: how each is built, and the settings that trade recall for time.

Each gets the same rows `[n, d]` in f32 and answers one query at a time by inner product. Settings of a build are those that its
documentation names for this size; those of a search are swept.
"""

import importlib
import os
from pathlib import Path

import numpy as np

PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
EFFORTS = (16, 32, 64, 128, 256, 512, 1024)


def cells_of(n):
    """Cells of an inverted file: about 4 sqrt(n), a power of 2, with at least 39 rows in each, as faiss asks for training."""
    most = max(n // 39, 1)
    return 2 ** int(np.log2(min(4 * n**0.5, most)) + 0.5) if most > 1 else 1


class Peer:
    """One library with one kind of index."""

    # What `pip` calls it, and the module.
    package = module = None
    name = None

    def __init__(self):
        self.lib = importlib.import_module(self.module)

    def threads(self, count):
        """How many threads the calls after this take."""

    def build(self, rows, folder):
        """Makes the index; `folder` is empty and its own."""
        raise NotImplementedError

    def settings(self):
        """What `set` takes, cheapest first."""
        return [{}]

    def set(self, **setting):
        """Chooses how far the searches after this go."""

    def search(self, vector, k):
        """The rows of the best `k`."""
        raise NotImplementedError


class Faiss(Peer):
    """An index of the faiss factory."""

    package, module = "faiss-cpu", "faiss"
    factory = None

    def threads(self, count):
        self.lib.omp_set_num_threads(count)

    def described(self, rows):
        """The factory's string for these rows."""
        return self.factory.format(cells=cells_of(len(rows)), quarter=rows.shape[1] // 4, half=rows.shape[1] // 2)

    def build(self, rows, folder):
        self.index = self.lib.index_factory(rows.shape[1], self.described(rows), self.lib.METRIC_INNER_PRODUCT)
        self.cells = cells_of(len(rows))
        self.index.train(rows)
        self.index.add(rows)

    def search(self, vector, k):
        return self.index.search(vector[None], k)[1][0]


class Flat(Faiss):
    name, factory = "faiss Flat", "Flat"


class IvfFlat(Faiss):
    name, factory = "faiss IVF-Flat", "IVF{cells},Flat"

    def settings(self):
        return [{"nprobe": probes} for probes in PROBES if probes <= self.cells]

    def set(self, nprobe):
        self.index.nprobe = nprobe


class Refined(Faiss):
    """Codes first; the best of them again by the rows themselves."""

    def settings(self):
        return [{"nprobe": p, "refine": r} for p in PROBES[2:] if p <= self.cells for r in (2, 5, 10, 40, 100, 400)]

    def set(self, nprobe, refine):
        self.lib.extract_index_ivf(self.index.base_index).nprobe = nprobe
        self.index.k_factor = refine


class IvfPq(Refined):
    name, factory = "faiss IVF-PQfs d/4 + refine", "IVF{cells},PQ{quarter}x4fs,RFlat"


class IvfPqFine(Refined):
    name, factory = "faiss IVF-PQfs d/2 + refine", "IVF{cells},PQ{half}x4fs,RFlat"


class Pq(Faiss):
    name, factory = "faiss PQfs d/2 + refine", "PQ{half}x4fs,RFlat"

    def settings(self):
        return [{"refine": refine} for refine in (2, 5, 10, 40, 100, 400, 1000)]

    def set(self, refine):
        self.index.k_factor = refine


class FaissHnsw(Faiss):
    name, factory = "faiss HNSW", "HNSW16,Flat"

    def build(self, rows, folder):
        self.index = self.lib.index_factory(rows.shape[1], self.factory, self.lib.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 128
        self.index.add(rows)

    def settings(self):
        return [{"ef": effort} for effort in EFFORTS]

    def set(self, ef):
        self.index.hnsw.efSearch = ef


class Hnswlib(Peer):
    package, module, name = "hnswlib", "hnswlib", "hnswlib"
    count = 1

    def threads(self, count):
        self.count = count

    def build(self, rows, folder):
        self.index = self.lib.Index(space="ip", dim=rows.shape[1])
        self.index.init_index(max_elements=len(rows), M=16, ef_construction=128, random_seed=42)
        self.index.add_items(rows, num_threads=self.count)

    def settings(self):
        return [{"ef": effort} for effort in EFFORTS]

    def set(self, ef):
        self.index.set_ef(ef)

    def search(self, vector, k):
        return self.index.knn_query(vector, k=k, num_threads=1)[0][0].astype(np.int64)


class Usearch(Peer):
    package, module, name = "usearch", "usearch.index", "usearch"
    count = 1

    def threads(self, count):
        self.count = count

    def build(self, rows, folder):
        self.index = self.lib.Index(ndim=rows.shape[1], metric="ip", dtype="f32", connectivity=16, expansion_add=128)
        self.index.add(np.arange(len(rows)), rows, threads=self.count)

    def settings(self):
        return [{"ef": effort} for effort in EFFORTS]

    def set(self, ef):
        self.index.expansion_search = ef

    def search(self, vector, k):
        return np.asarray(self.index.search(vector, k, threads=1).keys, np.int64)


def pin(core):
    """Keeps all threads of this process on one core; those that it starts later inherit it."""
    free({core})


def free(cores):
    """Lets all threads of this process run on these cores; those that it starts later inherit them."""
    for task in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:
            # A thread of a library's pool ended meanwhile.
            pass
