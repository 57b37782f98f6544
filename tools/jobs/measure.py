"""What a job costs, fitted on runs of 1, 2, 4 and 8 shards here, and what that predicts for larger ones.

    python3 measure.py SOURCE.. --bundle BUNDLE --work DIR [--binary PROGRAM] [--core N] [--out FILE.json] [-- FLAGS OF build]
    python3 measure.py --model FILE.json --items 1e7 --index 1e7 --cores 64      (predicts again, without a run)

Every process has one thread on one core (`--core`). Seconds are those of the processor, user and system, so that what else the
machine does counts little; `wall` stands beside them in the output. Builds give, by stage, seconds for each item and seconds of
any shard; merges of 2, 4 and 8 shards and of parts of them give theirs; the time of cells is fitted as a power of the rows, from
4,096 rows on. Bytes come from the manifests. Memory is the peak of anonymous pages, looked at every 10 ms. `--repeat N` takes
the median of N.
"""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches"))

from model import CELLS_FROM, fitted, predicted, table, with_encoder  # noqa: E402
from watched import watched  # noqa: E402

SHARDS = (1, 2, 4, 8)


def timed(core: int, words: list[object]) -> dict:
    """Runs the program on one core. Gives what it prints, with `seconds` of the processor, `wall` and `peak` bytes."""
    command = ["taskset", "-c", str(core), *map(str, words), "--threads", "1", "--json", "--quiet"]
    said, wall, seconds, peak = watched(command)
    return {**said, "seconds": seconds, "wall": wall, "peak": int(peak["RssAnon"] * 2**20)}


def point(args: argparse.Namespace, *words: object) -> dict:
    """The median of the runs of a command."""
    runs = [timed(args.core, [args.binary, *words, *(["--force"] if turn else [])]) for turn in range(args.repeat)]
    said = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
    kept = ("documents", "seconds", "wall", "peak", "stages", "bytes", "segments")
    return {"items": sum(said["items"].values()), **{key: said[key] for key in kept if key in said}}


def bytes_of(place: Path) -> dict[str, int]:
    """Bytes of a shard: what grows with it, by kind, and what every shard has of its own."""
    found = {"uvec": 0, "text": 0, "own": 0}
    segments = json.loads((place / "uncsm-shard.json").read_bytes())["files"]
    for file in place.rglob("*"):
        if file.is_file():
            kind = ("uvec" if file.suffix == ".uvec" else "text") if file.name in segments else "own"
            found[kind] += file.stat().st_size
    return found


def runs(args: argparse.Namespace, flags: list[str]) -> dict:
    """Builds and merges everything. Gives the points."""
    args.work.mkdir(parents=True)
    source = [*args.source, "--bundle", args.bundle, *flags, "--no-cells"]
    points: dict[str, list] = {"builds": [], "merges": []}
    places: dict[int, list[Path]] = {of: [args.work / f"shard-{number}-of-{of}" for number in range(of)] for of in SHARDS}

    def told(name: str, one: dict) -> dict:
        say = f"{name}: {one['items']} items, {one['seconds']:.2f} s of the processor, {one['wall']:.2f} s"
        print(say, file=sys.stderr, flush=True)
        return one

    for of in SHARDS:
        for number, place in enumerate(places[of]):
            one = point(args, "build", *source, "--out", place, "--shard", f"{number}/{of}")
            points["builds"].append({**told(f"build {number}/{of}", one), "of": of, "bytes": bytes_of(place)})
    # All of 2, 4 and 8 shards, and 2 and 4 of the 8: other sizes, and other numbers of inputs of one size.
    for count, of in [(2, 2), (4, 4), (8, 8), (2, 8), (4, 8)]:
        one = point(args, "merge", args.work / f"merged-{count}-of-{of}", *places[of][:count])
        points["merges"].append({**told(f"merge {count} of {of}", one), "inputs": count})
    return points


def main() -> None:
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="*", metavar="SOURCE")
    parser.add_argument("--bundle")
    parser.add_argument("--work", type=Path, help="a folder to make; it keeps what was built")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/uncsm-index")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--out", type=Path, help="writes points and model here")
    parser.add_argument("--model", type=Path, help="such a file, in place of runs")
    parser.add_argument("--encode", type=Path, help="such a file, for the costs of its encoder")
    parser.add_argument("--items", default="1e7,1e9", help="sizes to predict (default 1e7,1e9)")
    parser.add_argument("--index", type=float, default=1e7, help="items of the largest index (default 1e7)")
    parser.add_argument("--shard", type=float, default=1e6, help="items of a shard (default 1e6)")
    parser.add_argument("--cores", type=int, default=64, help="cores of all machines (default 64)")
    args = parser.parse_args(words[:cut])
    args.binary = args.binary.absolute()
    if args.model:
        found = {"model": fitted(json.loads(args.model.read_text(encoding="utf-8"))["points"])}
    elif args.bundle and args.work:
        points = runs(args, words[cut + 1 :])
        found = {"points": points, "model": fitted(points), "load": os.getloadavg()}
    else:
        parser.error("give SOURCE, --bundle and --work, or --model")
    if args.out:
        args.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    model = found["model"]
    if args.encode:
        model = with_encoder(model, json.loads(args.encode.read_text(encoding="utf-8"))["model"])
    predictions = []
    if "merge" in model:
        predictions = [predicted(model, float(items), args.index, args.shard, args.cores) for items in args.items.split(",")]
    print(table(model, predictions))
    if "merge" not in model:
        print(f"\nNothing of merges: they need two sizes from {CELLS_FROM} rows on, so a corpus of {4 * CELLS_FROM}.")


if __name__ == "__main__":
    main()
