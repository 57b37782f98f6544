"""The driver's side of a job: which tasks, in which order, and the report. A pool runs them: build_dask.py, build_ray.py.

What a job has done is in its work folder, so that the same command goes on after anything.
"""

import argparse
import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import asked
import shards
from artefact import Made
from program import Failure
from shards import Job

# Codes of a merge whose input is not what it was when it was made.
LOST = ("lost", "damaged")
# How often artefacts that were lost are made again.
TURNS = 3


class Pool(Protocol):
    def each(self, work: Callable[..., Made], tasks: dict[str, tuple]) -> Iterator[tuple[str, Made | Failure]]:
        """Runs `shards.attempt(work, *args)` on workers, for the arguments of each name; gives results as they come.

        A task that raised, or whose worker is gone, is run again, on another worker where there is one, a few times.
        """


def tree(places: list[Path], fan_in: int, work: Path) -> tuple[list[dict[Path, list[Path]]], list[Path]]:
    """Levels of inner merges, each from its output to its inputs, and the inputs of the last merge."""
    levels: list[dict[Path, list[Path]]] = []
    while len(places) > fan_in:
        groups = [places[at : at + fan_in] for at in range(0, len(places), fan_in)]
        names = [work / f"merge-{len(levels)}-{number:05}" for number in range(len(groups))]
        # One that is left over goes up as it is.
        levels.append({name: group for name, group in zip(names, groups) if len(group) > 1})
        places = [name if len(group) > 1 else group[0] for name, group in zip(names, groups)]
    return levels, places


class Flow:
    """One run of a job. `report` is what it did so far."""

    def __init__(self, job: Job, pool: Pool, say: Callable[[str], None]):
        self.job, self.pool, self.say = job, pool, say
        self.started = time.monotonic()
        self.done: dict[str, Made] = {}
        self.failed: dict[str, Failure] = {}

    def all(self, what: str, work: Callable[..., Made], tasks: dict[str, tuple]) -> bool:
        """Runs the tasks, with a line for each that ends. Whether all of them are done."""
        ended, documents, started = 0, 0, time.monotonic()
        for name, got in self.pool.each(work, tasks):
            ended += 1
            if isinstance(got, Failure):
                self.failed[name] = got
                self.say(f"{what} {ended}/{len(tasks)} {name}: FAILED: {got}")
                continue
            self.failed.pop(name, None)
            # What was made in an earlier turn of this run was not there before it.
            if name not in self.done or got.state != "there":
                self.done[name] = got
            documents += got.documents
            spent = time.monotonic() - started
            told = f"{got.state}, {got.documents} documents, {got.seconds:.1f} s on {got.host}"
            if ended < len(tasks):
                told += f"; {documents / spent:.0f} documents/s, {spent / ended * (len(tasks) - ended):.0f} s to go"
            self.say(f"{what} {ended}/{len(tasks)} {name}: {told}")
        return not any(name in self.failed for name in tasks)

    def encode(self) -> bool:
        tasks = {f"source-{number:05}": (self.job, number) for number in range(self.job.shards)}
        return self.all("encode", shards.encode, tasks)

    def index(self, out: Path, fan_in: int) -> bool:
        """Shards, then the tree of merges; where an artefact is lost on the way it is made again."""
        if out.exists():
            return self.all("merge", shards.finish, {out.name: (self.job, out, [])})
        for _ in range(TURNS):
            self.failed.clear()
            tasks = {self.job.shard(number).name: (self.job, number) for number in range(self.job.shards)}
            if not self.all("shard", shards.build, tasks):
                return False
            if self.merge(out, fan_in):
                return True
            if any(failure.code not in LOST for failure in self.failed.values()):
                return False
            self.say("an artefact was lost: looking at all of them again")
        return False

    def merge(self, out: Path, fan_in: int) -> bool:
        levels, last = tree([self.job.shard(number) for number in range(self.job.shards)], fan_in, self.job.work)
        for level in levels:
            tasks = {name.name: (self.job, name, [str(place) for place in inputs]) for name, inputs in level.items()}
            if not self.all("merge", shards.join, tasks):
                return False
        return self.all("merge", shards.finish, {out.name: (self.job, out, [str(place) for place in last])})

    def report(self, ok: bool) -> dict:
        failed = [{"name": name, "reason": str(failure)} for name, failure in sorted(self.failed.items())]
        made = {name: asdict(made) for name, made in sorted(self.done.items())}
        return {"ok": ok, "made": made, "failed": failed, "seconds": round(time.monotonic() - self.started, 3)}


def tidy(job: Job, keep: bool) -> None:
    """Removes what a job leaves besides its shards: inner merges, and copies of workers that are gone."""
    for pattern in ["*.copy-*", "*.gone-*"] + ([] if keep else ["merge-*-*"]):
        for place in job.work.glob(pattern):
            shutil.rmtree(place, ignore_errors=True)


def run(
    args: argparse.Namespace, flags: list[str], connect: Callable[[argparse.Namespace], AbstractContextManager[Pool]]
) -> dict:
    job = asked.job_of(args, flags)
    out = args.out.absolute() if args.out else None
    asked.claim(job, out)
    job = job if args.encode else replace(job, schema=asked.schema(job))
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    with connect(args) as pool:
        flow = Flow(job, pool, say)
        ok = flow.encode() if out is None else flow.index(out, args.fan_in)
    if ok:
        tidy(job, args.keep)
    return flow.report(ok)


def main(parser: argparse.ArgumentParser, connect: Callable[[argparse.Namespace], AbstractContextManager[Pool]]) -> int:
    """A driver's `main`: the report on stdout, progress and errors on stderr. Gives the exit code."""
    line = sys.argv[1:]
    at = line.index("--") if "--" in line else len(line)
    args = parser.parse_args(line[:at])
    try:
        # Pools print what they like; stdout is the report's.
        with contextlib.redirect_stdout(sys.stderr):
            report = run(args, line[at + 1 :], connect)
    except Failure as failure:
        print(f"{parser.prog}: error: {failure}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=1))
    for lost in report["failed"]:
        print(f"failed: {lost['name']}: {lost['reason']}", file=sys.stderr)
    if report["failed"]:
        print("the others are kept: mend the cause, and run the same command again", file=sys.stderr)
    return 0 if report["ok"] else 2
