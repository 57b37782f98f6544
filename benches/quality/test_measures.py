"""The Python measures: by hand, over all orders of ties, and against the binary's `eval` on the same stored vectors.

    python3 -m unittest discover -s benches/quality -p 'test_*.py'

The comparison with the binary needs UNCSM_BINARY (default: the release build) and is skipped where there is none.
"""

import itertools
import json
import os
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import uncsm
from features import data
from measures import average_precision, map_mean, measure, recall_at

BINARY = Path(os.environ.get("UNCSM_BINARY", Path(__file__).resolve().parents[2] / "target/release/uncsm-index"))


def shared_vectors(bundle, config, media, rows):
    """Shared vectors [n, d] of a bundle's pathway, rounded to f16 as an index stores them, and the number of classes."""
    part = {key.split(".", 2)[2]: value for key, value in bundle.items() if key.startswith(f"pathway.{media}.")}
    if config["media"][media].get("roots"):
        rows = np.sign(rows) * np.sqrt(np.abs(rows))
    z = np.clip((rows - part["mean"]) * part["scale"], -10, 10)
    r = np.maximum(z @ part["hidden.weight"].T + part["hidden.bias"], 0)
    unit = r @ part["unit.weight"].T + part["unit.bias"]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    logits = r @ part["class.weight"].T + part["class.bias"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.concatenate([p / p.sum(axis=1, keepdims=True), unit], axis=1).astype(np.float16).astype(np.float32)


class ByHand(unittest.TestCase):
    def test_strict_ranking(self):
        # Relevant at ranks 1 and 3.
        scores, relevant = np.array([[0.9, 0.5, 0.7, 0.1]]), np.array([[True, True, False, False]])
        self.assertAlmostEqual(average_precision(scores, relevant)[0], (1 + 2 / 3) / 2)
        self.assertEqual([recall_at(scores, relevant, k)[0] for k in (1, 2)], [1.0, 1.0])

    def test_ties_are_the_mean_over_all_orders(self):
        base, relevant = np.array([[2.0, 1, 1, 1, 0]]), np.array([[False, True, True, False, True]])
        orders = []
        for order in itertools.permutations((1, 2, 3)):
            scores = base.copy()
            scores[0, 1:4] += np.array(order) * 0.01
            orders.append(scores)
        mean = np.mean([average_precision(scores, relevant)[0] for scores in orders])
        self.assertAlmostEqual(average_precision(base, relevant)[0], mean)
        for k in range(1, 6):
            mean = np.mean([recall_at(scores, relevant, k)[0] for scores in orders])
            self.assertAlmostEqual(recall_at(base, relevant, k)[0], mean)

    def test_nothing_relevant_is_left_out(self):
        scores, relevant = np.ones((1, 3)), np.zeros((1, 3), dtype=bool)
        self.assertTrue(np.isnan(average_precision(scores, relevant)[0]))
        self.assertTrue(np.isnan(recall_at(scores, relevant, 1)[0]))

    def test_both_directions_and_their_mean(self):
        one, two, mean = map_mean(np.array([[0.1, 0.9], [0.2, 0.8]]), np.array([0, 1]))
        # Image 0 finds its text second, image 1 first; both texts find their image second.
        self.assertEqual((one, two, mean), (0.75, 0.5, 0.625))

    def test_rows_without_a_class_are_neither_queries_nor_results(self):
        rng = np.random.default_rng(2)
        scores, label = np.round(rng.normal(size=(60, 60)), 1), rng.integers(0, 3, 60)
        known = np.arange(60) % 5 != 0
        self.assertEqual(
            map_mean(scores, np.where(known, label, -1)), map_mean(scores[np.ix_(known, known)], label[known])
        )

    def test_many_queries_are_the_same_as_one_by_one(self):
        rng = np.random.default_rng(3)
        scores, relevant = rng.normal(size=(40, 50)), rng.random((40, 50)) < 0.2
        # Some queries with ties, some without, one with nothing else, one with nothing relevant.
        scores[::2] = np.round(scores[::2])
        scores[4], relevant[6] = 0.0, False
        one_by_one = [average_precision(scores[i : i + 1], relevant[i : i + 1])[0] for i in range(40)]
        np.testing.assert_allclose(average_precision(scores, relevant), one_by_one, rtol=1e-12)

    def test_equal_content_counts_as_the_paired_item(self):
        rows = data.Pairs(np.eye(3, dtype=np.float32), np.array([[1.0], [1.0], [2.0]], dtype=np.float32), np.arange(3))
        # Row 0 prefers text 1, which is text 0 again.
        scores = np.array([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.0, 0.0, 0.9]])
        forth = 1.0
        back = (0.5 + 0.5 + 1.0) / 3
        self.assertAlmostEqual(measure(scores, rows)["recall@1"], (forth + back) / 2)


