"""The whole run on made data, with a small library and a stand-in for the benchmark: recalls, rounds, what is left out."""

import contextlib
import io
import json
import sys
import tempfile
import time
import unittest
from argparse import Namespace
from pathlib import Path
from unittest import mock

import numpy as np
from safetensors.numpy import save_file

import form
import peers
import run
from test_uvec import written

N, D = 40, 8
rng = np.random.default_rng(5)
ITEMS, HUBS = rng.normal(size=(N, D)).astype(np.float16), rng.normal(size=(N, 1)).astype(np.float32)
MATRIX, U = rng.normal(size=(D, D)).astype(np.float32), rng.normal(size=(6, D)).astype(np.float32)
# Every second document has no item.
DOCS = np.arange(0, 2 * N, 2, dtype=np.uint32)
SCORES = U @ MATRIX @ ITEMS.astype(np.float32).T - 0.5 * HUBS[:, 0]
TRUE = DOCS[np.argsort(-SCORES, axis=1)[:, : run.K]]


class Numpy(peers.Peer):
    """Exact, or the wrong way round."""

    package, module, name = "numpy", "numpy", "exact or not"

    def build(self, rows, folder):
        self.rows = rows

    def settings(self):
        return [{"sign": 1}, {"sign": -1}]

    def set(self, sign):
        self.sign = sign

    def search(self, vector, k):
        # What is exact takes longer, so that neither setting makes the other useless.
        time.sleep(0.002 if self.sign < 0 else 0)
        return np.argsort(self.sign * (self.rows @ vector))[:k]


class Absent(peers.Peer):
    package, module, name = "absent", "a_module_that_is_not_there", "absent"


class Ours:
    """What the benchmark writes: it finds 9 of 10 where it does not scan."""

    def __init__(self, index):
        self.index, self.calls = index, []

    def run(self, rounds, *flags):
        self.calls.append(flags)
        hits = {"exact": TRUE.tolist(), "0.9": [[*row[:9], 1] for row in TRUE.tolist()], "collector/0.9": TRUE.tolist()}
        if "--inexact" in flags:
            del hits["exact"]
        kinds = {f"image.test/pair/{name}": {"micros": [5.0] * rounds, "hits": found, "scored": [N] * 6, "exact": [name == "exact"] * 6} for name, found in hits.items()}
        return {
            "segments": [{"id": "a", "documents": 2 * N}], "vectors": {"image.test": U.tolist()}, "kinds": kinds,
            "open_ms": 1.0, "first_query_ms": 1.0, "anonymous_bytes": {"before": 0, "after": 0},
        }  # fmt: skip


class Runs(unittest.TestCase):
    def test_recall_is_against_the_network_and_absent_peers_are_named(self):
        with tempfile.TemporaryDirectory() as place:
            root = Path(place)
            written(root / "a.uvec", "text", ITEMS, DOCS, HUBS, 2 * N)
            save_file({"metric.pair.0.1.bilinear": MATRIX, "metric.pair.0.1.hub": np.array([0.5], np.float32)}, root / "model.safetensors")
            (root / "config.json").write_text(json.dumps({"media": [{"name": "image"}, {"name": "text"}], "targets": ["pair"], "default_target": "pair"}))
            ours = Ours(root)
            args = Namespace(peers=["exact or not", "absent"], work=root, core=min(peers.os.sched_getaffinity(0)), rounds=3, seed=1)
            with mock.patch.object(run, "PEERS", (Numpy, Absent)), mock.patch.object(run, "curves", return_value=None):
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    result = run.compare(args, ours, ours.run(1), form.Heads(root), None, [])
        self.assertIn("absent: left out", said.getvalue())
        self.assertEqual(result["left_out"], ["absent"])
        self.assertEqual([point["recall"] for point in result["ours"]["image.test/pair"]], [1.0, 0.9, 1.0])
        found = result["peers"][0]["points"]["image.test/pair"]
        self.assertEqual([(point["recall"], len(point["micros"])) for point in found], [(0.0, 3), (1.0, 3)])
        # The one run of before, and a run for each round without scans.
        self.assertEqual(ours.calls, [(), *[("--inexact",)] * 3])
        shown = run.show({**result, "build": None})
        self.assertIn("| image.test/pair | image.test/pair/0.9 | 0.9000 | 5 | exact or not | sign 1 | 0.0000 |", shown)
        self.assertIn("left out, not installed: absent", shown)
        json.dumps(result)

    def test_without_data_it_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as place:
            out = io.StringIO()
            with mock.patch.object(run, "DATA", Path(place) / "none"), mock.patch.object(sys, "argv", ["run.py", "--work", place]), contextlib.redirect_stdout(out):
                run.main()
        self.assertIn("skipped: ", out.getvalue())
        self.assertIn("UNCSM_DATA", out.getvalue())


if __name__ == "__main__":
    unittest.main()
