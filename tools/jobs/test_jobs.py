"""The drivers' plain part: the whole flow with a stand-in for the program and a pool in this process; every fault, and what
the operator sees.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

import artefact
import asked
import flow
import shards
from program import Failure, call, sentence

STAND_IN = Path(__file__).resolve().parent / "stand_in.py"
DOCUMENTS = 60


class Here:
    """A pool without workers: one task after the other, as often as the contract of pools says."""

    def __init__(self, retries=2):
        self.retries, self.tried = retries, []
        # Called before the tasks of a kind begin.
        self.before = lambda work: None

    def each(self, work, tasks):
        self.before(work)
        for name, args in tasks.items():
            for left in reversed(range(self.retries + 1)):
                self.tried.append(name)
                try:
                    got = shards.attempt(work, *args)
                except Failure as failure:
                    got = failure
                    if left:
                        continue
                break
            yield name, got


class Case(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.faults = self.root / "faults"
        self.faults.mkdir()
        self.enterContext(mock.patch.dict(os.environ, {"STAND_IN": str(self.faults)}))
        self.corpus, self.bundle = self.root / "corpus.jsonl", self.root / "my.bundle"
        self.bundle.mkdir()
        # Lines of many lengths: parts of equal bytes have unequal numbers of them.
        lines = [json.dumps({"id": f"d{i}", "text": "x" * (i % 17)}) for i in range(DOCUMENTS)]
        self.corpus.write_text("\n".join(lines) + "\n")
        self.out, self.work, self.pool = self.root / "my.index", self.root / "work", Here()

    def line(self, *more, shards=5, out=None):
        out = out or self.out
        fixed = [
            "--bundle",
            self.bundle,
            "--out",
            out,
            "--work",
            self.work,
            "--shards",
            shards,
            "--fan-in",
            2,
            "--binary",
            STAND_IN,
        ]
        return [str(word) for word in [self.corpus, *fixed, *more]]

    def driver(self, line, *flags):
        """Exit code, report and what is said on stderr of a driver with these arguments."""
        connect = lambda args: contextlib.nullcontext(self.pool)  # noqa: E731
        said, told = io.StringIO(), io.StringIO()
        with mock.patch("sys.argv", ["driver", *line, *(["--", *flags] if flags else [])]):
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
                code = flow.main(asked.arguments(None), connect)
        return code, json.loads(said.getvalue() or "null"), told.getvalue()

    def calls(self, command):
        lines = (self.faults / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == command]

    def forget(self):
        (self.faults / "calls").unlink()

    def whole(self):
        """The index holds the lines of the corpus in their order, and nothing lies about."""
        self.assertEqual((self.out / "a.store").read_bytes(), self.corpus.read_bytes())
        left = {
            path.name for path in self.work.iterdir() if not path.name.startswith(".shard") and not path.name.startswith(".merge")
        }
        self.assertEqual(left, {"job.json", "schema.toml", *(f"shard-0000{n}-of-00005" for n in range(5))})

    def shard(self, number):
        return self.work / f"shard-0000{number}-of-00005"


class Flows(Case):
    def test_a_job_is_done_once(self):
        code, report, told = self.driver(self.line(), "--threads", "1")
        self.assertEqual((code, report["ok"], report["failed"]), (0, True, []))
        self.assertEqual(report["made"]["my.index"]["documents"], DOCUMENTS)
        self.whole()
        self.assertEqual(len(self.calls("schema")), 1)
        self.assertEqual(len(self.calls("build")), 5)
        for line in self.calls("build"):
            self.assertIn(f"--schema {self.work}/schema.toml", line)
            self.assertIn("--no-cells --schema", line)
            self.assertIn("--threads 1", line)
        # 5 shards, 2 inputs each: 2 inner merges of shards, 1 above, and the last, which makes the cells.
        merges = self.calls("merge")
        self.assertEqual([("--no-cells" in line) for line in merges], [True, True, True, False])
        self.assertIn("shard 5/5", told)
        self.assertRegex(told, r"shard 1/5 shard-00000-of-00005: built, \d+ documents, .* documents/s, \d+ s to go")
        # The same again: nothing is built, nothing is merged.
        self.forget()
        code, report, told = self.driver(self.line(), "--threads", "1")
        self.assertEqual((code, report["made"]["my.index"]["state"]), (0, "there"))
        self.assertEqual((self.calls("build"), self.calls("merge")), ([], []))

    def test_a_driver_that_was_stopped_goes_on(self):
        class Stopped(Exception):
            pass

        def stop(work):
            if work is shards.join:
                raise Stopped

        self.pool.before = stop
        with self.assertRaises(Stopped):
            self.driver(self.line())
        # Two more: one shard was not begun, another is half.
        shutil.rmtree(self.shard(1))
        self.shard(3).rename(f"{self.shard(3)}.partial")
        self.pool = Here()
        code, report, _ = self.driver(self.line())
        states = [report["made"][f"shard-0000{n}-of-00005"]["state"] for n in range(5)]
        self.assertEqual((code, states), (0, ["there", "built", "there", "built", "there"]))
        self.assertEqual(len(self.calls("schema")), 1)
        self.whole()

    def test_artefacts_are_copied(self):
        scratch = self.root / "scratch"
        code, report, _ = self.driver(self.line("--copy", scratch))
        self.assertEqual((code, report["ok"]), (0, True))
        self.whole()
        self.assertEqual([path.name for path in scratch.iterdir() if not path.name.startswith(".")], [])
        for line in self.calls("build") + self.calls("merge"):
            self.assertIn(str(scratch), line)
        # A damaged one is made anew there, and takes the place of the other.
        shutil.rmtree(self.out)
        store = self.shard(2) / "a.store"
        store.write_bytes(store.read_bytes().replace(b"x", b"y", 1))
        code, report, _ = self.driver(self.line("--copy", scratch))
        states = {made["state"] for name, made in report["made"].items() if name != self.shard(2).name}
        self.assertEqual((code, report["made"][self.shard(2).name]["state"], states), (0, "rebuilt", {"there", "built"}))
        self.whole()

    def test_sources_are_encoded_into_the_cache(self):
        more = self.root / "more.jsonl"
        more.write_text("{}\n")
        line = [self.corpus, more, "--encode", "--work", self.work, "--binary", STAND_IN]
        for state in ("built", "there"):
            code, report, _ = self.driver([str(word) for word in line], "--features-cache", str(self.root / "cache"))
            self.assertEqual((code, [made["state"] for made in report["made"].values()]), (0, [state] * 2))
        self.assertEqual(len(self.calls("features")), 2)
        self.assertEqual(self.calls("build"), [])

    def test_trees_have_every_shard_once(self):
        for n in range(1, 40):
            for fan_in in range(2, 9):
                places = [Path(f"shard-{i}") for i in range(n)]
                levels, last = flow.tree(places, fan_in, Path("w"))
                made = {name: inputs for level in levels for name, inputs in level.items()}

                def leaves(place):
                    return [leaf for one in made[place] for leaf in leaves(one)] if place in made else [place]

                self.assertEqual([leaf for place in last for leaf in leaves(place)], places)
                self.assertTrue(all(2 <= len(inputs) <= fan_in for inputs in made.values()), (n, fan_in))
                self.assertTrue(1 <= len(last) <= fan_in)


class Faults(Case):
    def test_a_shard_that_always_fails_is_reported_and_the_others_finish(self):
        (self.faults / "break-3").write_text("bad_value")
        code, report, told = self.driver(self.line())
        self.assertEqual((code, report["ok"], sorted(report["made"])), (2, False, [self.shard(n).name for n in (0, 1, 2, 4)]))
        reason = f"{self.corpus}:7: it does not work; expected a string; got a number; mend it"
        self.assertEqual(report["failed"], [{"name": self.shard(3).name, "reason": reason}])
        self.assertIn(
            f"failed: {self.shard(3).name}: {reason}\nthe others are kept: mend the cause, and run the same command again\n", told
        )
        # No other try mends a value; nothing is merged.
        self.assertEqual(self.pool.tried.count(self.shard(3).name), 1)
        self.assertEqual(self.calls("merge"), [])
        self.assertFalse(self.out.exists())
        (self.faults / "break-3").unlink()
        code, report, _ = self.driver(self.line())
        self.assertEqual(
            (code, report["made"][self.shard(3).name]["state"], report["made"][self.shard(4).name]["state"]),
            (0, "built", "there"),
        )
        self.whole()

    def test_a_full_disk_is_tried_again_and_then_reported(self):
        (self.faults / "break-1").write_text("io")
        code, report, _ = self.driver(self.line())
        self.assertEqual((code, self.pool.tried.count(self.shard(1).name), len(report["made"])), (2, 3, 4))
        (self.faults / "break-1").unlink()
        full = OSError(28, "No space left on device")
        with mock.patch("shutil.copytree", side_effect=full):
            code, report, told = self.driver(self.line("--copy", self.root / "scratch"))
        self.assertEqual(code, 2)
        self.assertIn(f"{self.shard(1).name}: ", told)
        self.assertIn("was not copied to", told)
        self.assertIn("No space left on device", told)
        self.assertFalse(self.shard(1).exists())
        self.assertEqual(list(self.work.glob("*.copy-*")), [])

    def test_what_arrives_otherwise_than_it_was_sent_does_not_count(self):
        real = shutil.copytree

        def flipped(source, target, **more):
            real(source, target, **more)
            (Path(target) / "a.store").write_bytes(b"?")

        with mock.patch("shutil.copytree", flipped):
            code, _, told = self.driver(self.line("--copy", self.root / "scratch"))
        self.assertEqual(code, 2)
        self.assertIn("arrived with other bytes", told)
        self.assertFalse(any(self.shard(n).exists() for n in range(5)))

    def test_lost_and_damaged_artefacts_are_made_again(self):
        self.driver(self.line("--keep"))
        shutil.rmtree(self.out)
        shutil.rmtree(self.shard(0))
        (self.shard(1) / "a.store").unlink()
        (self.shard(2) / "uncsm-shard.json").unlink()
        store = self.shard(3) / "a.store"
        store.write_bytes(store.read_bytes().replace(b"x", b"y", 1))
        (self.work / "merge-0-00000" / "a.store").write_bytes(b"")
        code, report, told = self.driver(self.line())
        states = [report["made"][self.shard(n).name]["state"] for n in range(5)]
        self.assertEqual((code, states), (0, ["built", "rebuilt", "rebuilt", "rebuilt", "there"]))
        self.assertEqual([report["made"][f"merge-0-0000{n}"]["state"] for n in range(2)], ["rebuilt", "there"])
        self.whole()

    def test_an_artefact_that_is_lost_before_a_merge_is_made_again(self):
        lost = []

        def lose(work):
            if work is shards.join and not lost:
                lost.append(self.shard(2) / "a.store")
                lost[0].unlink()

        self.pool.before = lose
        code, report, told = self.driver(self.line())
        self.assertEqual((code, report["failed"], report["made"][self.shard(2).name]["state"]), (0, [], "rebuilt"))
        self.assertIn("FAILED: ", told)
        self.assertIn("an artefact was lost: looking at all of them again", told)
        self.whole()

    def test_what_is_lost_again_and_again_is_reported(self):
        self.pool.before = lambda work: work is shards.join and (self.shard(2) / "a.store").unlink()
        code, report, _ = self.driver(self.line())
        self.assertEqual((code, [failed["name"] for failed in report["failed"]]), (2, ["merge-0-00001"]))
        self.assertIn("a.store", report["failed"][0]["reason"])

    def test_two_workers_with_one_shard_build_it_once(self):
        (self.faults / "slow").write_text("0.02")
        job = shards.Job(str(STAND_IN), (str(self.corpus),), str(self.bundle), self.work, 1)
        self.work.mkdir()
        made = []
        workers = [threading.Thread(target=lambda: made.append(shards.build(job, 0))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(sorted(one.state for one in made), ["built", "there"])
        self.assertEqual([one.documents for one in made], [DOCUMENTS] * 2)
        # Who waits too long says who is there.
        (self.faults / "slow").write_text("0.2")
        shutil.rmtree(job.shard(0))
        first = threading.Thread(target=lambda: shards.build(job, 0))
        first.start()
        while not Path(f"{job.shard(0)}.partial").exists():
            time.sleep(0.01)
        impatient = shards.Job(**{**job.__dict__, "patience": 0.0})
        with self.assertRaisesRegex(Failure, "another build is writing here") as caught:
            shards.build(impatient, 0)
        self.assertTrue(caught.exception.again)
        first.join()

    def test_a_program_that_is_killed_is_tried_again(self):
        (self.faults / "slow").write_text("5")
        job = shards.Job(str(STAND_IN), (str(self.corpus),), str(self.bundle), self.work, 1)
        self.work.mkdir()
        caught = []

        def build():
            try:
                shards.attempt(shards.build, job, 0)
            except Failure as failure:
                caught.append(failure)

        worker = threading.Thread(target=build)
        worker.start()
        while not Path(f"{job.shard(0)}.partial").exists():
            time.sleep(0.01)
        for pid in children(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        worker.join()
        self.assertRegex(str(caught[0]), "stand_in.py build was ended by signal 9 on ")
        self.assertTrue(caught[0].again)
        (self.faults / "slow").unlink()
        self.assertEqual(shards.build(job, 0).documents, DOCUMENTS)


def children(pid):
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


class Refusals(Case):
    def refused(self, line, *flags):
        code, report, told = self.driver(line, *flags)
        self.assertEqual((code, report), (2, None))
        return told

    def test_another_job_and_another_index_stay(self):
        self.driver(self.line())
        for line in (self.line(shards=4), self.line(out=self.root / "other"), self.line("--on-duplicate", "last")):
            self.assertRegex(
                self.refused(line), "driver: error: .*work is of another job: .* was .*, and is .*; give another --work\n"
            )
        (self.work / "job.json").write_text("{")
        self.assertIn("job.json is damaged", self.refused(self.line()))
        shutil.rmtree(self.work)
        self.assertIn("my.index exists already; give another --out", self.refused(self.line()))
        self.assertEqual((self.out / "a.store").read_bytes(), self.corpus.read_bytes())

    def test_arguments_that_make_no_sense(self):
        gone = self.line()
        gone[0] += "x"
        cases = [
            (gone, (), "corpus.jsonlx does not exist"),
            (self.line(shards=0), (), "--shards is at least 1"),
            (self.line()[1:], (), "SOURCE is missing"),
            (["--work", str(self.work), str(self.corpus)], (), "--bundle and --out are missing"),
            (self.line("--encode"), ("--features-cache", "c"), "--encode takes SOURCE"),
            (self.line(), ("threads",), "'threads' after `--` is no flag"),
            (self.line("--binary", self.root / "no"), (), "no does not run on .*; name the program by --binary"),
        ]
        for line, flags, told in cases:
            with self.subTest(told):
                self.assertRegex(self.refused(line, *flags), told)
                shutil.rmtree(self.work, ignore_errors=True)

    def test_a_source_without_a_schema_ends_before_any_shard(self):
        self.corpus.unlink()
        self.corpus.mkdir()
        self.assertIn("no schema: ", self.refused(self.line()))
        self.assertFalse((self.work / "schema.toml").exists())

    def test_flags_with_their_values(self):
        flags = ["--features=a/f", "--pathway", "text=t", "--strict", "--map", "id=_id", "--map=text=body"]
        self.assertEqual(asked.value(flags, "--map"), "id=_id")
        self.assertIsNone(asked.value(flags, "--strict"))
        here = os.getcwd()
        self.assertEqual(
            asked.anywhere(flags),
            ["--features", f"{here}/a/f", "--pathway", "text=t", "--strict", "--map", "id=_id", "--map", "text=body"],
        )

    def test_sentences(self):
        error = {
            "code": "changed",
            "message": "of another source",
            "file": "a",
            "line": 3,
            "expected": "x",
            "got": "y",
            "hint": "build anew",
        }
        self.assertEqual(sentence(error), "a:3: of another source; expected x; got y; build anew")
        self.assertEqual(sentence({"code": "io", "message": "full"}), "full")
        with self.assertRaisesRegex(Failure, "stand_in.py nothing ended with 1"):
            call(str(STAND_IN), "nothing")

    def test_manifests_that_do_not_read(self):
        place = self.root / "shard"
        place.mkdir()
        for text in ("", "[]", "{}", '{"documents":1,"parts":[],"files":[]}'):
            (place / artefact.MANIFEST).write_text(text)
            with self.assertRaisesRegex(Failure, "is damaged"):
                artefact.check(place)
        (place / artefact.MANIFEST).write_text(json.dumps({"documents": 1, "parts": [], "files": {"a": {"bytes": 1}}}))
        (place / "a").write_text("a")
        with self.assertRaisesRegex(Failure, "is damaged"):
            artefact.check(place)


if __name__ == "__main__":
    unittest.main()