@unittest.skipUnless(BINARY.exists(), f"no binary at {BINARY}: build it, or name one in UNCSM_BINARY")
class AgainstTheBinary(unittest.TestCase):
    def test_eval_and_python_agree_on_the_same_vectors(self):
        rng = np.random.default_rng(5)
        n, label = 320, rng.integers(0, 4, 320)
        centres = rng.normal(size=(4, 12))
        # Without negative numbers, so that the pathway reads roots.
        image = np.abs(centres[label] + rng.normal(size=(n, 12))).astype(np.float32)
        text = (centres[label][:, :6] + rng.normal(size=(n, 6))).astype(np.float32)
        # Equal texts, so that ties and byte-equal content occur.
        text[::3] = text[label[::3]]
        is_test = (np.arange(n) % 3 != 1).astype(np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            file = folder / "features.safetensors"
            save_file({"image": image, "text": text, "label": label.astype(np.int64), "is_test": is_test}, file)
            test = np.flatnonzero(is_test)
            everything = data.Pairs(image, text, label)
            names = {"image": "image", "text": "text", "label": "label", "is_test": "is_test"}
            dataset = data.Dataset("made", file, names, everything.take(np.flatnonzero(is_test == 0)), everything.take(test))
            # Shared vectors are computed here from the deep members alone.
            settings = folder / "deep.toml"
            settings.write_text("kernel = false\nhub = false\n", encoding="utf-8")
            uncsm.train(BINARY, dataset, folder / "bundle", 1, config=settings)
            report = uncsm.evaluate(BINARY, dataset, folder / "bundle")
            bundle = load_file(folder / "bundle" / "model.safetensors")
            config = json.loads((folder / "bundle" / "config.json").read_text())
        self.assertEqual([media.get("roots", False) for media in config["media"]], [True, False])
        u, v = shared_vectors(bundle, config, 0, image[test]), shared_vectors(bundle, config, 1, text[test])
        # Equal texts must get equal scores whatever the order of a product's sums: each is scored once.
        once, back = np.unique(v, axis=0, return_inverse=True)
        u, once = u.astype(np.float64), once.astype(np.float64)
        norms = np.linalg.norm(u, axis=1)[:, None] * np.linalg.norm(once, axis=1)[None, :]
        for name, scores in (("posterior", u[:, :4] @ once[:, :4].T), ("cosine", u @ once.T / norms)):
            ours = measure(scores[:, back], dataset.test)
            theirs, recall = report["map_all"][name], report["recall"][name]
            for key in ("image_to_text", "text_to_image", "mean"):
                self.assertAlmostEqual(ours[key], theirs[key], delta=2e-3, msg=f"{name} {key}")
            # f16 rounding of a sum in another order may move one of the 213 queries across rank k.
            for k in ("1", "5", "10"):
                mean = (recall["image_to_text"][k] + recall["text_to_image"][k]) / 2
                self.assertAlmostEqual(ours[f"recall@{k}"], mean, delta=3e-3, msg=f"{name} recall@{k}")


if __name__ == "__main__":
    unittest.main()
