"""The table says where UNCSM is not above, and claims no deviation for a single seed."""

import unittest

import report


def runs(*means):
    return [
        {"seed": i, "seconds": 1.0, "measures": {column: mean for column in report.COLUMNS}}
        for i, mean in enumerate(means)
    ]


class Report(unittest.TestCase):
    def said(self, baseline, **own):
        table = {f"UNCSM {name}": report.summarise(runs(*means)) for name, means in own.items()}
        return report.not_above({"SM": report.summarise(runs(*baseline)), **table})[0]

    def test_clear_lead_says_nothing(self):
        self.assertEqual(self.said([0.20, 0.21], metric_class=[0.30, 0.31], posterior=[0.29, 0.29], cosine=[0.2, 0.2]), [])

    def test_what_is_not_above_is_named(self):
        said = self.said([0.28, 0.30], metric_class=[0.295, 0.295], posterior=[0.30, 0.30], cosine=[0.31, 0.31])
        self.assertEqual(len(said), 4)
        self.assertIn("cosine, image_to_text", said[0])
        self.assertIn("posterior", said[2])
        self.assertIn("SM by more than the deviation: lead +0.0050, deviation 0.0141", said[3])

    def test_a_single_seed_has_no_deviation(self):
        said = self.said([0.20], metric_class=[0.30], posterior=[0.29], cosine=[0.2])
        self.assertIn("a single seed", said[0])
        self.assertEqual(report.cell({"mean": 0.25, "deviation": None}), "0.250")


if __name__ == "__main__":
    unittest.main()
