"""Artefacts, which are whole or not there: a manifest with the length and CRC-32 of each file, copies that are compared,
renames.
"""

import contextlib
import json
import os
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from program import Failure

MANIFEST = "uncsm-shard.json"


@dataclass(frozen=True)
class Made:
    """An artefact that is whole. `state`: built, rebuilt (what was there was damaged), there (nothing was to be done)."""

    place: str
    state: str
    documents: int
    seconds: float
    host: str
    # What the program said: items, stages and others.
    said: dict = field(default_factory=dict)


def manifest(place: Path) -> dict:
    """The manifest of a shard or of some shards merged. Raises Failure where there is none, or none that reads."""
    try:
        found = json.loads((place / MANIFEST).read_bytes())
        found["documents"], found["parts"], [(fact["bytes"], fact["crc32"]) for fact in found["files"].values()]
        return found
    except FileNotFoundError:
        raise Failure(f"{place} has no {MANIFEST}: it is gone, or was never whole", again=True, code="damaged") from None
    except OSError as error:
        raise Failure(f"{place / MANIFEST} does not read: {error.strerror}", again=True, code="io") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{place / MANIFEST} is damaged", again=True, code="damaged") from None


def blocks(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def check(place: Path) -> dict:
    """Compares length and CRC-32 of every file with the manifest, and gives it. Cost: reads everything once."""
    found = manifest(place)
    for name, fact in found["files"].items():
        length = crc = 0
        try:
            for block in blocks(place / name):
                length, crc = length + len(block), zlib.crc32(block, crc)
        except OSError as error:
            code = "damaged" if isinstance(error, FileNotFoundError) else "io"
            raise Failure(f"{place / name} does not read: {error.strerror}", again=True, code=code) from None
        got = {"bytes": length, "crc32": format(crc, "08x")}
        if got != {"bytes": fact["bytes"], "crc32": fact["crc32"]}:
            raise Failure(f"{place / name} is damaged; expected {fact}, got {got}", again=True, code="damaged")
    return found


def sum_of(file: Path) -> int:
    crc = 0
    for block in blocks(file):
        crc = zlib.crc32(block, crc)
    return crc


def transfer(source: Path, target: Path) -> None:
    """Copies a folder, compares every file as it arrived, and renames; whoever came first with the same stays."""
    half = Path(tempfile.mkdtemp(prefix=f"{target.name}.copy-", dir=target.parent))
    try:
        shutil.copytree(source, half, dirs_exist_ok=True)
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            copied = half / file.relative_to(source)
            if sum_of(file) != sum_of(copied):
                raise Failure(f"{copied} arrived with other bytes than {file} has", again=True, code="io")
        os.chmod(half, 0o755)
        half.rename(target)
    except OSError as error:
        if not (target.is_dir() and error.filename == str(half)):
            raise Failure(f"{source} was not copied to {target}: {error}", again=True, code="io") from None
    finally:
        shutil.rmtree(half, ignore_errors=True)


def remove(place: Path) -> None:
    """Removes a folder that this job made; under another name first, so that nobody sees a half of it."""
    doomed = Path(tempfile.mkdtemp(prefix=f"{place.name}.gone-", dir=place.parent))
    with contextlib.suppress(FileNotFoundError):
        place.rename(doomed / "was")
    shutil.rmtree(doomed, ignore_errors=True)


# Runs the program so that it makes the place that it is given; flags follow.
Run = Callable[..., dict]


def ensure(run: Run, place: Path) -> tuple[str, dict]:
    """`run(place)`, and once more with --force where what is there is damaged. Gives the state, and what the program said."""
    try:
        said = run(place)
        check(place)
        return "there" if said.get("already") else "built", said
    except Failure as failure:
        if failure.code != "damaged":
            raise
    said = run(place, "--force")
    check(place)
    return "rebuilt", said


def artefact(copy: Path | None, run: Run, out: Path) -> Made:
    """`out`, whole and with right checksums: made there, or in the worker's own folder `copy`, and copied."""
    started = time.monotonic()
    if not copy:
        state, said = ensure(run, out)
    elif out.exists() and (was := still(run, out)):
        state, said = "there", was
    else:
        again = out.exists()
        place = own(copy, out)
        state, said = ensure(run, place)
        if again:
            remove(out)
        transfer(place, out)
        shutil.rmtree(place)
        state = "rebuilt" if again else "built"
    return Made(str(out), state, said["documents"], time.monotonic() - started, socket.gethostname(), said)


def still(run: Run, out: Path) -> dict | None:
    """What the program says of an `out` that is there; None where it is damaged."""
    try:
        said = run(out)
        check(out)
        return said
    except Failure as failure:
        if failure.code == "damaged":
            return None
        raise


def own(folder: Path, out: Path) -> Path:
    """The place of `out` in the worker's own folder; jobs that share the folder do not meet."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{zlib.crc32(os.fsencode(out)):08x}-{out.name}"


def parts_of(places: list[str]) -> list[tuple]:
    """Which parts of which sources some artefacts hold."""
    parts = [part for place in places for part in manifest(Path(place))["parts"]]
    return sorted((part["source"], part["fingerprint"], part["of"], part["shard"]) for part in parts)
