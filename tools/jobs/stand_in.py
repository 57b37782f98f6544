#!/usr/bin/env -S python3 -E -S
"""A stand-in for `uncsm-index` in the tests of the drivers: its words, exit codes, locks and manifests, over lines of JSON.

Whatever the folder STAND_IN holds makes it fail: `break-3` says of what kind shard 3 always fails, `end-3` that
it takes its worker with it, `slow` how many seconds a document takes. It appends each of its command lines to `STAND_IN/calls`.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import time
import zlib
from pathlib import Path

FAULTS = Path(os.environ["STAND_IN"])


class Refused(Exception):
    pass


def refuse(code, message, **facts):
    raise Refused(json.dumps({"error": {"code": code, "message": message, **facts}}))


def lines_of(source, index, of):
    """The lines that start in part `index` of `of`."""
    data = Path(source).read_bytes()
    start, found = 0, []
    for line in data.splitlines(keepends=True):
        if len(data) * index // of <= start < len(data) * (index + 1) // of:
            found.append(line)
        start += len(line)
    return found


def locked(out):
    handle = open(out.parent / f".{out.name}.uncsm-lock", "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        refuse("locked", "another build is writing here", file=str(out))
    return handle


def whole(out, parts, lines, manifest=True):
    """Finishes `OUT.partial`, which has the lines, and renames it."""
    partial = Path(f"{out}.partial")
    data = b"".join(lines)
    (partial / "a.store").write_bytes(data)
    if manifest:
        fact = {"bytes": len(data), "crc32": format(zlib.crc32(data), "08x")}
        text = {"version": 1, "documents": len(lines), "items": {"text": len(lines)}, "parts": parts, "files": {"a.store": fact}}
        (partial / "uncsm-shard.json").write_text(json.dumps(text))
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)


def damaged(out):
    found = json.loads((out / "uncsm-shard.json").read_text())
    for name, fact in found["files"].items():
        if not (out / name).exists() or (out / name).stat().st_size != fact["bytes"]:
            refuse("damaged", "a file is gone or has another length", file=str(out / name))
    return found


def build(args):
    index, of = map(int, args.shard.split("/"))
    if (FAULTS / f"break-{index}").exists():
        code = (FAULTS / f"break-{index}").read_text()
        refuse(code, "it does not work", file=f"{args.source[0]}", line=7, expected="a string", got="a number", hint="mend it")
    if (FAULTS / f"end-{index}").exists():
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)
    lock = locked(args.out)
    said = {"shard": {"index": index, "of": of}, "warnings": 0, "skipped": []}
    if args.out.exists() and not args.force:
        if not (args.out / "uncsm-shard.json").exists():
            refuse("exists", "the output exists already", file=str(args.out))
        return {**said, "documents": damaged(args.out)["documents"], "already": True}
    partial = Path(f"{args.out}.partial")
    partial.mkdir(exist_ok=True)
    lines = lines_of(args.source[0], index, of)
    slow = float((FAULTS / "slow").read_text()) if (FAULTS / "slow").exists() else 0
    for line in lines:
        json.loads(line)
        time.sleep(slow)
    whole(args.out, [{"source": args.source[0], "fingerprint": "f", "of": of, "shard": index}], lines)
    lock.close()
    return {**said, "documents": len(lines), "already": False}


def merge(args):
    out, *inputs = map(Path, args.source)
    lock = locked(out)
    if out.exists() and not args.force:
        refuse("exists", "the output exists already", file=str(out))
    parts, lines = [], []
    for place in inputs:
        if not place.exists():
            refuse("not_found", "there is no index", file=str(place))
        parts += damaged(place)["parts"]
        lines += (place / "a.store").read_bytes().splitlines(keepends=True)
    of = parts[0]["of"]
    missing = sorted(set(range(of)) - {part["shard"] for part in parts})
    Path(f"{out}.partial").mkdir(exist_ok=True)
    whole(out, parts, lines, manifest=bool(missing))
    lock.close()
    found = [{"source": parts[0]["source"], "of": of, "shards": missing}] if missing else []
    return {"documents": len(lines), "missing": found, "warnings": len(found)}


def features(args):
    rows = len(Path(args.source[0]).read_bytes().splitlines())
    Path(args.features_cache).mkdir(parents=True, exist_ok=True)
    Path(args.out).write_text(str(rows))
    return {"rows": rows}


def main():
    with open(FAULTS / "calls", "a", encoding="utf-8") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("source", nargs="*")
    for flag in ("--bundle", "--shard", "--schema", "--map", "--features-cache", "--encoder", "--on-duplicate", "--threads"):
        parser.add_argument(flag)
    for flag in ("--no-cells", "--force", "--json", "--quiet"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_intermixed_args()
    try:
        if args.command == "schema":
            Path(args.source[0]).read_bytes()
            print("complete = true")
        elif args.command == "inspect":
            print(json.dumps({"documents": len((Path(args.source[0]) / "a.store").read_bytes().splitlines())}))
        else:
            print(json.dumps({"build": build, "merge": merge, "features": features}[args.command](args)))
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
