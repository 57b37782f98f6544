"""The tasks of a job: one shard built, some shards merged, one source encoded. The standard library alone: pools send it to
workers.

The unit is a plain process of `uncsm-index`. It works beside its place and renames at the end, takes a lock, goes on from
its last commit when it is run again, and says so when nothing is to be done. So a task may be run twice, in two places, or
again after anything. What is here asks, compares checksums, and waits for whoever has the lock.
"""

import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artefact import Made, artefact, manifest, own, parts_of, transfer
from program import Failure, call, patiently


@dataclass(frozen=True)
class Job:
    """What all tasks have in common. Paths are absolute, and mean the same on every worker."""

    binary: str
    sources: tuple[str, ...]
    bundle: str
    work: Path
    shards: int
    # Flags for `build` (or `features`), as they are.
    flags: tuple[str, ...] = ()
    # Flags for `merge`.
    merge: tuple[str, ...] = ()
    schema: Path | None = None
    # A folder of each worker's own, in which artefacts are made before they are copied to `work`.
    copy: Path | None = None
    # Seconds to wait for another worker that has the same artefact.
    patience: float = 3600.0

    def run(self, *arguments: object) -> dict:
        return patiently(self.patience, self.binary, *arguments)

    def shard(self, number: int) -> Path:
        return self.work / f"shard-{number:05}-of-{self.shards:05}"


def attempt(work: Callable[..., Any], *args: Any) -> Any:
    """`work(*args)`. A failure that no other try mends is given as a value, so that pools do not try it again."""
    try:
        return work(*args)
    except OSError as error:
        raise Failure(f"{error} on {socket.gethostname()}", again=True, code="io") from None
    except Failure as failure:
        if failure.again:
            raise
        return failure


def build(job: Job, number: int) -> Made:
    """Shard `number` of the source, without cells, which the last merge makes."""
    command = ["build", *job.sources, "--bundle", job.bundle, "--shard", f"{number}/{job.shards}", "--no-cells"]
    schema = ["--schema", job.schema] if job.schema else []

    def run(place: Path, *force: str) -> dict:
        try:
            return job.run(*command, *schema, *job.flags, "--out", place, *force)
        except Failure as failure:
            if failure.code != "exists":
                raise
            # Under the name of a shard, in the folder of this job: its manifest is gone.
            raise Failure(str(failure), again=True, code="damaged") from None

    return artefact(job.copy, run, job.shard(number))


def merge(job: Job, out: Path, inputs: list[str], *flags: str) -> dict:
    """Raises Failure with the code `lost` where an input is not what it was: the driver has it made again."""
    try:
        return job.run("merge", out, *inputs, *job.merge, *flags)
    except Failure as failure:
        if failure.code in ("damaged", "not_found"):
            raise Failure(str(failure), code="lost") from None
        raise


def join(job: Job, out: Path, inputs: list[str]) -> Made:
    """An inner node of the tree: some artefacts merged, without cells."""
    wanted = parts_of(inputs)

    def run(place: Path, *force: str) -> dict:
        try:
            return merge(job, place, inputs, "--no-cells", *force)
        except Failure as failure:
            if failure.code != "exists":
                raise
        if parts_of([str(place)]) != wanted:
            raise Failure(f"{place} is of other shards", again=True, code="damaged")
        return {"already": True, "documents": manifest(place)["documents"]}

    return artefact(job.copy, run, out)


def finish(job: Job, out: Path, inputs: list[str]) -> Made:
    """The root of the tree: the whole index, with cells. An `out` that is there is this very one: the driver looked before."""
    started = time.monotonic()

    def made(state: str, said: dict) -> Made:
        return Made(str(out), state, said["documents"], time.monotonic() - started, socket.gethostname(), said)

    if not out.exists():
        place, force = (own(job.copy, out), ["--force"]) if job.copy else (out, [])
        try:
            said = merge(job, place, inputs, *force)
        except Failure as failure:
            if failure.code != "exists":
                raise
        else:
            if job.copy:
                transfer(place, out)
                shutil.rmtree(place)
            if said["missing"]:
                raise Failure(f"{out} lacks shards: {said['missing']}")
            return made("built", said)
    return made("there", call(job.binary, "inspect", out))


def encode(job: Job, number: int) -> Made:
    """Source `number` alone through the encoders, into the features cache and a features file."""
    started = time.monotonic()
    out = job.work / f"features-{number:05}.safetensors"
    if out.exists():
        return Made(str(out), "there", 0, time.monotonic() - started, socket.gethostname())
    said = call(job.binary, "features", job.sources[number], "--out", out, *job.flags)
    return Made(str(out), "built", said["rows"], time.monotonic() - started, socket.gethostname(), said)
