"""A small engine in place of the binary, for the tests: it answers batches over indexes that it keeps in memory."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from queries import words


class StandIn:
    """Takes the arguments of the binary. Similarity is a dot product; `metric` depends on the target.

    `read`: by command, the feature rows as bytes and the ids that it was given, in order.
    """

    def __init__(self):
        self.indexes, self.calls, self.read = {}, [], []

    def __call__(self, *arguments, codes=(0,)):
        command, *rest = map(str, arguments)
        self.calls.append([command, *rest])
        flags = {rest[at]: rest[at + 1] for at in range(len(rest) - 1) if rest[at].startswith("--")}
        code, said = getattr(self, command)(rest[0], flags)
        if code not in codes:
            raise RuntimeError(f"{command}: exit {code}")
        return said

    def _rows(self, command, rows, ids=()):
        self.read.append((command, {row.tobytes() for row in rows}, set(ids)))

    def train(self, _, flags):
        tensors = load_file(flags["--features"])
        fit = tensors[flags["--test-mask"]] == 0
        self._rows("train", [*tensors["image"][fit], *tensors["text"][fit]])
        Path(flags["--out"]).mkdir()
        return 0, "{}"

    def build(self, _, flags):
        media, tensor = flags["--pathway"].split("=")
        vectors = load_file(flags["--features"])[tensor]
        docs = [json.loads(line) for line in Path(flags["--corpus"]).read_text().splitlines()]
        self._rows("build", vectors, [str(doc["id"]) for doc in docs])
        self.indexes[flags["--out"]] = {"media": media, "vectors": vectors, "docs": docs, "layer": None}
        Path(flags["--out"]).mkdir()
        return 0, "{}"

    def fuse(self, bundle, flags):
        clicks = [json.loads(line) for line in Path(flags["--clicks"]).read_text().splitlines()]
        features = [np.array(values, dtype=np.float32) for click in clicks for values in click["features"].values()]
        self._rows("fuse", features, [one for click in clicks for one in click["relevant"]])
        Path(flags["--out"]).mkdir()
        (Path(flags["--out"]) / "layer").write_text(flags["--target"])
        return 0, "{}"

    def attach(self, index, flags):
        self.indexes[index]["layer"] = (Path(flags["--bundle"]) / "layer").read_text()
        return 0, "{}"

    def query(self, index, flags):
        out, index, bad = [], self.indexes[index], False
        for number, line in enumerate(Path(flags["--batch"]).read_text().splitlines(), 1):
            asked = json.loads(line)
            self._rows("query", [np.array(row, dtype=np.float32) for row in asked.get("features", {}).values()])
            answer = self._answer(index, asked)
            bad |= "error" in answer
            out.append(json.dumps({"line": number, **answer}) + "\n")
        return 2 if bad else 0, "".join(out)

    def _answer(self, index, asked):
        similarity, fusion = asked.get("similarity", "metric"), asked.get("fusion", "rrf")
        if asked.get("normalise") == "probability" and similarity == "cosine":
            return {"error": {"code": "bad_argument", "message": "cosine has no probability"}}
        if fusion == "learned" and index["layer"] != asked["target"]:
            return {"error": {"code": "bad_argument", "message": f"the layer is of {index['layer']}"}}
        n = len(index["docs"])
        restrict = np.array([self._matches(doc, asked["filter"]) for doc in index["docs"]]) if "filter" in asked else np.ones(n)
        keyword = np.array([self._matches(doc, asked["keywords"]) for doc in index["docs"]]) if "keywords" in asked else None
        score = np.zeros(n)
        if "features" in asked:
            (row,) = asked["features"].values()
            part = {"class": slice(0, 3), "pair": slice(0, 6), "both": slice(0, 5)}.get(asked.get("target"), slice(0, 6))
            score = index["vectors"][:, part] @ np.array(row, dtype=np.float32)[part]
            score = score if similarity != "cosine" else score / np.maximum(np.linalg.norm(index["vectors"], axis=1), 1e-9)
        if keyword is not None and fusion in ("product", "metric"):
            restrict = restrict * (keyword > 0)
        elif keyword is not None:
            weight = dict(one.split("=") for one in asked.get("weight", [])).get("keyword", 1)
            score = score + float(weight) * keyword
            restrict = restrict if "features" in asked else restrict * (keyword > 0)
        order = sorted((-score[at], str(doc["id"])) for at, doc in enumerate(index["docs"]) if restrict[at] > 0)
        return {"hits": [{"rank": at, "id": own} for at, (_, own) in enumerate(order[: asked["k"]], 1)]}

    @staticmethod
    def _matches(doc, query):
        # A phrase in quotes, or any of some words.
        wanted = [" ".join(words(query))] if query.startswith('"') else words(query)
        text = " ".join(words(doc.get("text", doc.get("category", ""))))
        return 1 / len(text) if any(f" {one} " in f" {text} " for one in wanted) else 0.0
