"""The whole command on made data, with a small engine in place of the binary: nothing of a test row reaches what is chosen."""

import copy
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
from safetensors.numpy import save_file

import run
import systems
from engine import Engine
from standin import StandIn

N = 120


def corpus():
    """Items and tensors; picture and text of a document are near each other."""
    rng = np.random.default_rng(11)
    label = np.arange(N) % 3
    base = np.eye(3)[label] @ np.ones((3, 6)) * 0.1 + rng.normal(size=(N, 6))
    items = []
    for i in range(N):
        known = ["one", "two", "three word s", "(four)"]
        keywords = [known[at] for at in rng.permutation(4)[: i % 4]]
        text = f"title {i}. " + ", ".join(keywords)
        category = ("food", "signs_and_symbols", "animals")[i % 3]
        items.append({"id": i, "title": f"title {i}", "text": text, "keywords": keywords, "category": category, "split": "test" if i % 3 == 1 else "train"})
    tensors = {
        "image_efficientnet_lite0": (base + 0.3 * rng.normal(size=(N, 6))).astype(np.float32),
        "text_minilm": (base + 0.3 * rng.normal(size=(N, 6))).astype(np.float32),
        "label": label.astype(np.int64),
        "is_test": (np.arange(N) % 3 == 1).astype(np.uint8),
    }
    return items, tensors


def noise_on_test(items, tensors):
    """The same train rows; everything else of the test rows is another."""
    rng, items, tensors = np.random.default_rng(12), copy.deepcopy(items), {key: value.copy() for key, value in tensors.items()}
    test = tensors["is_test"] == 1
    for name in ("image_efficientnet_lite0", "text_minilm"):
        tensors[name][test] = 9 * rng.normal(size=(test.sum(), 6))
    tensors["label"][test] = rng.integers(0, 9, test.sum())
    for item in items:
        if item["split"] == "test":
            item |= {"keywords": ["noise"], "text": f"other {item['id']}. noise", "category": "tools", "title": "noise"}
    return items, tensors


