"""Tests of `names.py` on listings that they write themselves: `python3 -m unittest test_names`."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import names
from failure import Failure

LISTING = """Package: zebra-tools
Version: 2
Description: tools for stripes
Description-md5: 1
Tag: role::program,
 use::viewing

Package: zebra-tools
Version: 1
Description: an older paragraph

Package: ant
Description-en: build tool: Java
 a long text that
 Description: is passed over

Package: nothing-said
Version: 1
"""


def pairs(count):
    return [(f"package-{i:03}", f"does thing number {i}") for i in range(count)]


class Sources(unittest.TestCase):
    def test_listing(self):
        self.assertEqual(names.from_listing(LISTING), [("ant", "build tool: Java"), ("zebra-tools", "tools for stripes")])

    def test_empty_listing_and_no_client(self):
        with mock.patch("packages.tool", return_value="apt-cache"), mock.patch("packages.run", return_value="\n"):
            with self.assertRaisesRegex(Failure, "lists no package; run `apt-get update`"):
                names.from_apt()
        with mock.patch("shutil.which", return_value=None), self.assertRaisesRegex(Failure, "apt-cache.*--docs"):
            names.from_apt()

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "docs.jsonl"
            file.write_text('{"title": "a-b", "text": "what it does", "size": 3}\n')
            self.assertEqual(names.from_file(file), [("a-b", "what it does")])
            for line in ('{"title": "a"}', "no JSON", "[1]", '{"title": "a", "text": 3}'):
                file.write_text('{"title": "a", "text": "b"}\n' + line + "\n")
                with self.assertRaisesRegex(Failure, "docs.jsonl, line 2"):
                    names.from_file(file)
            with self.assertRaisesRegex(Failure, "cannot read"):
                names.from_file(Path(folder) / "absent")


class Draw(unittest.TestCase):
    def test_every_tenth_is_test(self):
        rows, skipped = names.draw(pairs(200), 100, 42)
        self.assertEqual(len(rows), 100)
        self.assertEqual([number for number, row in enumerate(rows) if row["split"] == "test"], list(range(0, 100, 10)))
        self.assertEqual(skipped, {})
        self.assertEqual(set(rows[0]), {"id", "name", "description", "split"})
        self.assertEqual(rows[0]["name"], rows[0]["id"].replace("-", " "))

    def test_order_of_the_source_does_not_matter_and_the_seed_does(self):
        first = names.draw(pairs(50), 50, 42)
        self.assertEqual(first, names.draw(pairs(50)[::-1], 50, 42))
        self.assertNotEqual(first, names.draw(pairs(50), 50, 43))

    def test_more_documents_begin_with_the_same(self):
        self.assertEqual(names.draw(pairs(50), 20, 42)[0], names.draw(pairs(50), 40, 42)[0][:20])

    def test_equal_names_and_descriptions_stay_once(self):
        given = [*pairs(40), ("package 001", "a name that is equal"), ("other", "does thing  number 7"), ("empty", " ")]
        rows, skipped = names.draw(given, 100, 42)
        self.assertEqual(
            skipped,
            {"a name that is there already": 1, "a description that is there already": 1, "no name or no description": 1},
        )
        for key in ("name", "description"):
            self.assertEqual(len({row[key] for row in rows}), len(rows))

    def test_check_counts_what_straddles(self):
        rows = [
            {"name": "a", "description": "x", "split": "train"},
            {"name": "a", "description": "y", "split": "test"},
            {"name": "b", "description": "y", "split": "test"},
        ]
        self.assertEqual(names.check(rows), {"name": 1, "description": 0})


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.docs = self.root / "docs.jsonl"
        self.docs.write_text("".join(json.dumps({"title": a, "text": b}) + "\n" for a, b in pairs(60)))

    def run_main(self, out, *more):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = names.main([str(self.root / out), "--docs", str(self.docs), *more])
        return code, said.getvalue()

    def test_folder_is_complete_and_deterministic(self):
        self.assertEqual(self.run_main("a")[0], 0)
        self.run_main("b")
        lines = (self.root / "a" / "items.jsonl").read_bytes()
        self.assertEqual(lines, (self.root / "b" / "items.jsonl").read_bytes())
        self.assertEqual(len(lines.splitlines()), 60)
        report = json.loads((self.root / "a" / "grouping.json").read_text())
        self.assertEqual(report["split"], {"test": 6, "train": 54})
        self.assertEqual(report["on_both_sides"], {"name": 0, "description": 0})
        self.assertEqual(report["source"], "docs.jsonl")
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["a", "b", "docs.jsonl"])

    def test_existing_folder(self):
        self.run_main("a")
        code, said = self.run_main("a")
        self.assertEqual((code, "--force" in said), (2, True))
        self.assertEqual(self.run_main("a", "--force", "--count", "30")[0], 0)
        self.assertEqual(len((self.root / "a" / "items.jsonl").read_bytes().splitlines()), 30)

    def test_failures_leave_nothing(self):
        self.assertEqual(self.run_main("a", "--count", "9")[0], 2)
        self.docs.write_text('{"title": "a", "text": "b"}\n')
        code, said = self.run_main("a")
        self.assertEqual((code, "only 1 documents" in said), (2, True))
        self.docs.write_text("nonsense\n")
        self.assertEqual(self.run_main("a")[0], 2)
        self.assertEqual([path.name for path in self.root.iterdir()], ["docs.jsonl"])

    def test_failed_check_is_exit_1(self):
        with mock.patch.object(names, "check", lambda rows: {"name": 1, "description": 0}):
            self.assertEqual(self.run_main("a")[0], 1)


if __name__ == "__main__":
    unittest.main()
