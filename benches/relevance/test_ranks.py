"""The measures by hand, and the bootstrap on cases whose answer is known."""

import math
import unittest

import numpy as np

from figures.ranks import ndcg, paired, recall, verdict


class Ranks(unittest.TestCase):
    def test_measures_by_hand(self):
        ranks = np.array([[1, 2], [3, 10], [11, 0]])
        self.assertEqual(recall(ranks).tolist(), [[1, 1], [1, 1], [0, 0]])
        expected = [[1.0, 1 / math.log2(3)], [0.5, 1 / math.log2(11)], [0, 0]]
        np.testing.assert_allclose(ndcg(ranks), expected)
        self.assertEqual(recall(np.array([1, 4]), k=3).tolist(), [1, 0])

    def test_a_constant_difference_has_no_width(self):
        theirs = np.random.default_rng(1).random((50, 5))
        found = paired(theirs + 0.25, theirs)
        for key in ("difference", "low", "high"):
            self.assertAlmostEqual(found[key], 0.25)
        self.assertEqual(verdict(found), "beats")
        self.assertEqual(verdict(paired(theirs, theirs + 0.25)), "loses to")

    def test_what_cancels_out_is_level(self):
        ours = np.tile([1.0, 0.0], 100)
        found = paired(ours, 1 - ours)
        self.assertEqual(found["difference"], 0)
        self.assertLess(found["low"], 0)
        self.assertGreater(found["high"], 0)
        self.assertEqual(verdict(found), "is level with")
        self.assertEqual(verdict(paired(ours, ours)), "is level with")

    def test_the_interval_is_that_of_the_mean(self):
        rng = np.random.default_rng(2)
        difference = rng.normal(0.1, 1, size=400)
        found = paired(difference, np.zeros(400))
        width = 1.96 * difference.std() / 20
        self.assertAlmostEqual(found["low"], difference.mean() - width, delta=0.01)
        self.assertAlmostEqual(found["high"], difference.mean() + width, delta=0.01)

    def test_pairs_count_and_not_their_spread(self):
        rng = np.random.default_rng(3)
        theirs = rng.normal(0, 100, size=200)
        found = paired(theirs + rng.normal(1, 0.1, size=200), theirs)
        self.assertAlmostEqual(found["low"], 1, delta=0.05)

    def test_seeds_of_a_document_are_no_documents(self):
        difference = np.random.default_rng(4).normal(size=(60, 1))
        one, five = paired(difference, 0 * difference), paired(np.tile(difference, 5), np.zeros((60, 5)))
        for key in one:
            self.assertAlmostEqual(one[key], five[key], msg=key)
        apart = paired(np.tile(difference, 5).ravel(), np.zeros(300))
        self.assertLess(apart["high"] - apart["low"], 0.6 * (five["high"] - five["low"]))

    def test_equal_seeds_give_equal_intervals(self):
        values = np.random.default_rng(5).random(30)
        self.assertEqual(paired(values, values**2), paired(values, values**2))
        self.assertNotEqual(paired(values, values**2), paired(values, values**2, seed=1))


if __name__ == "__main__":
    unittest.main()
