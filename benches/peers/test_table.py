"""Recall, the nearest point and ratios, by hand; the query form is the network; words and texts of queries."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import form
import peers
import prepare
import table


def point(recall, micros, **setting):
    return {"recall": recall, "micros": micros, "setting": setting}


class Tables(unittest.TestCase):
    def test_recall_counts_over_all_queries(self):
        self.assertEqual(table.recall([[1, 2], [9, 9]], [[2, 3], [9, 8]]), 0.5)
        self.assertEqual(table.recall([[1], []], [[1], []]), 1.0)

    def test_nearest_is_the_best_point_that_is_not_above(self):
        points = [point(0.9, [5]), point(0.95, [9]), point(0.94, [20]), point(0.99, [30]), point(0.99, [40])]
        self.assertEqual([one["recall"] for one in table.best(points)], [0.9, 0.95, 0.99])
        self.assertEqual(table.nearest(points, 0.98), (points[1], False))
        self.assertEqual(table.nearest(points, 0.99), (points[3], False))
        self.assertEqual(table.nearest(points, 0.5), (points[0], True))

    def test_ratios_are_of_the_same_round(self):
        # A slow moment hits both sides.
        self.assertEqual(table.ratio([10, 200, 12], [5, 100, 4]), 2)

    def test_lines_name_setting_and_both_recalls(self):
        ours = [{"name": "q/pair/0.99", "recall": 0.991}, {"name": "q/pair/exact", "recall": 1.0}]
        found = [{"name": "faiss Flat", "points": [point(0.9, [30.0], nprobe=4), point(0.995, [60.0], nprobe=8)], "ours": {"q/pair/0.99": [15.0]}}]
        lines = table.rows("q/pair", ours, found)
        self.assertEqual(lines, [["q/pair", "q/pair/0.99", "0.9910", "15", "faiss Flat", "nprobe 4", "0.9000", "30", "2.00"]])
        self.assertIn("| 15 |", table.markdown(table.HEAD, lines))

    def test_hybrid_and_keywords_beside_what_is_there(self):
        kinds = {"a/hybrid": {"micros": [10.0]}, "keywords": {"micros": [4.0]}}
        kinds |= {name: {"micros": [2.0]} for name in ("keywords/bare", "tantivy (TopDocs, Count)", "tantivy TopDocs")}
        lance = {"a/hybrid": {"micros": [400.0], "ours": [20.0], "windows": {"a/hybrid, window 10": [5.0]}}}
        self.assertEqual(
            table.joined(kinds, lance),
            [
                ["a/hybrid", "10", "", "1.00"],
                ["a/hybrid: LanceDB", "400", "20", "20.00"],
                ["a/hybrid: LanceDB, window 10", "400", "5", "80.00"],
                ["keywords", "4", "", "1.00"],
                ["keywords/bare", "2", "", "0.50"],
                ["tantivy (TopDocs, Count)", "2", "", "0.50"],
                ["tantivy TopDocs", "2", "", "0.50"],
            ],
        )


    def test_several_forms_are_compared_with_their_own_exact_answers(self):
        kinds = {"a/pair/but not/exact": {"micros": [9.0], "hits": [[1, 2]]}, "a/pair/but not/0.99": {"micros": [3.0], "hits": [[2, 5]]}}
        self.assertTrue(all(map(table.is_of_forms, kinds)) and not table.is_of_forms("a/pair/0.99"))
        self.assertEqual(table.forms(kinds), [["a/pair/but not/0.99", "0.5000", "3", "9", "3.00"]])


class Forms(unittest.TestCase):
    def test_inner_products_are_the_network_but_for_a_constant_of_the_query(self):
        rng = np.random.default_rng(1)
        cross, own = rng.normal(size=(2, 6, 6)).astype(np.float32)
        tensors = {"metric.pair.0.1.bilinear": cross, "metric.pair.1.1.bilinear": own, "metric.pair.0.1.hub": np.array([0.5], np.float32)}
        with tempfile.TemporaryDirectory() as place:
            save_file(tensors, Path(place) / "model.safetensors")
            config = {"media": [{"name": "image"}, {"name": "text"}], "targets": ["pair"], "default_target": "pair", "half": 0}
            (Path(place) / "config.json").write_text(json.dumps(config))
            heads = form.Heads(place)
        items, hubs, u = rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=(9, 1)).astype(np.float32), rng.normal(size=(3, 6)).astype(np.float32)
        rows = form.extended(items, hubs)
        self.assertEqual(rows.shape, (9, 8))
        got = form.query(heads, "pair", "image", "text", u, 1) @ rows.T
        np.testing.assert_allclose(got, u @ cross @ items.T - 0.5 * hubs[:, 0], rtol=1e-4, atol=1e-5)
        got = form.query(heads, "pair", "text", "text", u, 1) @ rows.T
        np.testing.assert_allclose(got, u @ own @ items.T, rtol=1e-4, atol=1e-5)
        # The other way round the same matrix is read by columns.
        got, weight = heads.query("pair", "text", "image", u)
        np.testing.assert_allclose(got, u @ cross.T, rtol=1e-5)
        self.assertEqual((weight, heads.hub_column("text", "image"), heads.hub_column("text", "text")), (0.5, 0, None))


class Queries(unittest.TestCase):
    def test_words_are_known_and_not_everywhere(self):
        counts = {"game": 50, "the": 900, "tree": 30, "rare": 1, "signal": 40}
        counts = {**{word: 0 for word in ("unknown",)}, **counts}
        items = [{"keywords": ["The tree", "Game"], "title": "signal"}, {"title": "rare unknown"}]
        self.assertEqual(prepare.words_of(items, counts, 1000), ["game signal", ""])

    def test_texts_stand_in_the_order_of_ids(self):
        with tempfile.TemporaryDirectory() as place:
            docs = Path(place) / "docs.jsonl"
            docs.write_text('{"id": "a", "title": "one", "tags": ["x", "y"], "size": 3}\n{"id": 2, "text": "two"}\n')
            self.assertEqual(prepare.texts(docs, ["2", "a"]), ["two", "one x y"])

    def test_cells_follow_the_rows(self):
        self.assertEqual([peers.cells_of(n) for n in (10, 1000, 60004, 1_000_000)], [1, 32, 1024, 4096])


if __name__ == "__main__":
    unittest.main()