class Runs(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary"
        self.binary.write_text("first")
        small = {"WEIGHTS": (1.0, 0.1), "RRF_K": (60,), "NORMALISE": ("min-max", "probability"), "TARGETS": ("class", "pair")}
        for name, values in small.items():
            patch = mock.patch.object(systems, name, values)
            patch.start()
            self.addCleanup(patch.stop)

    def data(self, name, items, tensors):
        folder = self.root / name / "openclipart-mini"
        folder.mkdir(parents=True)
        (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        save_file(tensors, folder / "features.safetensors")
        return self.root / name

    def run_on(self, data, out, *more, engine=None):
        engine = engine or StandIn()
        arguments = ["run.py", "--data", data, "--out", self.root / out, "--binary", self.binary, "--folds", "2", "--draws", "3", *more]
        with (
            mock.patch.object(sys, "argv", list(map(str, arguments))),
            mock.patch.object(Engine, "call", staticmethod(engine)),
            mock.patch("builtins.print"),
        ):
            run.main()
        return json.loads((self.root / out / "relevance.json").read_text()), engine

    def test_what_is_chosen_does_not_depend_on_test_rows(self):
        items, tensors = corpus()
        real, _ = self.run_on(self.data("real", items, tensors), "a", "--skip-learned")
        noise, _ = self.run_on(self.data("noise", *noise_on_test(items, tensors)), "b", "--skip-learned")
        for key in ("chosen", "hybrid", "cosine_hybrid", "on_train"):
            self.assertEqual(real[key], noise[key], key)
        task = "picture + keyword -> texts"
        self.assertNotEqual(real["tasks"][task]["systems"], noise["tasks"][task]["systems"])
        # The comparison can fail: another train row gives other values.
        train = next(item for item in items if item["split"] == "train" and item["keywords"])
        train["text"], tensors["text_minilm"][train["id"]] = "nothing", 0
        other, _ = self.run_on(self.data("other", items, tensors), "c", "--skip-learned")
        self.assertNotEqual(real["chosen"], other["chosen"])

    def test_the_engine_is_given_no_test_row_before_the_last_choice(self):
        items, tensors = corpus()
        test = tensors["is_test"] == 1
        rows = {name: {row.tobytes() for row in tensors[name][test]} for name in ("image_efficientnet_lite0", "text_minilm")}
        rows = set.union(*rows.values())
        ids = {str(item["id"]) for item in items if item["split"] == "test"}
        engine = StandIn()
        real, before = run.testing.final_benches, []

        def final_benches(*arguments):
            before.append(len(engine.read))
            return real(*arguments)

        with mock.patch.object(run.testing, "final_benches", final_benches):
            self.run_on(self.data("data", items, tensors), "out", engine=engine)
        self.assertEqual(len(before), 1)
        self.assertGreater(before[0], 100)
        for command, given, named in engine.read[: before[0]]:
            self.assertFalse(given & rows or named & ids, command)
        # Afterwards they are asked for, but never learned from.
        after = engine.read[before[0] :]
        self.assertTrue(any(given & rows for command, given, _ in after if command == "query"))
        for command, given, named in after:
            if command in ("train", "fuse"):
                self.assertFalse(given & rows or named & ids, command)
        self.assertEqual(sum(command == "train" for command, *_ in engine.read), 3)

    def test_folds_are_asked_of_what_their_bundle_has_not_seen(self):
        _, engine = self.run_on(self.data("data", *corpus()), "out", "--skip-learned")
        trained = [given for command, given, _ in engine.read if command == "train"]
        built = [given for command, given, _ in engine.read if command == "build"]
        for fold in range(2):
            for media in range(2):
                self.assertFalse(trained[fold] & built[2 * fold + media])
        self.assertEqual(trained[2], trained[0] | built[0] | built[1])

    def test_the_table(self):
        found, engine = self.run_on(self.data("data", *corpus()), "out", "--seeds", "42,43")
        page = (self.root / "out" / "relevance.md").read_text()
        self.assertEqual([call[0] for call in engine.calls].count("train"), 4)
        # 2 folds, 2 kinds of queries, 2 targets; each layer was attached before it was asked.
        self.assertEqual([call[0] for call in engine.calls].count("fuse"), 8)
        for task, section in found["tasks"].items():
            self.assertEqual((section["indexed"], section["documents"] + section["left_out"]), (40, 40))
            names = list(section["systems"])
            for name in ("keyword alone", "metric alone, pair", "cosine alone", "posterior alone", "cosine, keyword as a filter"):
                self.assertIn(name, names)
            for similarity in systems.SIMILARITIES:
                for fusion in systems.FUSIONS:
                    self.assertTrue(any(name.startswith(f"{fusion} with {similarity}") for name in names), fusion)
            # The engine's own fusion with cosine and the filter are one restriction.
            one, two = section["systems"]["metric with cosine"], section["systems"]["cosine, keyword as a filter"]
            self.assertEqual(one, two)
            self.assertNotIn("difference", section["systems"][section["hybrid"]])
            learned = section["learned"]["systems"]
            self.assertIn("learned with metric (target=pair)", learned)
            self.assertNotIn("refused", learned["learned with metric (target=class)"])
            self.assertIn(section["hybrid"], learned)
            against = [one["against"] for one in section["comparisons"]]
            self.assertEqual(against.count("the metric leg"), 2)
            for one in section["comparisons"]:
                self.assertEqual(one["holds"], all(m["low"] > 0 for m in one["measures"].values()))
            self.assertIn(f"### {task}", page)
        self.assertEqual(len(found["words"]) - 1, page.count("- holds: ") + page.count("- DOES NOT HOLD: "))
        self.assertIn(f"- {page.count('- holds: ')} of {len(found['words']) - 1} comparisons hold", page)
        refused = [said for choice in found["chosen"] for said in choice["refused"]]
        self.assertEqual([said["said"] for said in refused], ["cosine has no probability"] * 2)

    def test_what_is_there_is_kept(self):
        data = self.data("data", *corpus())
        first, engine = self.run_on(data, "out")
        calls = len(engine.calls)
        second, _ = self.run_on(data, "out", engine=engine)
        self.assertEqual(first, second)
        # Only layers are attached again.
        self.assertEqual({call[0] for call in engine.calls[calls:]}, {"attach"})
        for name, more, made in (
            ("second", ["--keep-bundles"], {"build", "query"}),
            ("third", [], {"train", "build", "query"}),
            ("third", ["--again"], {"train", "build", "query"}),
        ):
            self.binary.write_text(name)
            calls = len(engine.calls)
            self.run_on(data, "out", "--skip-learned", *more, engine=engine)
            self.assertEqual({call[0] for call in engine.calls[calls:]}, made)


if __name__ == "__main__":
    unittest.main()
