"""Grown rows are the same for a seed, stay near their parents, and are files that `build` takes."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import grow


def rows(n=400, d=24, seed=1):
    """Unit rows in a few crowds that have directions of their own."""
    rng = np.random.default_rng(seed)
    centres, basis = rng.normal(size=(8, d)), rng.normal(size=(8, 4, d))
    at = rng.integers(0, 8, n)
    out = centres[at] + 0.5 * np.einsum("nk,nkd->nd", rng.normal(size=(n, 4)), basis[at])
    return (out / np.linalg.norm(out, axis=1)[:, None]).astype(np.float32)


class Grows(unittest.TestCase):
    def test_neighbours_are_the_nearest_but_oneself(self):
        x = rows()
        near = grow.neighbours(x, 5, block=64)
        scores = x @ x.T
        np.fill_diagonal(scores, -np.inf)
        for row in (0, 63, 64, 399):
            best = np.sort(scores[row])[::-1][:5]
            np.testing.assert_allclose(scores[row, near[row]], best, rtol=1e-5)

    def test_parents_are_even(self):
        of = grow.parents(10, 37, np.random.default_rng(1))
        counts = np.bincount(of, minlength=10)
        self.assertEqual((len(of), counts.min(), counts.max()), (37, 3, 4))

    def test_children_keep_their_length_and_their_neighbourhood(self):
        x = rows() * np.linspace(0.5, 2, 400, dtype=np.float32)[:, None]
        near = grow.neighbours(rows())
        of = np.arange(400)
        got = grow.children(x, near, of, np.random.default_rng(2))
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), np.linalg.norm(x, axis=1), rtol=1e-5)
        self.assertTrue((np.abs(got - x).max(axis=1) > 1e-3).all())
        # Nearer to the parent than to a row drawn at random, for nearly all.
        unit = got / np.linalg.norm(got, axis=1)[:, None]
        other = np.random.default_rng(3).permutation(400)
        nearer = (unit * rows()).sum(1) > (unit * rows()[other]).sum(1)
        self.assertGreater(nearer.mean(), 0.9)

    def test_without_a_way_and_noise_children_are_parents(self):
        x = rows()
        got = grow.children(x, grow.neighbours(x), np.arange(400), np.random.default_rng(2), 0.0, 0.0, 0.0)
        np.testing.assert_allclose(got, x, atol=1e-6)

    def test_files_are_what_build_takes(self):
        x = rows().astype(np.float16)
        lines = [json.dumps({"id": f"p{row}", "text": f"text {row}"}) for row in range(400)]
        with tempfile.TemporaryDirectory() as place:
            made = [Path(place) / name for name in "abc"]
            for out, seed in zip(made, (7, 7, 8)):
                grow.write(x, lines, "text_minilm", 1500, out, seed)
            stored = load_file(made[0] / "features.safetensors")["text_minilm"]
            self.assertEqual((stored.shape, stored.dtype), ((1500, 24), np.float16))
            self.assertEqual(sum(row.tobytes() in {one.tobytes() for one in x} for row in stored), 0)
            np.testing.assert_array_equal(grow.mapped(made[0] / "features.safetensors", "text_minilm"), stored)
            same = [(out / "features.safetensors").read_bytes() == (made[0] / "features.safetensors").read_bytes() for out in made]
            self.assertEqual(same, [True, True, False])
            docs = [json.loads(line) for line in (made[0] / "docs.jsonl").read_text().splitlines()]
            self.assertEqual(len({doc["id"] for doc in docs}), 1500)
            # The text is that of the parent, which is near.
            of = [int(doc["id"].split("~")[0][1:]) for doc in docs]
            self.assertTrue(all(doc["text"] == f"text {row}" for doc, row in zip(docs, of)))
            self.assertGreater(np.median((stored.astype(np.float32) * x[of].astype(np.float32)).sum(1)), 0.7)

    def test_as_many_as_there_are_are_the_real_ones(self):
        [(of, got)] = grow.grown(rows(), 400, 1)
        np.testing.assert_array_equal(got, rows())
        self.assertEqual(of.tolist(), list(range(400)))

    def test_fewer_rows_than_there_are_is_refused(self):
        with self.assertRaises(ValueError):
            next(grow.grown(rows(), 399, 1))


if __name__ == "__main__":
    unittest.main()
