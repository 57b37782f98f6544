"""Inner datasets leave test alone and keep components whole; heads start near the dot product; nDCG by hand."""

import tempfile
import unittest
from pathlib import Path

import heads
import numpy as np
import torch
from features.data import Dataset, Pairs
from features.inner import inner
from safetensors.numpy import load_file, save_file


class Inner(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        draw = np.random.default_rng(0)
        stored = {
            "image": draw.normal(size=(120, 6)).astype(np.float32),
            "text": draw.normal(size=(120, 5)).astype(np.float32),
            "is_test": (np.arange(120) % 4 == 0).astype(np.uint8),
            "label": np.where(np.arange(120) % 10 == 9, -1, np.arange(120) % 3).astype(np.int64),
            "group": (np.arange(120) // 3).astype(np.int64),
            "other": np.zeros(7, dtype=np.float32),
        }
        file = self.root / "features.safetensors"
        save_file(stored, file)
        tensors = {name: name for name in ("image", "text", "is_test", "label", "group")}
        pairs = Pairs(stored["image"], stored["text"], stored["label"], {"group": stored["group"].tolist()})
        learned = (stored["is_test"] == 0) & (stored["label"] >= 0)
        train, test = pairs.take(np.flatnonzero(learned)), pairs.take(np.flatnonzero(stored["is_test"]))
        self.stored, self.dataset = stored, Dataset("made", file, tensors, train, test)

    def test_rows_are_train_rows_and_groups_stay_whole(self):
        made = inner(self.dataset, 1, self.root)
        stored = load_file(made.file)
        self.assertEqual(set(stored), set(self.dataset.tensors.values()))
        rows = {row.tobytes(): at for at, row in enumerate(self.stored["image"])}
        found = np.array([rows[row.tobytes()] for row in stored["image"]])
        self.assertEqual(len(found), len(self.dataset.train))
        self.assertFalse(self.stored["is_test"][found].any())
        for name in ("text", "label", "group"):
            np.testing.assert_array_equal(stored[name], self.stored[name][found])
        held = stored["is_test"].astype(bool)
        self.assertFalse(set(stored["group"][held]) & set(stored["group"][~held]))
        self.assertLessEqual(held.sum(), len(found) / 4)
        self.assertGreater(held.sum(), len(found) / 8)
        np.testing.assert_array_equal(made.test.image, stored["image"][held])
        np.testing.assert_array_equal(made.train.text, stored["text"][~held])

    def test_seeds_draw_anew_and_rows_are_bounded(self):
        one, again, other = (inner(self.dataset, seed, self.root, 40) for seed in (1, 1, 2))
        self.assertLessEqual(len(one.train) + len(one.test), 40)
        np.testing.assert_array_equal(one.test.image, again.test.image)
        self.assertFalse(np.array_equal(one.test.image, other.test.image[: len(one.test)]))


class Heads(unittest.TestCase):
    def test_heads_rank_like_the_dot_product_at_first(self):
        torch.manual_seed(0)
        u, v = (torch.nn.functional.normalize(torch.randn(n, 16), dim=1) for n in (4, 9))
        for name in ("dot", "bilinear", "+ hidden", "+ hidden of products"):
            with torch.no_grad():
                torch.testing.assert_close(heads.HEADS[name](16, 0)(u, v), 14 * u @ v.T)
        with torch.no_grad():
            found = heads.HEADS["combined"](16, 6)(u, v)
            torch.testing.assert_close(found - found.mean(), (lambda s: s - s.mean())(2 * u[:, :6] @ v[:, :6].T + 14 * u[:, 6:] @ v[:, 6:].T))
            for parts in (2, 4, 8):
                found = heads.HEADS[f"mixture {parts}"](16, 0)(u, v)
                self.assertEqual(tuple(found.shape), (4, 9))
                self.assertLessEqual(float(found.abs().max()), 14.0)

    def test_ndcg_by_hand(self):
        gain = np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 0.0]], dtype=np.float32)
        scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
        places = 1 / np.log2([2, 3, 4])
        expected = (3 * places[1] + places[2]) / (3 * places[0] + places[1])
        self.assertAlmostEqual(heads.ndcg(scores, gain), expected)


if __name__ == "__main__":
    unittest.main()
