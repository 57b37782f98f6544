"""The binary as a process: its flags, its exit codes, what its answers must look like. A script stands in for it."""

import json
import stat
import sys
import tempfile
import unittest
from pathlib import Path

from engine import Engine, Made, Refused, ids_of

BINARY = '''#!{python}
import json, sys
from pathlib import Path

with open(Path(__file__).with_suffix(".calls"), "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
assert sys.argv[-2:] == ["--threads", "1"] and "--json" in sys.argv and "--quiet" in sys.argv
code = 0
for number, line in enumerate(Path(sys.argv[sys.argv.index("--batch") + 1]).read_text().splitlines(), 1):
    asked = json.loads(line)
    if "drop" in asked:
        continue
    answer = {{"line": number, "hits": [{{"rank": at + 1, "id": one}} for at, one in enumerate(asked.get("ids", []))]}}
    if "bad" in asked:
        code, answer = 2, {{"line": number, "error": {{"code": "bad_argument", "message": asked["bad"]}}}}
    print(json.dumps(answer))
if "fall over" in asked:
    sys.stderr.write("no such index")
    code = 3
sys.exit(code)
'''


class Answers(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        self.binary = self.root / "binary.py"
        self.binary.write_text(BINARY.format(python=sys.executable))
        self.binary.chmod(self.binary.stat().st_mode | stat.S_IXUSR)
        self.engine, self.index = Engine(self.binary, self.root, 1), Made(self.root / "index", "key")

    def ids(self, *asked):
        return self.engine.ids(self.index, [json.dumps(one) for one in asked])

    def calls(self):
        return [json.loads(line) for line in self.binary.with_suffix(".calls").read_text().splitlines()]

    def test_each_line_has_its_answer_and_equal_ones_are_asked_once(self):
        one, two = {"ids": ["3", "1"]}, {"ids": []}
        self.assertEqual(self.ids(one, two, one), [["3", "1"], [], ["3", "1"]])
        self.assertEqual(self.calls()[0][:2], ["query", str(self.root / "index")])
        self.assertEqual(self.ids(one, two), [["3", "1"], []])
        self.assertEqual(len(self.calls()), 1)
        # Another index, or the same after something was attached, is asked anew.
        self.index = Made(self.root / "index", "other key")
        self.ids(one, two)
        self.assertEqual(len(self.calls()), 2)

    def test_what_every_line_is_refused_for_is_said(self):
        for _ in range(2):
            with self.assertRaisesRegex(Refused, "^no such fusion$"):
                self.ids({"bad": "no such fusion"}, {"bad": "no such fusion", "k": 2})
        self.assertEqual(len(self.calls()), 1)

    def test_what_some_lines_are_refused_for_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "1 of 2 lines are refused, the first with: odd"):
            self.ids({"bad": "odd"}, {"ids": ["1"]})
        with self.assertRaisesRegex(RuntimeError, "2 of 2 lines"):
            self.ids({"bad": "odd"}, {"bad": "even"})

    def test_a_lost_answer_and_a_crash_are_errors(self):
        with self.assertRaisesRegex(RuntimeError, "one answer for each of 2 lines.*got 1"):
            self.ids({"drop": 1}, {"ids": []})
        with self.assertRaisesRegex(RuntimeError, "exit 3\nno such index"):
            self.ids({"fall over": 1})

    def test_ranks_are_in_order(self):
        with self.assertRaisesRegex(RuntimeError, r"ranks: \[1, 3\]"):
            ids_of([{"rank": 1, "id": "a"}, {"rank": 3, "id": "b"}])


if __name__ == "__main__":
    unittest.main()
