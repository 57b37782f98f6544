"""Folds keep near-duplicates together, and files hold what they may hold."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import rows
from queries import PICTURE, TEXT


def many(n=120):
    rng = np.random.default_rng(5)
    items = [{"id": i, "title": f"t{i}", "text": f"text {i}", "keywords": ["k"], "category": "c", "split": "train"} for i in range(n)]
    for i in range(0, 12, 3):
        items[i + 1]["title"] = items[i]["title"]
        items[i + 2]["text"] = items[i + 1]["text"]
    image, text = (rng.normal(size=(n, width)).astype(np.float32) for width in (30, 20))
    image[13] = image[12]
    return rows.Rows(items, image, text, np.arange(n) % 4)


class Folds(unittest.TestCase):
    def test_folds_are_even_and_grouped(self):
        part = rows.folds(many(), 4, 42)
        self.assertEqual(np.bincount(part).tolist(), [30, 30, 30, 30])
        for group in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13)):
            self.assertEqual(len({part[row] for row in group}), 1, group)
        self.assertEqual(part.tolist(), rows.folds(many(), 4, 42).tolist())
        self.assertNotEqual(part.tolist(), rows.folds(many(), 4, 43).tolist())


class Files(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)

    def test_an_index_gets_one_medium_and_the_fields_of_its_task(self):
        some = many().take([5, 3])
        for task, keys, width in ((PICTURE, {"id", "text"}, 20), (TEXT, {"id", "category"}, 30)):
            features, corpus = self.root / "f", self.root / "c"
            rows.write_documents(some, task.media, task.fields, features, corpus)
            self.assertEqual({name: value.shape for name, value in load_file(features).items()}, {task.media: (2, width)})
            lines = [json.loads(line) for line in corpus.read_text().splitlines()]
            self.assertEqual([set(line) for line in lines], [keys, keys])
            self.assertEqual([str(line["id"]) for line in lines], [some.id(0), some.id(1)])

    def test_a_corpus_comes_apart_by_its_split(self):
        whole = many(16).take(range(10))
        for item in whole.items[7:]:
            item["split"] = "test"
        is_test = (np.arange(10) >= 7).astype(np.uint8)
        tensors = {"i": whole.image, "t": whole.text, "label": whole.label}
        save_file({**tensors, "is_test": is_test}, self.root / "f")
        lines = "".join(json.dumps(item) + "\n" for item in whole.items)
        (self.root / "items.jsonl").write_text(lines)
        train, test = rows.load(self.root, "f", {"image": "i", "text": "t"})
        self.assertEqual(([item["id"] for item in train.items], [item["id"] for item in test.items]), (list(range(7)), [7, 8, 9]))
        np.testing.assert_array_equal(test.image, whole.image[7:])
        save_file({**tensors, "is_test": is_test[::-1].copy()}, self.root / "f")
        with self.assertRaisesRegex(ValueError, "line 1 has the split 'train', which `is_test` contradicts"):
            rows.load(self.root, "f", {"image": "i", "text": "t"})
        (self.root / "items.jsonl").write_text(lines[:-2].rsplit("\n", 1)[0] + "\n")
        with self.assertRaisesRegex(ValueError, "expected 10 lines.*got 9"):
            rows.load(self.root, "f", {"image": "i", "text": "t"})


if __name__ == "__main__":
    unittest.main()
