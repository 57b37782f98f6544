#!/usr/bin/env python3
"""Names and one-line descriptions of Debian packages as a corpus of two text media types, without pictures and classes."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import grouping
import packages
from common import refuse_existing
from failure import Failure

COUNT = 20_000
# Every tenth row of the drawn order is a test row.
TEST_EVERY = 10


def parser():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("out", metavar="OUT", type=Path, help="the folder to make: items.jsonl, grouping.json")
    args.add_argument(
        "--docs",
        metavar="FILE.jsonl",
        type=Path,
        help="lines with `title` (the package) and `text` (its description); default: what `apt-cache dumpavail` lists",
    )
    args.add_argument("--count", type=int, default=COUNT, help=f"documents to draw (default {COUNT})")
    args.add_argument("--seed", type=int, default=42, help="seed of the drawing (default 42)")
    args.add_argument("--force", action="store_true", help="replace OUT if it was made by one of these scripts")
    return args


def from_file(file):
    """(package, description) of each line of a JSONL file."""
    pairs = []
    try:
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    pairs.append((row["title"], row["text"]))
                except (ValueError, KeyError, TypeError) as error:
                    raise Failure(f"{file}, line {number} has no title and text ({error!r})", "give a file that has") from error
                if not all(isinstance(value, str) for value in pairs[-1]):
                    raise Failure(f"{file}, line {number} has a title or text that is no string", "give strings")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {error}", "name a JSONL file with --docs") from error
    return pairs


def from_listing(listing):
    """(package, description) of each paragraph of `apt-cache dumpavail`: the first of a package that has both counts."""
    found = {}
    for paragraph in listing.split("\n\n"):
        fields = {}
        for line in paragraph.splitlines():
            name, colon, value = line.partition(": ")
            if colon and not line.startswith(" "):
                # The language is part of the name of a description: Description-en.
                fields.setdefault("Description" if name == "Description-en" else name, value)
        if "Package" in fields and "Description" in fields:
            found.setdefault(fields["Package"], fields["Description"])
    return sorted(found.items())


def from_apt():
    hint = "run on Debian or a system derived from it, or name a file with --docs"
    command = [packages.tool("apt-cache", hint), "dumpavail"]
    pairs = from_listing(packages.run(command, "listing the packages", hint))
    if not pairs:
        raise Failure("apt-cache lists no package", "run `apt-get update`, or name a file with --docs")
    return pairs


def draw(pairs, count, seed):
    """`count` documents in seeded order, every tenth of them `test`, and how many pairs each reason left out.

    Of equal names and of equal descriptions, byte by byte, one document stays: the first by package. So neither can be
    on both sides of the split.
    """
    skipped, names, texts, kept = Counter(), set(), set(), []
    for package, text in sorted(pairs):
        name, text = package.replace("-", " "), " ".join(text.split())
        if not name.strip() or not text:
            skipped["no name or no description"] += 1
        elif name in names:
            skipped["a name that is there already"] += 1
        elif text in texts:
            skipped["a description that is there already"] += 1
        else:
            names.add(name)
            texts.add(text)
            kept.append((package, name, text))
    kept.sort(key=lambda one: (grouping.draw(seed, f"name {one[0]}"), one[0]))
    rows = [
        {"id": package, "name": name, "description": text, "split": "train" if number % TEST_EVERY else "test"}
        for number, (package, name, text) in enumerate(kept[:count])
    ]
    return rows, dict(skipped)


def check(rows):
    """Names and descriptions that are on both sides of the split: all counts must be 0."""
    sides = {side: [row for row in rows if row["split"] == side] for side in ("train", "test")}
    return {
        key: len({row[key] for row in sides["train"]} & {row[key] for row in sides["test"]}) for key in ("name", "description")
    }


def build(options):
    """Writes `options.out` in one step; the report of it."""
    if options.count < TEST_EVERY:
        raise Failure(f"--count {options.count} leaves no document to train on or to test", f"give a number from {TEST_EVERY}")
    refuse_existing(options.out, options.force)
    pairs = from_apt() if options.docs is None else from_file(options.docs)
    rows, skipped = draw(pairs, options.count, options.seed)
    if len(rows) < TEST_EVERY:
        raise Failure(f"only {len(rows)} documents are there", f"give a source of at least {TEST_EVERY}")
    out = options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        os.chmod(partial, 0o755)
        with open(partial / "items.jsonl", "w", encoding="utf-8", newline="\n") as lines:
            for row in rows:
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        with open(partial / "items.jsonl", encoding="utf-8") as lines:
            counts = check([json.loads(line) for line in lines])
        report = {
            "source": "apt-cache dumpavail" if options.docs is None else options.docs.name,
            "seed": options.seed,
            "count": options.count,
            "pairs": len(pairs),
            "documents": len(rows),
            "split": dict(sorted(Counter(row["split"] for row in rows).items())),
            "on_both_sides": counts,
            "skipped": dict(sorted(skipped.items())),
        }
        (partial / "grouping.json").write_text(
            json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n"
        )
        if options.force and out.exists():
            shutil.rmtree(out)
        os.rename(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def main(command_line=None):
    """Runs the script. Returns the exit code: 0, 1 where the check of the split failed, 2 an error as one sentence."""
    args = parser()
    options = args.parse_args(command_line)
    try:
        report = build(options)
    except Failure as error:
        print(f"{args.prog}: error: {error}", file=sys.stderr)
        return 2
    sides, both = report["split"], report["on_both_sides"]
    print(f"{options.out}: {report['documents']} documents, {sides['train']} train, {sides['test']} test", file=sys.stderr)
    for reason, count in report["skipped"].items():
        print(f"  left out: {count} ({reason})", file=sys.stderr)
    print(f"  on both sides of the split: {', '.join(f'{name} {count}' for name, count in both.items())}", file=sys.stderr)
    return 1 if any(both.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
