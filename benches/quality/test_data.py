"""Datasets of other media types than images and texts, and without classes. A script stands in for the binary."""

import json
import stat
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from features import data

# As the binary does, it writes no `label` where none is asked for.
BINARY = '''#!{python}
import json, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file

rest = sys.argv[1:]
Path(__file__).with_suffix(".call").write_text(json.dumps(rest))
items = [json.loads(line) for line in Path(rest[1]).read_text().splitlines()]
media = [rest[at + 1].split(":")[0] for at, flag in enumerate(rest) if flag == "--media-key"]
rng = np.random.default_rng(0)
tensors = {{name: rng.normal(size=(len(items), 4 + at)).astype(np.float32) for at, name in enumerate(media)}}
tensors["is_test"] = np.array([item["split"] == "test" for item in items], dtype=np.uint8)
tensors["group"] = np.arange(len(items), dtype=np.int64)
save_file(tensors, rest[rest.index("--out") + 1])
'''


class Names(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary.py"
        self.binary.write_text(BINARY.format(python=sys.executable))
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)
        self.corpus = self.root / "names"
        self.corpus.mkdir()
        items = [
            {"id": f"{i}", "name": f"name {i}", "description": f"what {i} does", "split": "train" if i % 10 else "test"}
            for i in range(40)
        ]
        (self.corpus / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))

    def load(self, **encoders):
        return data.load("names", [self.root], self.binary, encoders)

    def test_two_media_types_of_text(self):
        dataset = self.load(text="E")
        call = " ".join(json.loads(self.binary.with_suffix(".call").read_text()))
        for flags in ("--media-key name:text=name", "--media-key description:text=description"):
            self.assertIn(flags, call)
        for flags in ("--encoder name=E", "--encoder description=E", "--strict"):
            self.assertIn(flags, call)
        for flag in ("--label", "--group", "image"):
            self.assertNotIn(flag, call)
        self.assertEqual(list(dataset.media.items()), [("name", "name"), ("description", "description")])
        stored = load_file(dataset.file)
        train = stored["is_test"] == 0
        np.testing.assert_array_equal(dataset.train.image, stored["name"][train])
        np.testing.assert_array_equal(dataset.train.text, stored["description"][train])
        self.assertEqual((len(dataset.train), len(dataset.test)), (36, 4))
        self.assertEqual(dataset.features, "name 4, description 5")
        self.assertEqual(dataset.train.keys["name"][:2], ["name 1", "name 2"])
        self.assertEqual(dataset.test.keys["description"][1], "what 10 does")

    def test_without_classes_every_row_is_learned_from(self):
        dataset = self.load(text="E")
        self.assertNotIn("label", dataset.tensors)
        self.assertEqual(set(dataset.train.label) | set(dataset.test.label), {-1})
        # A tensor of labels that are none says the same.
        stored = load_file(dataset.file)
        save_file({**stored, "label": np.full(40, -1, dtype=np.int64)}, dataset.file)
        again = self.load()
        self.assertNotIn("label", again.tensors)
        self.assertEqual(len(again.train), 36)
        # With some classes, train rows without one are left out, and test rows stay.
        label = np.arange(40, dtype=np.int64) % 4 - 1
        save_file({**stored, "label": label}, dataset.file)
        some = self.load()
        self.assertEqual(some.tensors["label"], "label")
        self.assertEqual(len(some.train), int(((label >= 0) & (stored["is_test"] == 0)).sum()))
        self.assertEqual(len(some.test), 4)

    def test_one_encoder_is_needed(self):
        with self.assertRaisesRegex(FileNotFoundError, "features.safetensors: no such file.*: --text-encoder missing"):
            self.load()


class Defaults(unittest.TestCase):
    def test_media_of_a_dataset_are_image_and_text_with_their_tensors(self):
        rows = data.Pairs(np.zeros((1, 2)), np.zeros((1, 3)), np.zeros(1, dtype=np.int64))
        dataset = data.Dataset("made", Path("f"), {"image": "a", "text": "b", "label": "label", "is_test": "t"}, rows, rows)
        self.assertEqual(list(dataset.media.items()), [("image", "a"), ("text", "b")])

    def test_every_known_dataset_names_two_tensors(self):
        for name, (folder, file, tensors) in data.KNOWN.items():
            self.assertEqual(list(tensors), ["image", "text"], name)
            self.assertTrue(folder and file.endswith(".safetensors"), name)
        self.assertLessEqual(set(data.MEDIA), set(data.KNOWN))


if __name__ == "__main__":
    unittest.main()
