"""The table says where UNCSM is not above, and claims no deviation for a single seed."""

import unittest

from tables import checks, report, summary


COLUMNS = [column for columns in summary.COLUMNS.values() for column in columns]


def runs(*means):
    return [
        {"seed": i, "seconds": 1.0, "measures": {column: mean for column in COLUMNS}} for i, mean in enumerate(means)
    ]


def tuned(for_map, for_recall):
    """Runs of a baseline whose measures are these, as tuned for the one and for the other."""
    pairs = {"map": runs(*for_map), "recall": runs(*for_recall)}
    out = runs(*for_map)
    for at, run in enumerate(out):
        del run["measures"]
        run["tuned"] = {aim: {"measures": found[at]["measures"], "chosen": {"for": aim}} for aim, found in pairs.items()}
    return out


def whole(cosines, metric):
    """What the run of a seed says as a whole, with these validation cosines of its stages."""
    stages = [
        {"name": f"stage {i}", "epochs": 1, "seconds": 2.0, "validation": {"cosine": cosine, "metric": metric}}
        for i, cosine in enumerate(cosines)
    ]
    figures = {"half ece": 0.02, "half brier_skill": 0.3, "precision_at_0.8 value": 0.9, "precision_at_0.8 pairs": 12}
    return {
        "default": "metric_class",
        "train_seconds": 6.0,
        "stages": stages,
        "calibration": {"metric": {direction: figures for direction in summary.DIRECTIONS}},
    }


