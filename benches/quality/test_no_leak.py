"""Test rows are never read in training: with features and labels of all test rows replaced by noise, the bundle stays the same,
byte for byte, and so does what each baseline without epochs chooses and how it scores.

The test of bundles needs UNCSM_DATA (folders, with the separator of PATH between them; default `../shared/data` beside the project) and UNCSM_BINARY (default: the release build); skipped without.
"""

import os
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import methods
import test_methods
import tuning
import uncsm
from features import data

ROOT = Path(__file__).resolve().parents[2]
ROOTS = [Path(root) for root in os.environ.get("UNCSM_DATA", str(ROOT / "../shared/data")).split(os.pathsep)]
BINARY = Path(os.environ.get("UNCSM_BINARY", ROOT / "target/release/uncsm-index"))


def contents(folder):
    """Bytes of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def with_noise(stored, names, test, classes):
    """The tensors with noise in place of the test rows' features, labels and groups."""
    rng = np.random.default_rng(7)
    noisy = {key: value.copy() for key, value in stored.items()}
    for tensor in names["media"]:
        noisy[tensor][test] = 100 * rng.normal(size=noisy[tensor][test].shape)
    if names.get("label") in noisy:
        noisy[names["label"]][test] = rng.integers(0, classes, test.sum())
    if "group" in names:
        noisy[names["group"]][test] = rng.integers(0, 10, test.sum())
    return noisy


class Baselines(unittest.TestCase):
    """On a made set, as `data.load` reads it."""

    def tuned(self, stored, method, probe):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "emoji"
            place.mkdir()
            save_file(stored, place / "features.safetensors")
            dataset = data.load("emoji", [Path(folder)], BINARY)
            found, _ = tuning.tune(method, dataset.train, 42)
            return {aim: (one.chosen, one.model.scores(probe, one.variant).tobytes()) for aim, one in found.items()}

    def test_baselines(self):
        rng, n = np.random.default_rng(1), 200
        label = rng.integers(0, 4, n)
        centres = rng.normal(size=(4, 12))
        image = np.abs(centres[label] + rng.normal(size=(n, 12))).astype(np.float32)
        text = (centres[label][:, :6] + rng.normal(size=(n, 6))).astype(np.float32)
        test = np.arange(n) % 4 == 3
        stored = {"image": image, "text": text, "label": label, "is_test": test.astype(np.uint8), "group": np.arange(n) // 2}
        noisy = with_noise(stored, {"media": ("image", "text"), "label": "label", "group": "group"}, test, 9)
        other = {**stored, "image": image.copy()}
        other["image"][0] += 1
        probe = data.Pairs(image[test], text[test], label[test])
        for name in ("CCA", "KCCA", "CFA", "JRL", "ridge CCA", "kernel CCA + kernel ridge"):
            with self.subTest(name):
                method = test_methods.Ends(methods.ALL[name])
                real = self.tuned(stored, method, probe)
                self.assertEqual(list(real), ["map", "recall"])
                self.assertEqual(real, self.tuned(noisy, method, probe))
                # The comparison can fail: a train row does change the scores.
                self.assertNotEqual(real, self.tuned(other, method, probe))


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
        media = list(uncsm.media(dataset).values())
        noisy = with_noise(stored, {**names, "media": media}, test, classes_of_noise)
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
            noisy[media[0]][row] += 1
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

    def test_without_classes(self):
        if "names" not in data.KNOWN:
            self.skipTest("no set without classes is known")
        self.check("names", 3)


if __name__ == "__main__":
    unittest.main()
