"""What the scripts share: arguments, pictures in parallel, the split, and writing the folder in one step.

A script gives candidates; `main` turns them into `OUT/items.jsonl`, `OUT/img/` and `OUT/grouping.json`. The same
packages, seed, limit and Pillow give the same bytes of `items.jsonl`.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grouping
import packages
import pictures
from failure import Failure
from titles import clean, normal

# Skipped documents that are named one by one in grouping.json, and kinds of them that the summary prints.
NAMED_SKIPS = 200


@dataclass
class Candidate:
    """One document before its picture is read. `picture` is a path, or the bytes of a picture."""

    id: str
    title: str
    text: str
    picture: object
    class_name: str | None = None
    keywords: list = field(default_factory=list)
    description: str = ""
    # What the script itself knows of variants: documents of one series are in one group.
    series: str | None = None
    # Further keys of the line, in the order in which they are written.
    more: dict = field(default_factory=dict)


@dataclass
class Found:
    """What a script found in its packages."""

    candidates: list
    # Package name to version.
    packages: dict
    # (what, reason) of what was left out already.
    skipped: list = field(default_factory=list)
    # Words that do not count in a title, besides those of `titles`.
    ignore: frozenset = frozenset()


def parser(about):
    """The arguments that all scripts have."""
    args = argparse.ArgumentParser(description=about)
    args.add_argument("out", metavar="OUT", type=Path, help="the folder to make: items.jsonl, img/, grouping.json")
    args.add_argument("--seed", type=int, default=42, help="seed of the split and of --limit (default 42)")
    args.add_argument("--limit", type=int, metavar="N", help="take N documents at most, drawn by the seed")
    args.add_argument("--cache", type=Path, metavar="DIR", help="where downloads are kept (default: the user's cache)")
    args.add_argument("--force", action="store_true", help="replace OUT if it was made by one of these scripts")
    args.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes that read pictures")
    return args


def text_of(title, keywords, description):
    """`title. keyword, keyword. description`: what there is of it, without repeating the title."""
    keywords = [word for word in keywords if word.lower() != title.lower()]
    parts = [title, ", ".join(keywords), "" if description.lower() == title.lower() else description]
    return ". ".join(part.rstrip(". ") if part != parts[-1] else part for part in parts if part.strip(". "))


def unique(words):
    """The words in their order, each once whatever its case, without empty ones."""
    seen = {}
    for word in words:
        if word:
            seen.setdefault(word.lower(), word)
    return list(seen.values())


def main(args, find, command_line=None):
    """Runs a script: `find(options, scratch, cache) -> Found`. Returns the exit code: 0, 1 or 2.

    1: the check of the split failed. 2: a Failure, printed as one sentence.
    """
    options = args.parse_args(command_line)
    try:
        if options.limit is not None and options.limit < 1:
            raise Failure(f"--limit {options.limit} takes no document", "give a number from 1")
        refuse_existing(options.out, options.force)
        with tempfile.TemporaryDirectory(prefix="uncsm-datasets-") as scratch:
            found = find(options, Path(scratch), options.cache or packages.default_cache())
            return build(found, options)
    except Failure as error:
        print(f"{args.prog}: error: {error}", file=sys.stderr)
        return 2


def refuse_existing(out, force):
    """Raises a Failure where `out` exists, unless it may be replaced: by force, and made by these scripts, or empty."""
    if not out.exists() and not out.is_symlink():
        return
    if not force:
        raise Failure(f"{out} exists", "give --force to replace it, or another OUT")
    ours = out.is_dir() and not out.is_symlink()
    if not ours or (any(out.iterdir()) and not (out / "grouping.json").is_file()):
        raise Failure(f"{out} was not made by these scripts", "remove it by hand, or give another OUT")


def _read(candidate_picture):
    """Runs in a worker: the picture as PNG bytes and its look, or why not."""
    try:
        image = pictures.load(candidate_picture)
    except Failure as error:
        return str(error)
    return pictures.png(image), hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest(), pictures.Look.of(image)


def build(found, options):
    """Reads the pictures, groups, splits, writes `options.out` in one step and checks what was written."""
    candidates = sorted(found.candidates, key=lambda candidate: candidate.id)
    if options.limit is not None:
        drawn = sorted(candidates, key=lambda one: (grouping.draw(options.seed, f"limit {one.id}"), one.id))
        candidates = sorted(drawn[: options.limit], key=lambda candidate: candidate.id)
    out = options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        os.chmod(partial, 0o755)
        rows, skipped = _pictures(candidates, partial, options.jobs)
        skipped = found.skipped + skipped
        if not rows:
            raise Failure("no document is left", f"reasons: {dict(Counter(reason for _, reason in skipped))}")
        groups, merges = grouping.group(rows, found.ignore)
        splits = grouping.split([row["class"] for row in rows], groups, options.seed)
        usable = grouping.usable_classes([row["class"] for row in rows], splits)
        dropped = Counter(row["class"] for row in rows if row["class"] and row["class"] not in usable)
        for row, number, side in zip(rows, groups, splits):
            row.update(group=number, split=side)
            if row["class"] not in usable:
                row["class"] = None
        with open(partial / "items.jsonl", "w", encoding="utf-8", newline="\n") as lines:
            for row in rows:
                lines.write(json.dumps(_line(row), ensure_ascii=False) + "\n")
        counts = grouping.check(read_back(partial), found.ignore)
        report = _report(rows, merges, counts, dropped, skipped, found, options)
        (partial / "grouping.json").write_text(
            json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n"
        )
        if options.force and out.exists():
            shutil.rmtree(out)
        os.rename(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _summary(report, rows, out)
    return 1 if any(counts.values()) else 0


def _pictures(candidates, folder, jobs):
    """The rows of all candidates with a picture, and (id, reason) of the others."""
    (folder / "img").mkdir()
    rows, skipped, seen = [], [], set()
    with ProcessPoolExecutor(max_workers=max(1, jobs)) as pool:
        results = pool.map(_read, (candidate.picture for candidate in candidates), chunksize=8)
        for done, (candidate, result) in enumerate(zip(candidates, results), 1):
            if done % 500 == 0 and sys.stderr.isatty():
                print(f"{done} of {len(candidates)} pictures", file=sys.stderr)
            if isinstance(result, str):
                skipped.append((candidate.id, result))
                continue
            data, digest, look = result
            if (digest, candidate.text) in seen:
                skipped.append((candidate.id, "picture and text equal to another document"))
                continue
            seen.add((digest, candidate.text))
            name = f"img/{len(rows):05}.png"
            (folder / name).write_bytes(data)
            rows.append(
                {
                    "id": candidate.id,
                    "title": candidate.title,
                    "text": candidate.text,
                    "image": name,
                    "class": candidate.class_name,
                    "keywords": candidate.keywords,
                    "description": candidate.description,
                    "series": candidate.series,
                    "more": candidate.more,
                    "digest": digest,
                    "look": look,
                }
            )
    return rows, skipped


def _line(row):
    """The line of a document; keys without a value are absent."""
    line = {key: row[key] for key in ("id", "text", "image", "split", "class", "group", "series", "title", "keywords", "description")}
    line.update(row["more"])
    return {key: value for key, value in line.items() if value is not None and value != "" and value != []}


def read_back(folder):
    """The rows of a folder as `grouping.check` takes them, from its files alone."""
    rows = []
    with open(folder / "items.jsonl", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            image = pictures.load(folder / row["image"])
            row["digest"] = hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest()
            row["look"] = pictures.Look.of(image)
            rows.append(row)
    return rows


def _report(rows, merges, counts, dropped, skipped, found, options):
    sizes = Counter(row["group"] for row in rows)
    largest, size = min(sizes.items(), key=lambda entry: (-entry[1], entry[0]))
    classes = {}
    for row in rows:
        sides = classes.setdefault(row["class"] or "", {"train": 0, "test": 0})
        sides[row["split"]] += 1
    return {
        "packages": found.packages,
        "seed": options.seed,
        "limit": options.limit,
        "documents": len(rows),
        "split": dict(sorted(Counter(row["split"] for row in rows).items())),
        "classes": {name: classes[name] for name in sorted(classes) if name},
        "without_class": classes.get("", {"train": 0, "test": 0}),
        "classes_too_small": dict(sorted(dropped.items())),
        "groups": len(sizes),
        "groups_of_one": sum(1 for count in sizes.values() if count == 1),
        "largest_groups": [
            {"group": number, "documents": count, "first_title": next(r["title"] for r in rows if r["group"] == number)}
            for number, count in sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))[:10]
        ],
        "merges": merges,
        "thresholds": {
            "near_title_from_characters": 8,
            "long_description_words": grouping.LONG_DESCRIPTION,
            "near_picture_edge_share": pictures.NEAR,
            "edge": pictures.EDGE,
            "grid": pictures.GRID,
        },
        "on_both_sides": counts,
        "skipped": dict(sorted(Counter(reason for _, reason in skipped).items())),
        "skipped_documents": [{"id": what, "reason": reason} for what, reason in skipped[:NAMED_SKIPS]],
    }


def _summary(report, rows, out):
    def say(line):
        print(line, file=sys.stderr)

    sides = report["split"]
    say(f"{out}: {report['documents']} documents, {sides.get('train', 0)} train, {sides.get('test', 0)} test")
    for name, both in report["classes"].items():
        say(f"  {name:24} {both['train']:5} train {both['test']:5} test")
    without = report["without_class"]
    if sum(without.values()):
        say(f"  {'(no class)':24} {without['train']:5} train {without['test']:5} test")
    for name, count in report["classes_too_small"].items():
        say(f"  class {name} is too small to split ({count}): its documents have no class")
    for reason, count in report["skipped"].items():
        say(f"  left out: {count} ({reason})")
    first = report["largest_groups"][0]
    say(f"  {report['groups']} groups, the largest of {first['documents']} ({first['first_title']})")
    both = report["on_both_sides"]
    say(f"  on both sides of the split: {', '.join(f'{name} {count}' for name, count in both.items())}")
    if any(both.values()):
        say("  the check failed: near-duplicates are on both sides of the split")


__all__ = ["Candidate", "Failure", "Found", "clean", "main", "normal", "parser", "text_of", "unique"]
