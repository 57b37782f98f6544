"""The cost model: fits of known lines and powers, and predictions by hand."""

import random
import unittest

import model as costs


class Fits(unittest.TestCase):
    def test_lines_are_found_again(self):
        found = costs.line([(n, 2.5 + 0.003 * n) for n in (100, 1000, 5000, 70000)])
        self.assertAlmostEqual(found["fixed"], 2.5)
        self.assertAlmostEqual(found["each"], 0.003)
        self.assertLess(found["error"], 1e-9)

    def test_noise_is_told(self):
        draw = random.Random(3)
        found = costs.line([(n, (1 + 0.01 * n) * draw.uniform(0.95, 1.05)) for n in range(100, 2000, 50)])
        self.assertAlmostEqual(found["each"], 0.01, delta=0.001)
        self.assertTrue(0.01 < found["error"] < 0.15)

    def test_nothing_costs_less_than_nothing(self):
        falling = costs.line([(10, 5.0), (20, 4.0), (40, 3.0)])
        self.assertEqual(falling["each"], 0)
        self.assertTrue(3 < falling["fixed"] < 5)
        steep = costs.line([(10, 1.0), (20, 3.0), (40, 9.0)])
        self.assertEqual(steep["fixed"], 0)
        self.assertEqual(costs.line([(10, 0.0)]), {"fixed": 0.0, "each": 0.0, "error": 0.0})
        # One size alone says nothing of what is fixed.
        self.assertEqual(costs.line([(10, 5.0), (10, 5.0)]), {"fixed": 0.0, "each": 0.5, "error": 0.0})

    def test_powers_are_found_again(self):
        found = costs.power([(n, 1e-6 * n**1.5) for n in (1000, 4000, 9000)])
        self.assertAlmostEqual(found["power"], 1.5)
        self.assertAlmostEqual(costs.at(found, 10_000), 1.0)
        self.assertEqual(costs.power([(5, 10.0)])["power"], 1.0)
        self.assertEqual(costs.power([(5, 0.0)])["scale"], 0.0)


class Model(unittest.TestCase):
    def points(self):
        """A machine on which an item takes 2 ms and a process 2 s, half of both to encode; busy seconds overlap, by a half."""
        builds = [
            {
                "items": n,
                "seconds": 2 + 0.002 * n,
                "peak": 1e6 + 10 * n,
                "stages": {**dict.fromkeys(costs.STAGES, 0.0), "encode": 1.5 + 0.0015 * n, "index": 1.5 + 0.0015 * n},
                "bytes": {"uvec": 600 * n, "text": 400 * n, "own": 5000},
            }
            for n in (1000, 2000, 4000, 8000)
        ]
        merges = [
            {
                "items": n,
                "seconds": 1 + 1e-4 * n + 1e-7 * n**1.5,
                "stages": {"move": 1 + 1e-4 * n, "cells": 1e-7 * n**1.5},
                "peak": 2e6,
                "bytes": 1200 * n,
            }
            for n in (5000, 10000, 20000)
        ]
        # Too few rows for cells: left out.
        merges.append({"items": 4000, "seconds": 0.3, "stages": {"move": 0.3, "cells": 0.0}, "peak": 1e3, "bytes": 10})
        return {"builds": builds, "merges": merges}

    def test_a_model_predicts_what_it_was_made_of(self):
        model = costs.fitted(self.points())
        self.assertLess(max(part["error"] for part in model.values()), 1e-6)
        found = costs.predicted(model, items=1e6, index=5e5, shard=1e5, cores=4)
        self.assertEqual((found["shards"], found["indexes"]), (10, 2))
        # Ten builds of 202 s on four cores are three turns; two merges of 51 s, and cells, are one.
        self.assertAlmostEqual(found["build_hours"], 3 * 202 / 3600)
        self.assertAlmostEqual(found["merge_hours"], 51 / 3600)
        self.assertAlmostEqual(found["cells_hours"], 1e-7 * 5e5**1.5 / 3600)
        self.assertAlmostEqual(found["core_hours"], (10 * 202 + 2 * 51 + 2 * 1e-7 * 5e5**1.5) / 3600)
        self.assertAlmostEqual(found["encode_share"], 0.5)
        self.assertAlmostEqual(found["disk_shards_gb"], 1.00005)
        self.assertAlmostEqual(found["disk_indexes_gb"], 1.2)
        self.assertAlmostEqual(found["worker_memory_gb"], 0.002)

    def test_merges_of_one_size_say_nothing(self):
        points = self.points()
        points["merges"] = [one for one in points["merges"] if one["items"] <= 5000]
        model = costs.fitted(points)
        self.assertEqual({"merge", "cells", "merge_memory", "bytes_merged"} & set(model), set())
        text = costs.table(model, [])
        self.assertIn("| build, whole | 2000 |", text)
        self.assertNotIn("merge", text)

    def test_another_encoder(self):
        model = costs.fitted(self.points())
        other = costs.with_encoder(model, {**model, "encode": {"fixed": 5.0, "each": 0.01, "error": 0.02}})
        self.assertAlmostEqual(other["build"]["each"], 0.002 - 0.001 + 0.01)
        self.assertAlmostEqual(other["build"]["fixed"], 2 - 1 + 5)
        self.assertAlmostEqual(costs.predicted(other, 1e6, 5e5, 1e5, 4)["encode_share"], 1005 / 1106)
        self.assertAlmostEqual(model["build"]["each"], 0.002)

    def test_a_small_job_is_one_shard(self):
        found = costs.predicted(costs.fitted(self.points()), items=100, index=1e7, shard=1e6, cores=64)
        self.assertEqual((found["shards"], found["indexes"]), (1, 1))
        self.assertAlmostEqual(found["build_hours"] * 3600, 2.2)

    def test_the_table_has_every_number(self):
        model = costs.fitted(self.points())
        text = costs.table(model, [costs.predicted(model, 1e7, 1e7, 1e6, 64)])
        self.assertIn("| build, whole | 2000 | 2.00 | 0% |", text)
        self.assertIn("| build: encode | 1000 | 1.00 | 0% |", text)
        self.assertIn("| cells | 100, as n^1.50 |", text)
        self.assertIn("| vectors on disk | 600 | 0 |", text)
        self.assertIn("| predicted | 1e+07 items |\n|---|---|\n| shards | 10 |\n| indexes | 1 |\n| cores | 64 |", text)


if __name__ == "__main__":
    unittest.main()
