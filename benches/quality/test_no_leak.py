"""Test rows are never read in training: with features and labels of all test rows replaced by noise, the bundle stays the same,
byte for byte.

Needs UNCSM_DATA (folders, with the separator of PATH between them; default `../shared/data` beside the project) and UNCSM_BINARY (default: the release build); skipped without.
"""

import os
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import data
import uncsm

ROOT = Path(__file__).resolve().parents[2]
ROOTS = [Path(root) for root in os.environ.get("UNCSM_DATA", str(ROOT / "../shared/data")).split(os.pathsep)]
BINARY = Path(os.environ.get("UNCSM_BINARY", ROOT / "target/release/uncsm-index"))


def contents(folder):
    """Bytes of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@unittest.skipUnless(BINARY.exists(), f"no binary at {BINARY}: build it, or name one in UNCSM_BINARY")
class NoLeak(unittest.TestCase):
    def check(self, name, classes_of_noise):
        try:
            dataset = data.load(name, ROOTS, BINARY)
        except FileNotFoundError as absent:
            self.skipTest(str(absent))
        stored = load_file(dataset.file)
        names = dataset.tensors
        test = stored[names["is_test"]].astype(bool)
        rng = np.random.default_rng(7)
        noisy = {key: value.copy() for key, value in stored.items()}
        for media in ("image", "text"):
            noisy[names[media]][test] = 100 * rng.normal(size=noisy[names[media]][test].shape)
        noisy[names["label"]][test] = rng.integers(0, classes_of_noise, test.sum())
        if "group" in names:
            noisy[names["group"]][test] = rng.integers(0, 10, test.sum())
        with tempfile.TemporaryDirectory() as folder:
            bundles = []
            for kind, tensors in (("real", stored), ("noise", noisy)):
                place = Path(folder) / kind
                place.mkdir()
                save_file(tensors, place / "features.safetensors")
                uncsm.train(BINARY, dataset, place / "bundle", 42, place / "features.safetensors")
                bundles.append(contents(place / "bundle"))
            real, noise = bundles
            self.assertGreater(len(real), 0)
            self.assertEqual(sorted(real), sorted(noise))
            for file in real:
                self.assertTrue(real[file] == noise[file], f"{name}: {file} depends on test rows")
            # The comparison can fail: a train row does change the bundle.
            row = np.flatnonzero(~test)[0]
            noisy[names["image"]][row] += 1
            place = Path(folder) / "train-row"
            place.mkdir()
            save_file(noisy, place / "features.safetensors")
            uncsm.train(BINARY, dataset, place / "bundle", 42, place / "features.safetensors")
            self.assertNotEqual(real, contents(place / "bundle"))

    def test_wikipedia(self):
        # More classes than there are, so that their number must come from train rows too.
        self.check("wikipedia", 25)

    def test_openclipart(self):
        self.check("openclipart", 14)

    def test_tuxpaint(self):
        self.check("tuxpaint", 30)

    def test_emoji(self):
        self.check("emoji", 20)


if __name__ == "__main__":
    unittest.main()
