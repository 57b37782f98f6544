"""The ablation trains each variant with its settings, keeps what is there, and leaves no run of other settings in a row."""

import io
import json
import stat
import sys
import tempfile
import tomllib
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import ablation
import data
import test_run


class Ablation(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary.py"
        self.binary.write_text(test_run.BINARY.format(python=sys.executable))
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)
        corpus = self.root / "emoji"
        corpus.mkdir()
        items = [{"id": str(i), "text": f"text {i}", "class": "abc"[i % 3]} for i in range(40)]
        (corpus / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        data.load("emoji", [self.root], self.binary, {"image": "a", "text": "b"})

    def run_command(self, seeds):
        words = ["ablation.py", "--data", self.root, "--out", self.root / "out", "--datasets", "emoji"]
        words += ["--seeds", seeds, "--binary", self.binary]
        with mock.patch.object(sys, "argv", list(map(str, words))), mock.patch("ablation.log"):
            with redirect_stdout(io.StringIO()) as out:
                ablation.main()
        return out.getvalue()

    def trainings(self):
        calls = self.binary.with_suffix(".calls").read_text().splitlines()
        return [call for call in map(json.loads, calls) if call[0] == "train"]

    def test_variants_have_their_settings_and_are_kept(self):
        text = self.run_command("1")
        told = {}
        for call in self.trainings():
            with open(call[call.index("--config") + 1], "rb") as file:
                told[Path(call[call.index("--config") + 1]).stem] = tomllib.load(file)
        self.assertEqual(told, {ablation.slug(variant): settings for variant, settings in ablation.VARIANTS.items()})
        for variant in ablation.VARIANTS:
            self.assertIn(f"| {variant} | 1 | 0.550 |", text)
        self.run_command("1,2")
        self.assertEqual(len(self.trainings()), 2 * len(ablation.VARIANTS))

    def test_changed_settings_replace_the_runs_of_a_variant(self):
        self.run_command("1,2")
        with mock.patch.dict(ablation.VARIANTS, {ablation.OURS: {"dim": 64}}):
            self.run_command("1")
        found = json.loads((self.root / "out/ablation.json").read_text())["emoji"]["runs"]
        self.assertEqual([run["settings"]["config"] for run in found[ablation.OURS]], [{"dim": 64}])
        self.assertEqual([run["seed"] for run in found["contrastive only"]], [1, 2])


if __name__ == "__main__":
    unittest.main()
