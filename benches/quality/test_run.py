"""Datasets are found and made, and a table made in parts is the table made at once. A script stands in for the binary."""

import json
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
from safetensors.numpy import save_file

import run
from features import data

BINARY = '''#!{python}
import json, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file

command, rest = sys.argv[1], sys.argv[2:]
with open(Path(__file__).with_suffix(".calls"), "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
maps = {{"image_to_text": 0.5, "text_to_image": 0.6, "mean": 0.55}}
ranks = {{"1": 0.1, "5": 0.2, "10": 0.3}}
names = ("cosine", "posterior", "metric", "metric_class")
map_all = {{name: maps for name in names}} | {{"metric_pair": None}}
recall = {{name: {{"image_to_text": ranks, "text_to_image": ranks}} for name in names}} | {{"metric_pair": None}}
if command == "features":
    rng = np.random.default_rng(0)
    rows = len(Path(rest[0]).read_text().splitlines())
    tensors = {{"image": rng.normal(size=(rows, 8)), "text": rng.normal(size=(rows, 6))}}
    tensors = {{key: value.astype(np.float32) for key, value in tensors.items()}}
    tensors["label"] = np.arange(rows, dtype=np.int64) % 3
    tensors["label"][-1] = -1
    tensors["is_test"] = (np.arange(rows) % 4 == 3).astype(np.uint8)
    tensors["group"] = np.arange(rows, dtype=np.int64) // 4 - 1
    save_file(tensors, rest[rest.index("--out") + 1])
elif command == "train":
    Path(rest[rest.index("--out") + 1]).mkdir()
    stage = {{"name": "contrastive", "epochs": 3, "seconds": 1.5, "validation": {{"map_all": map_all}}}}
    print(json.dumps({{"stages": [stage, {{**stage, "name": "metric"}}], "fingerprint": {{}}, "seconds": 3.0}}))
elif command == "build":
    Path(rest[rest.index("--out") + 1]).mkdir()
    print(json.dumps({{"documents": 80}}))
elif command == "inspect":
    print(json.dumps({{"segments": [{{"items": {{"image": 80, "text": 80}}, "bytes": {{"text": 1, "uvec": 48000}}}}]}}))
elif command == "query":
    # The answer to line n finds rows n, n + 1 and n + 2 of the 20 test rows, the first for sure.
    for n, line in enumerate(map(json.loads, Path(rest[rest.index("--batch") + 1]).read_text().splitlines())):
        hits = [{{"rank": 1 + i, "id": str((n + i) % 20), "probability": (1.0, 0.85, 0.3)[i]}} for i in range(3)]
        print(json.dumps({{"line": n + 1, "hits": hits[: line["k"]]}}))
else:
    rate = {{"ece": 0.03, "brier_skill": 0.4}}
    one = {{"target": "class", "prior": 0.5, "half": rate, "natural": rate, "precision_at_0.8": {{"value": None, "pairs": 0}}}}
    calibration = {{"image_to_text": one, "text_to_image": one}}
    print(json.dumps({{"pairs": 9, "map_all": map_all, "recall": recall, "calibration": calibration}}))
'''


