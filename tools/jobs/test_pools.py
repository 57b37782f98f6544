"""The pools of Dask and Ray with a stand-in for the program: retries, and workers that end. Each is skipped where its
package is not installed.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENTS, SHARDS = 24, 4


def name(number):
    return f"shard-0000{number}-of-0000{SHARDS}"


class Pool:
    """Tests of a driver; `count` is its flag for workers."""

    driver = count = None

    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.faults = self.root / "faults"
        self.faults.mkdir()
        (self.root / "corpus.jsonl").write_text("".join(json.dumps({"id": i}) + "\n" for i in range(DOCUMENTS)))
        (self.root / "my.bundle").mkdir()

    def run_driver(self, *more):
        fixed = [
            "corpus.jsonl",
            "--bundle",
            "my.bundle",
            "--out",
            "my.index",
            "--work",
            "work",
            "--shards",
            SHARDS,
            "--fan-in",
            3,
        ]
        line = [
            sys.executable,
            HERE / self.driver,
            *fixed,
            "--binary",
            HERE / "stand_in.py",
            self.count,
            2,
            "--retries",
            1,
            *more,
        ]
        env = {**os.environ, "STAND_IN": str(self.faults)}
        done = subprocess.run([*map(str, line)], cwd=self.root, env=env, capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout or "null"), done.stderr

    def builds(self, number):
        return sum(f"--shard {number}/{SHARDS} " in line for line in (self.faults / "calls").read_text().splitlines())

    def test_faults_are_reported_and_mended_by_the_same_command(self):
        # No other try mends a value; a disk may have room again.
        (self.faults / "break-0").write_text("bad_value")
        (self.faults / "break-1").write_text("io")
        code, report, told = self.run_driver()
        self.assertEqual((code, report and report["ok"]), (2, False), told)
        self.assertEqual(list(report["made"]), [name(2), name(3)])
        reasons = {failed["name"]: failed["reason"] for failed in report["failed"]}
        self.assertEqual(list(reasons), [name(0), name(1)])
        self.assertIn("corpus.jsonl:7: it does not work; expected a string; got a number; mend it", reasons[name(0)])
        self.assertIn("it does not work", reasons[name(1)])
        self.assertEqual([self.builds(number) for number in range(SHARDS)], [1, 2, 1, 1])
        # One takes its worker with it, whoever that is.
        (self.faults / "break-1").unlink()
        (self.faults / "break-0").rename(self.faults / "end-0")
        code, report, told = self.run_driver()
        self.assertEqual((code, [failed["name"] for failed in report["failed"]]), (2, [name(0)]), told)
        self.assertIn("its worker ended in each of 2 tries, by a signal or for want of memory", report["failed"][0]["reason"])
        self.assertEqual(self.builds(0), 3)
        (self.faults / "end-0").unlink()
        code, report, told = self.run_driver()
        self.assertEqual(
            (code, [report["made"][name(number)]["state"] for number in range(SHARDS)]), (0, ["built"] + ["there"] * 3), told
        )
        self.assertEqual((self.root / "my.index/a.store").read_bytes(), (self.root / "corpus.jsonl").read_bytes())
        self.assertEqual(list((self.root / "work").glob("merge-*")), [])

    def test_sources_are_encoded(self):
        line = [sys.executable, HERE / self.driver, "corpus.jsonl", "corpus.jsonl", "--encode", "--work", "work"]
        line += ["--binary", HERE / "stand_in.py", self.count, 2, "--", "--features-cache", "cache"]
        env = {**os.environ, "STAND_IN": str(self.faults)}
        done = subprocess.run([*map(str, line)], cwd=self.root, env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([made["documents"] for made in json.loads(done.stdout)["made"].values()], [DOCUMENTS] * 2)
        self.assertTrue((self.root / "cache").is_dir())


@unittest.skipUnless(importlib.util.find_spec("distributed"), "Dask is not installed: pip install -r requirements-dask.txt")
class Dask(Pool, unittest.TestCase):
    driver, count = "build_dask.py", "--workers"

    def test_a_scheduler_that_is_not_there(self):
        code, report, told = self.run_driver("--scheduler", "tcp://127.0.0.1:9", "--timeout", 1)
        self.assertEqual((code, report), (2, None))
        self.assertIn("error: no Dask scheduler answers at tcp://127.0.0.1:9", told)


@unittest.skipUnless(importlib.util.find_spec("ray"), "Ray is not installed: pip install -r requirements-ray.txt")
class Ray(Pool, unittest.TestCase):
    driver, count = "build_ray.py", "--encoders"


if __name__ == "__main__":
    unittest.main()
