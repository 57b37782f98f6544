"""The generator of `large.py` and its figures, without the program."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import large


class Large(unittest.TestCase):
    def test_files_hold_all_pairs_and_are_made_once(self):
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            folder = large.shards(work, "a", large.made({"image": 8, "text": 6}), 103, 4)
            paths = sorted(folder.glob("*.safetensors"))
            parts = [load_file(path) for path in paths]
            self.assertEqual([len(part["image"]) for part in parts], [25, 26, 26, 26])
            self.assertTrue(all(part["text"].shape[1] == 6 for part in parts))
            times = [path.stat().st_mtime_ns for path in paths]
            large.shards(work, "a", large.made({"image": 8, "text": 6}), 103, 4)
            self.assertEqual(times, [path.stat().st_mtime_ns for path in paths])
            again = large.shards(work, "b", large.made({"image": 8, "text": 6}), 103, 4)
            for path, part in zip(sorted(again.glob("*.safetensors")), parts):
                np.testing.assert_array_equal(load_file(path)["image"], part["image"])

    def test_grown_pairs_stay_pairs(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "real.safetensors"
            rows = np.random.default_rng(1).standard_normal((50, 5), dtype=np.float32)
            save_file({"x": rows, "y": 2 * rows}, path)
            pairs = large.grown(path, "image=x,text=y")(np.random.default_rng(2), 200)
            np.testing.assert_allclose(2 * pairs["image"], pairs["text"], rtol=1e-5, atol=1e-6)
            self.assertEqual(len(np.unique(pairs["image"], axis=0)), 200)

    def test_figures_are_by_epoch_and_million(self):
        recall = {"image_to_text": {"1": 0.5, "10": 0.75}, "text_to_image": {"1": 0.25, "10": 1.0}}
        stage = {"name": "metric", "epochs": 2, "seconds": 8.0, "validation": {"recall": {"metric_pair": recall}}}
        report = {"stages": [{"name": "double_triplet", "epochs": 0, "seconds": 0.5}, stage]}
        run = large.measured(200_000, report, 20.0, 30.0, {"RssAnon": 100.0, "RssFile": 50.0})
        self.assertEqual(run["stages"], {"metric": {"epochs": 2, "epoch": 4.0, "million": 20.0}})
        self.assertEqual((run["beside_epochs"], run["recall"]), (11.5, [0.375, 0.875]))
        self.assertIn("metric 2 x 4.0 s = 20 s a million; 100 MB anonymous", large.line(run))


if __name__ == "__main__":
    unittest.main()
