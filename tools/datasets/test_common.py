"""Tests of the shared code, on pictures that they draw themselves: `python3 -m unittest test_common`."""

import argparse
import contextlib
import io
import json
import random
import tarfile
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

from PIL import Image, ImageDraw

import common
import grouping
import packages
import pictures
import titles
from failure import Failure


def drawing(seed, colour="black", size=(64, 64), shift=0, mode="RGBA"):
    """Some ellipses and boxes of one colour on transparent ground."""
    rng = random.Random(seed)
    image = Image.new(mode, size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for index in range(4):
        x, y = rng.randrange(4, 40), rng.randrange(4, 40)
        box = (x + shift, y + shift, x + shift + rng.randrange(6, 20), y + shift + rng.randrange(6, 20))
        (draw.ellipse if index % 2 else draw.rectangle)(box, fill=colour)
    return image


def encoded(image, form="PNG"):
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def look(image):
    return pictures.Look.of(pictures.load(encoded(image)))


def row(title, image=None, **more):
    picture = pictures.load(encoded(image or drawing(title)))
    return {
        "title": title,
        "text": title,
        "description": "",
        "digest": picture.tobytes(),
        "look": pictures.Look.of(picture),
        **more,
    }


class Titles(unittest.TestCase):
    def test_series_have_one_normal_form(self):
        for members in (
            ["Apple", "Green apples (B and W)", "apple_02", "The big APPLE, left"],
            ["LED Square (Red)", "led square h blue"],
            ["jigsaw_red_10", "jigsaw blue 3"],
            ["danger électrique", "Danger electrique 2"],
        ):
            self.assertEqual(len({titles.normal(title) for title in members}), 1, members)

    def test_other_things_differ(self):
        self.assertNotEqual(titles.normal("apple pie"), titles.normal("apple tree"))

    def test_what_would_be_empty_stays(self):
        self.assertEqual(titles.normal("Red 8"), "red 8")
        self.assertNotEqual(titles.normal("Red"), titles.normal("Blue"))

    def test_further_words_to_ignore(self):
        self.assertEqual(titles.normal("woman running", {"woman", "man"}), titles.normal("men running man", {"man", "men"}))

    def test_near_titles_share_a_key(self):
        def near(a, b):
            return bool(titles.near_keys(a) & titles.near_keys(b))

        self.assertTrue(near("volleyball net", "volleball net"))
        self.assertTrue(near("motorbike", "motorbyke"))
        self.assertFalse(near("bat", "cat"))
        self.assertFalse(near("motorbike", "motorway"))

    def test_clean(self):
        self.assertEqual(titles.clean(" Grampa&amp;#39;n\n <b>Gramma</b>\x00 "), "Grampa'n Gramma")
        self.assertEqual(titles.clean(None), "")

    def test_words_of_stem(self):
        self.assertEqual(titles.words_of_stem("FolderRed-open_2"), "folder red open 2")

    def test_text_repeats_nothing(self):
        self.assertEqual(common.text_of("Bear", ["bear", "brown"], "Bear"), "Bear. brown")
        self.assertEqual(common.text_of("Bear", [], "It sleeps."), "Bear. It sleeps.")
        self.assertEqual(common.text_of("Bear", [], ""), "Bear")


class Pictures(unittest.TestCase):
    def test_size_aspect_and_alpha(self):
        image = Image.new("RGBA", (1000, 500), (255, 0, 0, 0))
        image.paste((0, 0, 255, 128), (0, 0, 500, 500))
        flat = pictures.load(encoded(image))
        self.assertEqual((flat.mode, flat.size), ("RGB", (256, 128)))
        self.assertEqual(flat.getpixel((250, 64)), (255, 255, 255))
        self.assertEqual(flat.getpixel((20, 64)), (127, 127, 255))

    def test_small_pictures_keep_their_size(self):
        self.assertEqual(pictures.load(encoded(drawing(1))).size, (64, 64))

    def test_palette_with_transparency_and_grey(self):
        image = Image.new("P", (8, 8), 0)
        image.putpalette([0, 0, 0, 255, 0, 0])
        image.putpixel((4, 4), 1)
        out = io.BytesIO()
        image.save(out, "PNG", transparency=0)
        self.assertEqual(pictures.load(out.getvalue()).getpixel((0, 0)), (255, 255, 255))
        self.assertEqual(pictures.load(encoded(Image.new("LA", (8, 8), (9, 255)))).getpixel((0, 0)), (9, 9, 9))

    def test_sixteen_bits_are_scaled(self):
        flat = pictures.load(encoded(Image.new("I;16", (8, 8), 32896)))
        self.assertEqual(flat.getpixel((0, 0)), (128, 128, 128))

    def test_failures(self):
        blank = encoded(Image.new("RGBA", (8, 8), (255, 255, 255, 90)))
        for data, word in ((b"no picture", "readable"), (encoded(drawing(1))[:-60], "readable"), (blank, "blank")):
            with self.assertRaisesRegex(Failure, word):
                pictures.load(data)
        with mock.patch.object(pictures, "MAX_PIXELS", 100), self.assertRaisesRegex(Failure, "megapixels"):
            pictures.load(encoded(drawing(1)))

    def test_near_whatever_colour_place_and_scale(self):
        first = look(drawing(3))
        self.assertTrue(first.near(look(drawing(3, "darkred"))))
        self.assertTrue(first.near(look(drawing(3, shift=3))))
        large = drawing(3).resize((256, 256), Image.Resampling.NEAREST)
        self.assertTrue(look(large).near(look(large.resize((150, 150)))))

    def test_others_are_not_near(self):
        looks = [look(drawing(seed)) for seed in range(12)]
        self.assertEqual(list(pictures.near_pairs(looks)), [])

    def test_flat_pictures_are_told_apart_by_colour(self):
        red, same, blue = (look(Image.new("RGB", (9, 9), c)) for c in ((200, 0, 0), (205, 4, 0), (0, 0, 200)))
        self.assertTrue(red.near(same))
        self.assertFalse(red.near(blue))

    def test_pruned_pairs_are_all_pairs(self):
        looks = [look(drawing(seed // 3, ("black", "navy", "gray")[seed % 3])) for seed in range(30)]
        every = {(i, j) for j in range(30) for i in range(j) if looks[i].near(looks[j])}
        self.assertEqual(set(pictures.near_pairs(looks)), every)
        self.assertGreaterEqual(len(every), 10)


class Grouping(unittest.TestCase):
    def test_each_reason_joins(self):
        long = "a long description of something that many rows have in common"
        rows = [
            row("lion"),
            row("lions 2"),
            row("elephants in africa"),
            row("elephants in afrika"),
            row("one thing", drawing("x"), description=long),
            row("another sort", drawing("y"), description=long),
            row("dog", drawing("z")),
            row("wolf", drawing("z", "darkblue")),
            row("alone", drawing("w")),
        ]
        groups, merges = grouping.group(rows)
        self.assertEqual(groups, [0, 0, 1, 1, 2, 2, 3, 3, 4])
        self.assertEqual(merges["title"], 1)
        self.assertEqual(merges["near title"], 1)
        self.assertEqual(merges["description"], 1)
        self.assertEqual(merges["near picture"], 1)

    def test_a_series_joins_and_must_not_straddle(self):
        rows = [row("dog", drawing("a"), series="pet"), row("budgerigar", drawing("b"), series="pet"), row("tree", drawing("c"))]
        groups, merges = grouping.group(rows)
        self.assertEqual((groups, merges["series"]), ([0, 0, 1], 1))
        sides = [{**one, "split": side} for one, side in zip(rows, ("train", "test", "test"))]
        self.assertEqual(grouping.check(sides)["series"], 1)
        # Rows without a series have none in common.
        sides = [{**one, "split": side} for one, side in zip(rows[1:], ("train", "test"))] + [{**rows[2], "split": "test"}]
        self.assertEqual(grouping.check(sides)["series"], 0)
        none = [{**row("fish", drawing("d")), "split": "train"}, {**row("oak", drawing("e")), "split": "test"}]
        self.assertEqual(grouping.check(none)["series"], 0)

    def test_chains_join(self):
        rows = [row("dog", drawing("a")), row("wolf", drawing("a")), row("wolf", drawing("b"))]
        self.assertEqual(grouping.group(rows)[0], [0, 0, 0])

    def test_check_counts_what_straddles(self):
        rows = [row("dog", drawing("a"), split="train"), row("wolf", drawing("a"), split="test")]
        counts = grouping.check(rows)
        self.assertEqual((counts["picture bytes"], counts["near picture"], counts["title"]), (1, 1, 0))
        rows = [row("dog", drawing("a"), split="train"), row("dogs", drawing("b"), split="test")]
        counts = grouping.check(rows)
        self.assertEqual((counts["picture bytes"], counts["near picture"]), (0, 0))
        self.assertEqual((counts["title"], counts["text"]), (1, 1))
        self.assertGreater(counts["near title"], 0)


class Split(unittest.TestCase):
    def setUp(self):
        self.groups = [number for number in range(200) for _ in range(number % 4 + 1)]
        self.classes = ["ab"[number % 2] for number in self.groups]

    def test_whole_groups_and_about_a_quarter_of_each_class(self):
        result = grouping.split(self.classes, self.groups, 42)
        self.assertTrue(all(len({s for s, g in zip(result, self.groups) if g == number}) == 1 for number in range(200)))
        for name in "ab":
            sides = Counter(s for s, c in zip(result, self.classes) if c == name)
            self.assertAlmostEqual(sides["test"] / sum(sides.values()), 0.25, delta=0.01)

    def test_seed(self):
        first = grouping.split(self.classes, self.groups, 1)
        self.assertEqual(first, grouping.split(self.classes, self.groups, 1))
        self.assertNotEqual(first, grouping.split(self.classes, self.groups, 2))

    def test_a_large_group_is_trained_on(self):
        groups = [0] * 20 + list(range(1, 81))
        result = grouping.split(["a"] * 100, groups, 42)
        self.assertEqual(set(result[:20]), {"train"})
        self.assertEqual(result.count("test"), 25)

    def test_rows_without_class_are_split_too(self):
        self.assertEqual(grouping.split([None] * 40, list(range(40)), 42).count("test"), 10)

    def test_usable_classes(self):
        classes = ["a"] * 10 + ["b"] * 9 + ["c"] * 10 + [None]
        splits = ["test"] + ["train"] * 9 + ["test"] + ["train"] * 8 + ["train"] * 10 + ["test"]
        self.assertEqual(grouping.usable_classes(classes, splits), {"a"})


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def run_main(self, *command_line, candidates=None, find=None):
        """Runs a script of drawings; its exit code and what it said."""

        def drawings(options, scratch, cache):
            made = [
                common.Candidate(
                    id=f"t/{i:02}",
                    title=f"thing{chr(97 + i // 26)}{chr(97 + i % 26)} word{chr(97 + i % 13) * 4}",
                    text=f"thing{chr(97 + i // 26)}{chr(97 + i % 26)} word{chr(97 + i % 13) * 4}",
                    picture=encoded(drawing(i)),
                    class_name="animals" if i % 2 else "food",
                )
                for i in range(60)
            ]
            made.append(common.Candidate("t/broken", "broken", "broken", b"no picture", "food"))
            made.append(common.Candidate("t/rare", "rare qwertz", "rare qwertz", encoded(drawing("rare")), "rare"))
            return common.Found(made if candidates is None else candidates, {"drawings": "1"})

        said = io.StringIO()
        args = common.parser("drawings")
        with contextlib.redirect_stderr(said):
            code = common.main(args, find or drawings, [*command_line, "--jobs", "1"])
        return code, said.getvalue()

    def test_folder_is_complete_and_deterministic(self):
        code, said = self.run_main(str(self.root / "a"))
        self.assertEqual(code, 0, said)
        self.run_main(str(self.root / "b"))
        lines = (self.root / "a" / "items.jsonl").read_bytes()
        self.assertEqual(lines, (self.root / "b" / "items.jsonl").read_bytes())
        rows = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual(len(rows), 61)
        self.assertEqual({one["split"] for one in rows}, {"train", "test"})
        self.assertTrue(all((self.root / "a" / one["image"]).is_file() for one in rows))
        self.assertEqual([one.get("class") for one in rows if one["id"] == "t/rare"], [None])
        self.assertNotIn("description", rows[0])
        report = json.loads((self.root / "a" / "grouping.json").read_text())
        self.assertEqual(report["classes_too_small"], {"rare": 1})
        self.assertEqual(set(report["on_both_sides"].values()), {0})
        self.assertEqual([one["id"] for one in report["skipped_documents"]], ["t/broken"])
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["a", "b"])

    def test_existing_folder(self):
        out = self.root / "a"
        self.run_main(str(out))
        code, said = self.run_main(str(out))
        self.assertEqual(code, 2)
        self.assertIn("--force", said)
        self.assertEqual(self.run_main(str(out), "--force", "--limit", "40")[0], 0)
        self.assertLessEqual(len((out / "items.jsonl").read_bytes().splitlines()), 40)
        other = self.root / "other"
        other.mkdir()
        (other / "precious").write_text("x")
        code, said = self.run_main(str(other), "--force")
        self.assertEqual(code, 2)
        self.assertTrue((other / "precious").exists())

    def test_failures_leave_nothing(self):
        def fails(options, scratch, cache):
            raise Failure("the package is not there", "do this")

        for arguments in ({"find": fails}, {"candidates": []}):
            code, said = self.run_main(str(self.root / "a"), **arguments)
            self.assertEqual(code, 2)
            self.assertIn("error:", said)
        self.assertEqual(list(self.root.iterdir()), [])
        self.assertEqual(self.run_main(str(self.root / "a"), "--limit", "0")[0], 2)

    def test_failed_check_is_exit_1(self):
        with mock.patch.object(grouping, "group", lambda rows, also: (list(range(len(rows))), {})):
            same = [
                common.Candidate(f"t/{i}", f"title {i}", f"title {i}", encoded(drawing(1)), "food") for i in range(20)
            ]
            code, said = self.run_main(str(self.root / "a"), candidates=same)
        self.assertEqual(code, 1)
        self.assertIn("the check failed", said)

    def test_equal_documents_are_kept_once(self):
        twins = [common.Candidate(f"t/{i}", "dog", "dog", encoded(drawing(i // 2)), "food") for i in range(4)]
        self.run_main(str(self.root / "a"), candidates=twins)
        self.assertEqual(len((self.root / "a" / "items.jsonl").read_bytes().splitlines()), 2)


class Packages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def test_cached_package_needs_no_tool(self):
        (self.root / "clips_1%3a2-3_all.deb").touch()
        with mock.patch("shutil.which", return_value=None):
            self.assertEqual(packages.debian("clips", self.root)[1], "1:2-3")

    def test_missing_tools_and_two_versions(self):
        with mock.patch("shutil.which", return_value=None):
            with self.assertRaisesRegex(Failure, "apt-get.*by hand"):
                packages.debian("clips", self.root)
            with self.assertRaisesRegex(Failure, "npm.*by hand"):
                packages.npm("clips", "1.0.0", self.root)
            with self.assertRaisesRegex(Failure, "dpkg"):
                packages.unpack_debian(self.root / "x.deb", self.root)
        for version in "12":
            (self.root / f"clips_{version}_all.deb").touch()
        with self.assertRaisesRegex(Failure, "several versions"):
            packages.debian("clips", self.root)

    def test_failing_program_says_why(self):
        with self.assertRaisesRegex(Failure, "exit 3.*E: no such thing.*do this"):
            packages.run(["sh", "-c", "echo E: no such thing >&2; echo later >&2; exit 3"], "the download", "do this")

    def test_npm_archive_cannot_leave_its_folder(self):
        file = self.root / "p.tgz"
        with tarfile.open(file, "w:gz") as archive:
            for name in ("package/img/a.png", "package/../../evil", "package/img/b.txt"):
                entry = tarfile.TarInfo(name)
                entry.size = 1
                archive.addfile(entry, io.BytesIO(b"x"))
            link = tarfile.TarInfo("package/img/link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        packages.unpack_npm(file, self.root / "t", lambda path: not path.endswith(".txt"))
        self.assertEqual([p.name for p in (self.root / "t").rglob("*") if not p.is_dir()], ["a.png"])
        self.assertFalse((self.root / "evil").exists())
        file.write_bytes(b"damaged")
        with self.assertRaisesRegex(Failure, "cannot unpack"):
            packages.unpack_npm(file, self.root / "u", lambda path: True)


if __name__ == "__main__":
    unittest.main()
