"""The grouped split: near-duplicates, equal strings and chains of both stay on one side."""

import unittest

import numpy as np

from features import data, grouping


class Grouping(unittest.TestCase):
    def rows(self):
        rng = np.random.default_rng(3)
        image = rng.normal(size=(200, 40)).astype(np.float32)
        text = rng.normal(size=(200, 40)).astype(np.float32)
        image[1] = image[0] + 1e-3
        text[2] = text[1]
        title = [f"title {i}" for i in range(200)]
        title[3] = title[2]
        return data.Pairs(image, text, np.zeros(200, dtype=np.int64), {"title": title})

    def test_chains_are_one_component(self):
        component, limits = grouping.components(self.rows())
        self.assertEqual(len(set(component[:4].tolist())), 1)
        self.assertEqual(len(set(component.tolist())), 197)
        self.assertEqual(limits, {"image": 0.98, "text": 0.98})

    def test_no_component_straddles(self):
        rows = self.rows()
        for seed in range(20):
            drawn = grouping.split(rows, seed)
            both = np.intersect1d(drawn.component[drawn.fit], drawn.component[drawn.validation])
            self.assertEqual(len(both), 0)
            self.assertEqual(len(drawn.validation), 30)
            self.assertEqual(len(drawn.fit) + len(drawn.validation), 200)

    def test_crowded_spaces_raise_the_limit(self):
        rows = self.rows()
        rng = np.random.default_rng(4)
        rows.text = np.abs(rng.normal(size=(200, 3))).astype(np.float32)
        component, limits = grouping.components(rows)
        self.assertNotEqual(limits["text"], 0.98)
        self.assertLessEqual(np.bincount(component).max(), 20)

    def test_draws_differ(self):
        drawn = [tuple(one.validation.tolist()) for one in grouping.splits(self.rows(), 42)]
        self.assertEqual(len(set(drawn)), 3)

    def test_groups_stay_together(self):
        rows = self.rows()
        rows.keys["group"] = [None if i < 100 else i // 10 for i in range(200)]
        component, _ = grouping.components(rows)
        self.assertEqual(len(set(component[100:110].tolist())), 1)
        self.assertEqual(len(set(component.tolist())), 97 + 10)

    def test_check_counts_what_straddles(self):
        rows = self.rows()
        train, test = rows.take(np.arange(2, 200)), rows.take(np.arange(0, 2))
        found = grouping.check(train, test, [1])
        self.assertEqual(found["text: test rows byte-equal to a train row"], 1)
        self.assertEqual(found["image: test rows byte-equal to a train row"], 0)
        self.assertEqual(found["seed 1: components on both sides of fit and validation"], 0)


if __name__ == "__main__":
    unittest.main()
