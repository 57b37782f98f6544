"""Tests of `icons.py` on packages that they make themselves: `python3 -m unittest test_icons`.

A drawing of ellipses stands in for resvg; one test draws with resvg itself, where it is installed.
"""

import contextlib
import importlib.util
import io
import json
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import common
import icons
import pictures
from failure import Failure
from test_common import drawing, encoded

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{}</svg>'
BOX = SVG.format('<path d="M0 0h12v24H0z"/>')


def draw(svg_string, width, height, background, skip_system_fonts):
    """Stands in for resvg: the text of the SVG is the seed of a drawing."""
    if "broken" in svg_string:
        raise ValueError("no SVG")
    return encoded(drawing(svg_string))


def mdi_icon(number, name, base=None, tags=(), aliases=(), deprecated=False):
    return {
        "id": str(number),
        "baseIconId": str(number if base is None else base),
        "name": name,
        "tags": list(tags),
        "aliases": list(aliases),
        "deprecated": deprecated,
    }


class Names(unittest.TestCase):
    def test_series_is_the_name_without_variants(self):
        for name, base in (
            ("home-plus-outline", "home"),
            ("alarm-off", "alarm"),
            ("wifi-strength-4", "wifi strength"),
            ("letter-a-small", "letter"),
            ("off", "off"),
            ("plus-minus", "plus"),
            ("star-of-david", "star of david"),
        ):
            self.assertEqual(icons.series(name), base)

    def test_an_unknown_category_is_an_error(self):
        self.assertEqual(icons.class_of(["Food / Drink", "Holiday"], icons.MDI_CLASSES, "p"), "food")
        self.assertIsNone(icons.class_of([], icons.MDI_CLASSES, "p"))
        self.assertIsNone(icons.class_of(["System"], icons.TABLER_CLASSES, "p"))
        with self.assertRaisesRegex(Failure, "p has a category 'New'.*cache"):
            icons.class_of(["Food / Drink", "New"], icons.MDI_CLASSES, "p")


class Packages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def package(self, name, files):
        """A package as npm packs it, in the cache."""
        (self.root / "cache").mkdir(exist_ok=True)
        with tarfile.open(self.root / "cache" / name, "w:gz") as archive:
            for path, text in files.items():
                entry, data = tarfile.TarInfo(f"package/{path}"), text.encode()
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))

    def both(self, tabler, mdi):
        files = {"icons.json": json.dumps(tabler)}
        files |= {f"icons/outline/{name}.svg": SVG.format(f"tabler {name}") for name in tabler}
        self.package(f"tabler-icons-{icons.TABLER_VERSION}.tgz", files)
        files = {"meta.json": json.dumps(mdi)} | {f"svg/{icon['name']}.svg": SVG.format(f"mdi {icon['name']}") for icon in mdi}
        self.package(f"mdi-svg-{icons.MDI_VERSION}.tgz", files)

    def find(self):
        with mock.patch.object(icons, "renderer", lambda: draw), mock.patch("shutil.which", return_value=None):
            return icons.find(None, self.root / "scratch", self.root / "cache")

    def test_texts_classes_and_series(self):
        self.both(
            {
                "alarm-off": {"category": "Devices", "tags": ["clock", "wake-up", 24]},
                "eye": {"category": "System", "tags": ["see"]},
                "broken": {"category": "Food", "tags": []},
            },
            [
                mdi_icon(1, "apple", tags=["Food / Drink", "Nature"], aliases=["fruit-red"]),
                mdi_icon(2, "apple-keyboard", base=1),
                mdi_icon(3, "alarm-off", tags=["Date / Time"]),
                mdi_icon(4, "old", tags=["Food / Drink"], deprecated=True),
                mdi_icon(5, "plain"),
                mdi_icon(6, "heart-box", base=99, tags=["Gaming / RPG"]),
                mdi_icon(7, "heart-cog", base=99),
            ],
        )
        found = self.find()
        made = {one.id: one for one in found.candidates}
        self.assertEqual(sorted(made), ["mdi/apple", "mdi/apple-keyboard", "mdi/heart-box", "mdi/heart-cog", "tabler/alarm-off"])
        self.assertEqual(made["tabler/alarm-off"].text, "alarm off. clock, wake up, 24")
        self.assertEqual((made["tabler/alarm-off"].class_name, made["tabler/alarm-off"].series), ("devices", "alarm"))
        self.assertEqual(made["mdi/apple"].text, "apple. fruit red")
        # A category is the class and no part of the text; the base icon lends it, and its name to the series.
        self.assertEqual((made["mdi/apple-keyboard"].class_name, made["mdi/apple-keyboard"].series), ("food", "apple"))
        self.assertEqual(made["mdi/apple-keyboard"].text, "apple keyboard")
        self.assertEqual(made["mdi/heart-cog"].class_name, "games")
        self.assertEqual(
            sorted(found.skipped),
            [
                ("mdi/alarm-off", "a name that the other set has"),
                ("mdi/plain", "no category that says what is shown"),
                ("tabler/broken", "the SVG cannot be drawn"),
                ("tabler/eye", "no category that says what is shown"),
            ],
        )

    def test_the_folder_keeps_series_together(self):
        words = ("apple", "bread", "cherry", "dumpling", "egg", "fig", "grape", "honey")
        names = [(word, end) for word in words for end in ("off", "plus", "x")]
        tabler = {f"{word}-{end}": {"category": "Food", "tags": [word]} for word, end in names}
        self.both(tabler, [mdi_icon(1, "tree", tags=["Nature"])])
        said = io.StringIO()
        command = [str(self.root / "out"), "--cache", str(self.root / "cache"), "--jobs", "1"]
        with mock.patch.object(icons, "renderer", lambda: draw), contextlib.redirect_stderr(said):
            code = common.main(common.parser("icons"), icons.find, command)
        self.assertEqual(code, 0, said.getvalue())
        rows = [json.loads(line) for line in (self.root / "out" / "items.jsonl").read_text().splitlines()]
        self.assertEqual(len(rows), 25)
        sides = {}
        for row in rows:
            sides.setdefault(row["series"], set()).add((row["split"], row["group"]))
        self.assertEqual(len(sides), 9)
        self.assertTrue(all(len(found) == 1 for found in sides.values()))
        self.assertEqual({side for found in sides.values() for side, _ in found}, {"train", "test"})

    def test_damaged_package(self):
        self.both({}, [])
        self.package(f"mdi-svg-{icons.MDI_VERSION}.tgz", {"meta.json": "{"})
        with self.assertRaisesRegex(Failure, "@mdi/svg .* is not laid out as expected.*cache"):
            self.find()


class Drawing(unittest.TestCase):
    def test_missing_renderer_is_named(self):
        with mock.patch.dict("sys.modules", {"resvg_py": None}), self.assertRaisesRegex(Failure, "resvg_py.*pip install"):
            icons.renderer()

    @unittest.skipUnless(importlib.util.find_spec("resvg_py"), "resvg_py is not installed")
    def test_resvg_draws_black_on_white(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "box.svg"
            file.write_text(BOX)
            image = pictures.load(icons.render(file, icons.renderer()))
            self.assertEqual(image.size, (224, 224))
            self.assertEqual((image.getpixel((50, 100)), image.getpixel((170, 100))), ((0, 0, 0), (255, 255, 255)))
            file.write_text("no SVG")
            with self.assertRaisesRegex(Failure, "cannot be drawn"):
                icons.render(file, icons.renderer())


if __name__ == "__main__":
    unittest.main()