class Runs(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary.py"
        self.binary.write_text(BINARY.format(python=sys.executable))
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)
        self.corpus = self.root / "two" / "emoji"
        self.corpus.mkdir(parents=True)
        (self.root / "one").mkdir()
        items = [{"id": str(i), "text": f"text {i // 2}", "class": "abc"[i % 3]} for i in range(80)]
        (self.corpus / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))

    def load(self, **encoders):
        return data.load("emoji", [self.root / "one", self.root / "two"], self.binary, encoders)

    def calls(self):
        path = self.binary.with_suffix(".calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run_with(self, methods, *more):
        arguments = ["run.py", "--data", self.root / "one", "--data", self.root / "two", "--out", self.root / "out"]
        arguments += ["--datasets", "emoji", "--binary", self.binary, "--threads", "1", "--methods", methods, *more]
        with mock.patch.object(sys, "argv", list(map(str, arguments))), mock.patch("builtins.print"):
            run.main()
        return json.loads((self.root / "out" / "quality.json").read_text())["emoji"]

    def test_features_are_made_once_with_the_groups(self):
        dataset = self.load(image="builtin-image-v1", text="builtin-text-v1")
        self.assertEqual(len(self.calls()), 1)
        call = self.calls()[0]
        self.assertEqual(call[:2], ["features", str(self.corpus / "items.jsonl")])
        for flag in ("--label class", "--group group", "--encoder image=builtin-image-v1", "--encoder text=builtin-text-v1"):
            self.assertIn(flag, " ".join(call))
        # A negative number is a group like others, but no label; a test row stays without one.
        self.assertEqual(dataset.train.keys["group"][:5], [-1, -1, -1, 0, 0])
        self.assertEqual((len(dataset.train), len(dataset.test), dataset.test.label[-1]), (60, 20, -1))
        self.assertEqual(dataset.tensors["group"], "group")
        self.load()
        self.assertEqual(len(self.calls()), 1)

    def test_what_is_missing_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "features.safetensors: no such file.*--text-encoder missing"):
            self.load(image="builtin-image-v1")
        with self.assertRaisesRegex(FileNotFoundError, "no folder tuxpaint"):
            data.load("tuxpaint", [self.root / "one", self.root / "two"], self.binary)

    def test_a_table_in_parts(self):
        self.load(image="a", text="b")
        first = self.run_with("CFA")
        self.assertEqual(list(first["runs"]), ["CFA"])
        both = self.run_with("UNCSM", "--seeds", "42,43")
        self.assertEqual(list(both["runs"]), ["CFA", "UNCSM cosine", "UNCSM metric_class", "UNCSM posterior"])
        self.assertEqual(both["runs"]["CFA"], first["runs"]["CFA"])
        self.assertEqual(list(both["runs"]["CFA"][0]["tuned"]), ["map", "recall"])
        self.assertEqual(list(both["summary"]["recall"]), list(both["runs"]))
        self.assertEqual(both["summary"]["map"]["UNCSM metric_class"]["seeds"], 2)
        self.assertNotIn("precision_at_0.8 value", both["calibration"]["metric, image_to_text"])
        self.assertGreater(both["runs"]["UNCSM cosine"][0]["whole"]["processor_seconds"], 0)
        trained = [call for call in self.calls() if call[0] == "train"]
        self.assertEqual(len(trained), 2)
        self.assertIn("--group group", " ".join(trained[0]))
        # Kept; then another seed, then all of it anew.
        for more, count in (([], 3), ([], 3), (["--again"], 6)):
            self.run_with("UNCSM", *more)
            self.assertEqual(sum(call[0] == "train" for call in self.calls()), count)

    def test_without_classes_and_with_other_media(self):
        self.load(image="a", text="b")
        whole = data.load

        def load(*words):
            found = whole(*words)
            for rows in (found.train, found.test):
                rows.label[:] = -1
            found.media = {"name": "image", "description": "text"}
            return found

        turn = ('"image_to_text"', '"name_to_description"'), ('"text_to_image"', '"description_to_name"')
        script = self.binary.read_text()
        for old, new in turn:
            script = script.replace(old, new)
        script = script.replace('"metric_class")', '"metric_pair")').replace('| {"metric_pair": None}', "")
        self.binary.write_text(script.replace("name: maps for name in names", "name: None for name in names"))
        with mock.patch.object(data, "load", load):
            found = self.run_with("CFA,SM,UNCSM", "--seeds", "42")
        # A baseline that needs classes is left out, and nothing says MAP.
        labels = ["CFA", "UNCSM cosine", "UNCSM metric_pair", "UNCSM posterior"]
        self.assertEqual(list(found["runs"]), labels)
        self.assertEqual((found["summary"]["map"], list(found["summary"]["recall"])), ({}, labels))
        self.assertEqual((found["media"], found["classes"]), (["name", "description"], False))
        self.assertEqual(found["runs"]["UNCSM metric_pair"][0]["measures"], {"recall@1": 0.1, "recall@5": 0.2, "recall@10": 0.3})
        self.assertEqual(list(found["runs"]["CFA"][0]["tuned"]), ["recall"])
        trained = next(call for call in self.calls() if call[0] == "train")
        self.assertIn("--pathway name=image --pathway description=text", " ".join(trained))
        self.assertNotIn("--label", trained)

    def test_one_run_at_a_time(self):
        self.load(image="a", text="b")
        (self.root / "out").mkdir()
        with run.lock(self.root / "out"), self.assertRaisesRegex(SystemExit, "another run"):
            self.run_with("CFA")
        self.run_with("CFA")

    def test_another_binary_replaces_and_other_features_drop(self):
        self.load(image="a", text="b")
        self.run_with("CFA,UNCSM", "--seeds", "42,43")
        self.binary.write_text(self.binary.read_text() + "# newer\n")
        found = self.run_with("UNCSM", "--seeds", "43")
        self.assertEqual([run["seed"] for run in found["runs"]["UNCSM posterior"]], [43])
        self.assertEqual(len(found["runs"]["CFA"]), 2)
        stored = data.load_file(self.corpus / "features.safetensors")
        save_file({**stored, "image": stored["image"] + np.float32(1)}, self.corpus / "features.safetensors")
        found = self.run_with("SM", "--seeds", "42")
        self.assertEqual(list(found["runs"]), ["SM"])


if __name__ == "__main__":
    unittest.main()