class Report(unittest.TestCase):
    def result(self, baseline, **own):
        table = {f"UNCSM {name}": runs(*means) for name, means in own.items()}
        return {"features": "made", "grouping": {}, "runs": {"SM": tuned(baseline, baseline), **table}}

    def not_above(self, *args, **own):
        return [one for one in checks.checks("made", self.result(*args, **own)) if one["passed"] is not True]

    def test_clear_lead_says_nothing(self):
        own = {"metric_class": [0.30, 0.31], "posterior": [0.29, 0.29], "cosine": [0.2, 0.2]}
        self.assertEqual(self.not_above([0.20, 0.21], **own), [])
        self.assertEqual(len(checks.checks("made", self.result([0.20, 0.21], **own))), 4)

    def test_what_is_not_above_is_named(self):
        said = self.not_above([0.28, 0.30], metric_class=[0.295, 0.295], posterior=[0.30, 0.30], cosine=[0.31, 0.31])
        self.assertEqual(len(said), 4)
        self.assertEqual(said[0]["check"], "metric above cosine, image_to_text")
        self.assertIn("posterior", said[2]["check"])
        self.assertEqual(said[3]["check"], "UNCSM metric_class above SM, tuned for map, by more than the larger deviation")
        self.assertEqual(said[3]["detail"], "lead +0.0050, deviation 0.0141")

    def test_a_single_seed_has_no_deviation(self):
        said = self.not_above([0.20], metric_class=[0.30], posterior=[0.29], cosine=[0.2])
        self.assertIsNone(said[0]["passed"])
        self.assertIn("a single seed", said[0]["detail"])
        self.assertEqual(report.cell({"mean": 0.25, "deviation": None}), "0.250")

    def test_a_spoilt_cosine_is_named(self):
        for last, passed in ((0.295, True), (0.28, False)):
            result = self.result([0.1, 0.1], metric_class=[0.30, 0.31], cosine=[0.2, 0.2])
            for run in result["runs"]["UNCSM cosine"]:
                run["whole"] = whole([0.25, 0.30, last], 0.299)
            found = {one["check"]: one["passed"] for one in checks.checks("made", result)}
            spoilt = next(check for check in found if "cosine of the last stage" in check)
            self.assertIs(found[spoilt], passed)
            self.assertIs(found["metric above the best cosine of the earlier stages (validation)"], False)

    def test_bars(self):
        result = self.result([0.1, 0.1], metric_class=[0.4, 0.4], metric_pair=[0.6, 0.6], cosine=[0.2, 0.2])
        found = {one["check"]: one["passed"] for one in checks.checks("openclipart", result) if "at least" in one["check"]}
        self.assertEqual(list(found.values()), [False, True, True])
        found = {one["check"]: one["passed"] for one in checks.checks("names", result) if "at least" in one["check"]}
        self.assertEqual(list(found.values()), [False, True])

    def test_each_aim_has_its_tuning(self):
        own = {"metric_class": [0.30, 0.31], "metric_pair": [0.40, 0.41], "cosine": [0.2, 0.2]}
        result = self.result([0.0, 0.0], **own)
        result["runs"]["SM"] = tuned([0.20, 0.21], [0.50, 0.51])
        text = report.markdown({"made": result})
        maps, recall = text.split("baselines tuned for recall@10:")
        self.assertIn("| SM | 2 | 0.205 ± 0.007 |", maps)
        self.assertIn("| UNCSM metric_class | 2 | 0.305 ± 0.007 |", maps)
        self.assertIn("| SM | 2 | 0.505 ± 0.007 |", recall)
        self.assertIn("| UNCSM metric_pair | 2 | 0.405 ± 0.007 |", recall)
        self.assertIn('- SM, seed 0, recall: {"for": "recall"}', recall)
        said = {one["check"]: one for one in checks.verdicts("made", result)}
        self.assertIs(said["map: above every baseline by more than the deviation"]["passed"], True)
        verdict = said["recall: above every baseline by more than the deviation"]
        self.assertIs(verdict["passed"], False)
        self.assertEqual(verdict["detail"], "nearest is SM, lead -0.1000, deviation 0.0071")
        self.assertIn("Verdict, recall: above every baseline by more than the deviation: **no** (nearest is SM", recall)

    def test_near_chance_none_may_be_above(self):
        for mean, passed in ((0.058, True), (0.065, False)):
            result = self.result([0.1, 0.1], metric_pair=[0.055, 0.057], metric_class=[0.3, 0.3], cosine=[0.05, 0.05])
            result["runs"]["SM"] = tuned([0.1, 0.1], [mean - 0.002, mean + 0.002])
            found = {one["check"]: one["passed"] for one in checks.verdicts("wikipedia", result)}
            self.assertIs(found["recall: no baseline above by more than the deviation"], passed)
            other = {one["check"]: one["passed"] for one in checks.verdicts("made", result)}
            self.assertIs(other["recall: above every baseline by more than the deviation"], False)

    def test_without_classes_there_is_recall_alone(self):
        result = self.result([0.1, 0.1], metric_pair=[0.6, 0.61], cosine=[0.2, 0.2])
        result |= {"classes": False, "media": ["name", "description"]}
        for found in result["runs"].values():
            for run in found:
                run.get("tuned", {}).pop("map", None)
                for measures in [run.get("measures", {}), *(one["measures"] for one in run.get("tuned", {}).values())]:
                    for column in summary.COLUMNS["map"]:
                        measures.pop(column, None)
        text = report.markdown({"made": result})
        self.assertIn("No MAP: there are no classes.", text)
        self.assertNotIn("| MAP", text)
        self.assertIn("| SM | 2 | 0.100 ± 0.000 |", text)
        self.assertEqual([one["passed"] for one in checks.verdicts("made", result)], [True])
        self.assertEqual([one["passed"] for one in checks.checks("names", result)], [True, False, True])

    def test_calibration_has_a_table_of_its_own(self):
        result = self.result([0.1, 0.1], metric_class=[0.4, 0.4], cosine=[0.2, 0.2])
        self.assertEqual(summary.calibration_summary(result), {})
        for run in result["runs"]["UNCSM cosine"]:
            run["whole"] = whole([0.2, 0.3], 0.4)
        found = summary.calibration_summary(result)
        self.assertEqual(list(found), ["metric, image_to_text", "metric, text_to_image"])
        self.assertAlmostEqual(found["metric, image_to_text"]["half ece"]["mean"], 0.02)
        text = report.markdown({"made": result})
        self.assertIn("| metric, image_to_text | 0.020 ± 0.000 | 0.300 ± 0.000 |  |  | 0.900 ± 0.000 | 12 |", text)
        self.assertIn("Training of UNCSM: 6.0 s (stage 0 2.0 s, stage 1 2.0 s).", text)
        for at, run in enumerate(result["runs"]["UNCSM cosine"]):
            run["whole"]["processor_seconds"] = 10.0 + at
        self.assertIn("stage 1 2.0 s); 10.5 processor seconds, of all threads.", report.markdown({"made": result}))

    def test_calibration_and_seconds_are_checked(self):
        result = self.result([0.1, 0.1], metric_class=[0.4, 0.4], cosine=[0.2, 0.2])
        better = {"half ece": 0.0, "half brier_skill": 0.31}
        for run in result["runs"]["UNCSM cosine"]:
            run["whole"] = whole([0.2, 0.3], 0.4)
            run["whole"]["calibration"]["posterior"] = {"image_to_text": better}
        found = {one["check"]: one["passed"] for one in checks.checks("made", result)}
        self.assertIs(found["calibration error at 50 % at most 0.05, text_to_image"], True)
        self.assertIs(found["Brier skill (half) at least that of the posterior, image_to_text"], False)
        self.assertNotIn("Brier skill (half) at least that of the posterior, text_to_image", found)
        self.assertIs(found["training under 120 s, every seed"], True)

    def test_without_uncsm_nothing_is_claimed(self):
        self.assertEqual(checks.checks("wikipedia", self.result([0.1, 0.1])), [])
        self.assertEqual(checks.verdicts("wikipedia", self.result([0.1, 0.1])), [])
        self.assertIn("UNCSM was not run", report.markdown({"made": self.result([0.1])}))


if __name__ == "__main__":
    unittest.main()
