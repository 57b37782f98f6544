"""What the operator asked for: arguments to a job, and the work folder that is this job's and no other's."""

import argparse
import json
import os
import tempfile
from pathlib import Path

from program import Failure, start
from shards import Job

# Flags of `build` that say what a key is: `schema` has them, too.
KEYS = ("--map", "--media-key", "--without", "--skip-column")
# Flags of `build` and `features` whose value is a path.
PATHS = ("--features", "--features-cache", "--corpus", "--schema")
MORE = """What follows `--` goes to `build` as it is (with --encode to `features`):  -- --threads 4 --map image=file_name
The same command again goes on with what is there. Exit codes: 0 done, 2 something failed: the report on stdout says what."""


def arguments(about: str | None) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, formatter_class=form, epilog=MORE)
    add = parser.add_argument
    add("source", nargs="*", metavar="SOURCE", help="as for `build`; none with `-- --features FILE ..`")
    add("--bundle", help="a trained bundle; not with --encode")
    add("--out", type=Path, help="the index to make; not with --encode")
    add("--work", type=Path, required=True, help="a folder that all workers share: schema, shards, inner merges")
    add("--shards", type=int, default=8, metavar="N", help="parts of the source (default 8)")
    add("--fan-in", type=int, default=8, metavar="N", help="inputs of one merge (default 8)")
    add("--retries", type=int, default=2, metavar="N", help="further tries of a task (default 2)")
    add("--copy", type=Path, metavar="DIR", help="make artefacts in this folder of each worker, then copy them to --work")
    add("--encode", action="store_true", help="encode each SOURCE into the cache of `-- --features-cache DIR`, and no more")
    add("--on-duplicate", choices=["last"], help="as for `merge` (default: an id in two shards is an error)")
    add("--keep", action="store_true", help="keep inner merges, too (shards stay)")
    add("--binary", default="uncsm-index", help="the program on the workers (default uncsm-index)")
    add("--patience", type=float, default=3600.0, metavar="S", help="seconds to wait for a lock (default 3600)")
    return parser


def job_of(args: argparse.Namespace, flags: list[str]) -> Job:
    """The job of these arguments. Raises Failure where they make no sense."""
    if args.shards < 1 or args.fan_in < 2 or args.retries < 0:
        raise Failure("--shards is at least 1, --fan-in at least 2, --retries at least 0")
    if args.encode and (args.bundle or args.out or not args.source or value(flags, "--features-cache") is None):
        raise Failure("--encode takes SOURCE and `-- --features-cache DIR`, and neither --bundle nor --out")
    if not args.encode and not (args.bundle and args.out):
        raise Failure("--bundle and --out are missing")
    if not args.encode and not args.source and value(flags, "--features") is None:
        raise Failure("SOURCE is missing, or `-- --features FILE --pathway MEDIA=TENSOR`")
    for path in filter(None, [*args.source, args.bundle]):
        if not set("*?[") & set(path) and not os.path.exists(path):
            raise Failure(f"{path} does not exist; driver and workers must share it")
    return Job(
        binary=os.path.abspath(args.binary) if os.sep in args.binary else args.binary,
        sources=tuple(map(os.path.abspath, args.source)),
        bundle=os.path.abspath(args.bundle) if args.bundle else "",
        work=args.work.absolute(),
        shards=len(args.source) if args.encode else args.shards,
        flags=tuple(anywhere(flags)),
        merge=("--on-duplicate", args.on_duplicate) if args.on_duplicate else (),
        copy=args.copy.absolute() if args.copy else None,
        patience=args.patience,
    )


def pairs(flags: list[str] | tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Flags with their values; `--flag=value` is one word. A flag without a value has None."""
    found: list[tuple[str, str | None]] = []
    for word in flags:
        if word.startswith("--"):
            flag, equals, rest = word.partition("=")
            found.append((flag, rest if equals else None))
        elif found and found[-1][1] is None:
            found[-1] = (found[-1][0], word)
        else:
            raise Failure(f"{word!r} after `--` is no flag and no value of one")
    return found


def value(flags: list[str] | tuple[str, ...], wanted: str) -> str | None:
    return next((given for flag, given in pairs(flags) if flag == wanted), None)


def anywhere(flags: list[str]) -> list[str]:
    """The flags with absolute paths: workers have other folders of their own."""
    found = []
    for flag, given in pairs(flags):
        found.append(flag)
        if given is not None:
            found.append(os.path.abspath(given) if flag in PATHS else given)
    return found


def written(file: Path, data: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(name, 0o644)
    os.replace(name, file)


def claim(job: Job, out: Path | None) -> None:
    """Makes the work folder, or takes it up. Raises Failure where it is another job's, or `out` not of this one."""
    ours = {
        "sources": list(job.sources), "bundle": job.bundle, "shards": job.shards, "flags": list(job.flags),
        "merge": list(job.merge), "out": str(out) if out else None,
    }  # fmt: skip
    file = job.work / "job.json"
    job.work.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # From here on an index at `out` is the one that this job made.
        if out and out.exists():
            raise Failure(f"{out} exists already; give another --out, or remove it")
        written(file, json.dumps(ours, indent=1).encode())
    try:
        was = dict(json.loads(file.read_bytes()))
    except ValueError:
        raise Failure(f"{file} is damaged; give another --work") from None
    for key, wanted in ours.items():
        if was.get(key) != wanted:
            raise Failure(f"{job.work} is of another job: {key} was {was.get(key)}, and is {wanted}; give another --work")


def schema(job: Job) -> Path | None:
    """Infers the schema once, for all shards; None where the source has no fields. One that is there stays."""
    file = job.work / "schema.toml"
    given = value(job.flags, "--schema")
    if given is not None:
        return None
    corpus = value(job.flags, "--corpus")
    sources = list(job.sources) or ([corpus] if corpus else [])
    if not sources:
        return None
    if not file.exists():
        keys = [word for flag, given in pairs(job.flags) if flag in KEYS for word in (flag, given) if word is not None]
        line = [job.binary, "schema", *sources, *keys, "--quiet"]
        code, out, err = start(line)
        if code != 0:
            said = err.decode(errors="replace").strip().splitlines()
            raise Failure(f"no schema: {said[-1] if said else f'exit {code}'}")
        written(file, out)
    return file
