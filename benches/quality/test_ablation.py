"""Studies train each variant with its settings, keep what is there, and leave no run of other settings in a row."""

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
import bytes as widths
import numpy as np
import reliability
import study
import test_run
from features import data


class Studies(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary.py"
        self.binary.write_text(test_run.BINARY.format(python=sys.executable))
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)
        corpus = self.root / "emoji"
        corpus.mkdir()
        items = [{"id": str(i), "text": f"text {i}", "class": "abc"[i % 3]} for i in range(80)]
        (corpus / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        data.load("emoji", [self.root], self.binary, {"image": "a", "text": "b"})

    def run_command(self, seeds, module=ablation, more=()):
        words = [f"{module.STUDY.stem}.py", "--data", self.root, "--out", self.root / "out", "--datasets", "emoji"]
        words += ["--seeds", seeds, "--binary", self.binary, *more]
        with mock.patch.object(sys, "argv", list(map(str, words))), mock.patch("study.log"):
            with redirect_stdout(io.StringIO()) as out:
                module.STUDY.main(study.parser(module.__doc__))
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
        self.assertEqual(told, {study.slug(variant): settings for variant, settings in ablation.VARIANTS.items()})
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
        self.assertEqual([run["seed"] for run in found["deep members alone: contrastive only"]], [1, 2])

    def test_what_a_part_adds(self):
        def row(mean, deviation):
            return {key: {"mean": mean, "deviation": deviation} for key, *_ in ablation.JUDGED}

        summary = {ablation.OURS: row(0.6, 0.01), ablation.JOINT: row(0.55, 0.02)}
        summary |= {"without the hub term": row(0.595, 0.0), "kernel member alone": row(0.65, 0.02)}
        summary |= {"the same with a hidden layer": row(0.56, None)}
        found = ablation.adds(summary)
        self.assertEqual(list(found), ["the kernel member", "the deep members", "the hub term", "a hidden layer of the metric network"])
        words = [ablation._judged(part["recall_pair"]) for part in found.values()]
        self.assertEqual(words, ["+0.050, adds", "-0.050, takes", "+0.005, nothing", "+0.010"])
        text = self.run_command("1")
        self.assertIn("| the kernel member | +0.000 |", text)

    def test_test_and_inner_rows_are_no_part_of_one_table(self):
        self.run_command("1")
        self.run_command("1", more=["--inner", "0", "--variants", f"{ablation.OURS};kernel member alone"])
        found = json.loads((self.root / "out/ablation.json").read_text())["emoji"]["runs"]
        self.assertEqual(list(found), [ablation.OURS, "kernel member alone"])
        calls = [json.loads(line) for line in self.binary.with_suffix(".calls").read_text().splitlines()]
        files = {call[call.index("--features") + 1] for call in calls[-4:]}
        self.assertEqual(len(files), 1)
        self.assertIn("-inner-", files.pop())

    def test_bytes_are_measured(self):
        text = self.run_command("1,2", widths)
        trained = self.trainings()
        self.assertEqual([call[call.index("--dim") + 1] for call in trained[::2]], ["32", "64", "96", "128", "192", "256"])
        self.assertIn("| 64 | 128 | 300 | 2 |  |  | 0.300 ± 0.000 | 0.550 ± 0.000 | 0.550 ± 0.000 |", text)
        self.assertEqual(list((self.root / "out").glob("*.index")), [])

    def test_reliability_counts_hits(self):
        text = self.run_command("1", reliability)
        found = json.loads((self.root / "out/reliability.json").read_text())["emoji"]
        rows = data.load("emoji", [self.root], self.binary).test
        pair, hits = found["summary"]["defaults"]["pair"], found["runs"]["defaults"][0]["hits"]
        # 20 rows in two directions, of which the first hit is each row itself.
        self.assertEqual((pair["hits"], pair["first"], pair["at 0.99"]), (120, 1.0, {"count": 40, "right": 1.0, "mean": 1.0}))
        self.assertEqual((pair["at 0.8"]["count"], pair["at 0.8"]["right"]), (80, 0.5))
        self.assertAlmostEqual(pair["ece"], (0 + 0.85 + 0.3) / 3)
        self.assertIn("| emoji | `pair` | 1 | 120 | 0.333 | 0.717 | 1.000 | 0.500 of 80 | 0.500 of 80 | 1.000 of 40 | 1.000 of 40 | 0.383 |", text)
        # Classes turn around, and neither a query nor a hit without one is judged.
        without = (rows.label < 0).sum()
        self.assertGreater(without, 0)
        expected = sum(
            min(rows.label[n], rows.label[(n + i) % 20]) >= 0 for _ in range(2) for n in range(20) for i in range(3)
        )
        self.assertEqual(len(hits["class"]), expected)
        self.assertLess(expected, 120)

    def test_equal_content_is_the_paired_item(self):
        text = np.array([[1.0], [1.0], [2.0]], dtype=np.float32)
        rows = data.Pairs(np.eye(3, dtype=np.float32), text, np.array([0, 1, -1]))
        answers = [{"hits": [{"rank": 1, "id": "1", "probability": 0.5}]} for _ in range(6)]
        pair = [right for *_, right in reliability.judged(answers, rows, "pair")]
        # As queries, images 0 and 1 both have text 1; of the texts only the second has image 1.
        self.assertEqual(pair, [True, True, False, False, True, False])
        self.assertEqual([right for *_, right in reliability.judged(answers, rows, "class")], [False, True, False, True])


if __name__ == "__main__":
    unittest.main()
