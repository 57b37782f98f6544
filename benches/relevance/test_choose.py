"""The best setting is the one of the highest value over both kinds of queries; what is refused is not chosen."""

import unittest
from types import SimpleNamespace

import numpy as np

import choose
from engine import Refused
from figures import verdict
from figures.ranks import measures
from systems import system


class Bench:
    """Ranks by the name of a system."""

    def __init__(self, ranks):
        self.ranks = ranks

    def measures(self, asked):
        if self.ranks[asked.name] is None:
            raise Refused("no")
        return measures(np.array(self.ranks[asked.name]))


def folds(*benches):
    return [SimpleNamespace(benches=[Bench(one), Bench(two)]) for one, two in benches]


class Choosing(unittest.TestCase):
    def test_values_are_means_over_queries_then_over_tasks(self):
        found = folds(({"a": [[1, 1]]}, {"a": [[0]]}), ({"a": [[0, 1], [0, 0]]}, {"a": [[1]]}))
        value, by_task = choose.value(found, system("a", None, True))
        first, second = by_task.values()
        self.assertEqual((first, second), ({"recall@10": 0.5, "nDCG@10": 0.5}, {"recall@10": 0.5, "nDCG@10": 0.5}))
        self.assertEqual(value, 0.5)

    def test_the_best_is_chosen_and_of_equals_the_first(self):
        one = {"a": [[3]], "b": [[2]], "c": None, "d": [[2]]}
        candidates = [system(name, None, True) for name in "abcd"]
        choice = choose.best(folds((one, one)), candidates, lambda _: None)
        self.assertEqual(choice.system.name, "b")
        self.assertEqual([tried["system"] for tried in choice.tried], ["a", "b", "d"])
        self.assertEqual(choice.refused, [{"system": "c", "said": "no"}])
        nothing = choose.best(folds((one, one)), candidates[2:3], lambda _: None)
        self.assertIsNone(nothing.system)
        choices = {("rrf", "metric"): choice, ("linear", "metric"): nothing}
        self.assertEqual(choose.over_fusions(choices, "metric"), "rrf")
        with self.assertRaisesRegex(ValueError, "refuses every fusion with cosine"):
            choose.over_fusions(choices, "cosine")

    def test_a_comparison_holds_in_both_measures_or_not_at_all(self):
        ours, theirs = np.tile([[1, 2]], (50, 1)), np.tile([[2, 3]], (50, 1))
        rows = {"ours": measures(ours), "theirs": measures(theirs), "none": measures(0 * ours)}
        found = verdict.required(rows, "ours", [("recall stays", "theirs"), ("both", "none")])
        self.assertEqual([one["holds"] for one in found], [False, True])
        verdicts = [one["measures"]["recall@10"]["verdict"] for one in found]
        self.assertEqual(verdicts, ["is level with", "beats"])
        self.assertEqual(found[0]["measures"]["nDCG@10"]["verdict"], "beats")
        said = verdict.words("task", "ours", found)
        self.assertIn("DOES NOT HOLD: task: against recall stays (theirs), ours is level with it in recall@10, +0.000", said[0])
        self.assertTrue(said[1].startswith("holds: task: against both (none), ours beats it in recall@10, +1.000"))


if __name__ == "__main__":
    unittest.main()
