"""Keywords are drawn by seed and document alone, and a batch line says what its system asks."""

import json
import unittest

import numpy as np

import queries
import systems
from queries import PICTURE, TEXT
from rows import Rows


def item(number, keywords=("red", "blue", "green"), category="food", text=None):
    return {"id": number, "title": f"t{number}", "text": text or f"thing {number}", "keywords": list(keywords), "category": category}


def rows_of(items):
    rng = np.random.default_rng(0)
    n = len(items)
    return Rows(items, rng.normal(size=(n, 4)).astype(np.float32), rng.normal(size=(n, 3)).astype(np.float32), np.arange(n))


class Drawing(unittest.TestCase):
    def test_a_draw_depends_on_seed_and_document_alone(self):
        rows = rows_of([item(i) for i in range(40)])
        drawn = queries.make(PICTURE, rows, range(5))
        asked = lambda made, at: [made.queries[number].keywords for number in made.draws[at]]  # noqa: E731
        again = queries.make(PICTURE, rows.take(np.arange(40)[::-1]), range(5))
        for at in range(40):
            self.assertEqual(asked(drawn, at), asked(again, 39 - at))
        # All keywords and more than one order of them come up.
        self.assertEqual({word for at in range(40) for word in asked(drawn, at)}, {'"red"', '"blue"', '"green"'})
        self.assertGreater(len({tuple(asked(drawn, at)) for at in range(40)}), 10)
        self.assertEqual(asked(queries.make(PICTURE, rows, [3]), 7), asked(drawn, 7)[3:4])

    def test_draws_are_about_uniform(self):
        found = [queries.keyword(item(i), seed) for i in range(300) for seed in range(5)]
        for word in ("red", "blue", "green"):
            self.assertAlmostEqual(found.count(word) / len(found), 1 / 3, delta=0.04)

    def test_rows_without_keywords_are_left_out(self):
        rows = rows_of([item(1, []), item(2, ["a b"]), item(3, ["--", ""]), item(4, ["x", "x"])])
        made = queries.make(PICTURE, rows, range(3))
        self.assertEqual((made.left_out, made.documents, made.draws.shape), (2, [1, 3], (2, 3)))
        # Equal draws are one query.
        self.assertEqual([query.keywords for query in made.queries], ['"a b"', '"x"'])
        with self.assertRaisesRegex(ValueError, "no row has a query"):
            queries.make(PICTURE, rows.take([0]), range(3))

    def test_the_category_stands_in_for_what_the_text_does_not_say(self):
        signs = "signs_and_symbols"
        rows = rows_of([
            item(1, category=signs, text="A stop. road, warning"),
            item(2, category=signs, text="Two Signs."),
            item(3, category=signs, text="hope_symbols"),
            item(4, category=signs, text="salt and pepper, designs"),
            item(5, category="food", text="seafood"),
        ])  # fmt: skip
        made = queries.make(TEXT, rows, range(5))
        self.assertEqual((made.documents, made.left_out), ([0, 3, 4], 2))
        self.assertEqual([query.keywords for query in made.queries], ["signs symbols", "signs symbols", "food"])
        self.assertEqual(made.draws.tolist(), [[0], [1], [2]])

    def test_no_character_is_an_operator(self):
        self.assertEqual(queries.quoted('a "b" \\c AND -d:e'), '"a \\"b\\" \\\\c AND -d:e"')


class Lines(unittest.TestCase):
    def setUp(self):
        self.rows = rows_of([item(i) for i in range(3)])

    def line(self, system, task=PICTURE):
        query = queries.make(task, self.rows, [0]).queries[1]
        return queries.line(system, task, query, queries.features_of(self.rows, task.part)[1]), query.keywords

    def test_a_fusion_has_all(self):
        text, keywords = self.line(systems.fused("rrf", "metric", target="pair", rrf_k=30, keyword=0.25))
        said = json.loads(text)
        features = said.pop("features")
        expected = {"k": 10, "fusion": "rrf", "similarity": "metric", "target": "pair", "rrf_k": 30, "weight": ["keyword=0.25", "metric=1"]}
        self.assertEqual(said, {**expected, "keywords": keywords})
        self.assertEqual(list(features), ["image"])
        # The very 32-bit floats come back.
        self.assertEqual(np.array(features["image"], dtype=np.float32).tolist(), self.rows.image[1].tolist())
        self.assertNotIn("\n", text)

    def test_single_legs_have_their_part_alone(self):
        legs = {system.name: json.loads(self.line(system)[0]) for system in systems.single_legs()}
        self.assertEqual(set(legs["keyword alone"]), {"k", "keywords"})
        self.assertEqual(set(legs["metric alone, both"]), {"k", "features", "similarity", "target"})
        self.assertEqual(set(legs["posterior alone"]), {"k", "features", "similarity"})
        filtered = legs["cosine, keyword as a filter"]
        self.assertEqual(set(filtered), {"k", "features", "similarity", "filter"})
        self.assertEqual(filtered["filter"], legs["keyword alone"]["keywords"])

    def test_the_defaults_set_nothing(self):
        text, _ = self.line(systems.engine_default(), TEXT)
        self.assertEqual(set(json.loads(text)), {"k", "keywords", "features"})
        self.assertEqual(list(json.loads(text)["features"]), ["text"])

    def test_clicks_are_lines_with_their_document(self):
        text, _ = self.line(systems.judged("pair"))
        said = json.loads(queries.with_relevant(text, "7"))
        self.assertEqual(said, {**json.loads(text), "relevant": ["7"]})
        self.assertEqual(set(said), {"keywords", "features", "similarity", "target", "relevant"})

    def test_settings_of_a_grid_differ(self):
        for similarity in systems.SIMILARITIES:
            for fusion in systems.FUSIONS:
                lines = [self.line(system)[0] for system in systems.grid(fusion, similarity)]
                names = [system.name for system in systems.grid(fusion, similarity)]
                self.assertEqual((len(set(lines)), len(set(names))), (len(lines), len(lines)))
                self.assertTrue(all(json.loads(line)["similarity"] == similarity for line in lines))


if __name__ == "__main__":
    unittest.main()
