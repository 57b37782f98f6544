"""What a job costs, fitted on runs of 1, 2, 4 and 8 shards here, and what that predicts for larger ones.

    python3 measure.py SOURCE.. --bundle BUNDLE --work DIR [--binary PROGRAM] [--core N] [--out FILE.json] [-- FLAGS OF build]
    python3 measure.py --model FILE.json --items 1e7 --index 1e7 --cores 64      (predicts again, without a run)

Every process has one thread on one core (`--core`). Builds give, by stage, seconds for each item and seconds of any shard;
merges of 2, 4 and 8 shards and of parts of them give theirs; the time of cells grows faster than the rows and is fitted as
a power. Bytes come from the manifests. Memory is the peak of anonymous pages, looked at every 10 ms. `--repeat N` takes the
median of N. What was measured is in the output beside what was fitted, with the largest error of the fit.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARDS = (1, 2, 4, 8)
STAGES = ("read", "encode", "pathways", "index", "commit")
HOUR, GB = 3600, 1e9


def line(points: list[tuple[float, float]]) -> dict[str, float]:
    """`fixed + each * n`, neither below zero, of least relative squares; `error` is the largest relative one."""
    points = [(n, y) for n, y in points if y > 0]
    if not points:
        return {"fixed": 0.0, "each": 0.0, "error": 0.0}
    # Divided by y, so that small runs count as large ones do: the normal equations of (1/y, n/y) -> 1.
    a, b, c = (sum(f(n, y) for n, y in points) for f in (lambda n, y: 1 / y**2, lambda n, y: n / y**2, lambda n, y: n * n / y**2))
    d, e = sum(1 / y for _, y in points), sum(n / y for n, y in points)
    determinant = a * c - b * b
    fixed, each = ((d * c - e * b) / determinant, (a * e - b * d) / determinant) if determinant > 1e-12 * a * c else (0.0, e / c)
    if fixed < 0:
        fixed, each = 0.0, e / c
    elif each < 0:
        fixed, each = d / a, 0.0
    return {"fixed": fixed, "each": each, "error": max(abs(fixed + each * n - y) / y for n, y in points)}


def power(points: list[tuple[float, float]]) -> dict[str, float]:
    """`scale * n ** power`, by least squares of logarithms; without two sizes the power is 1."""
    points = [(math.log(n), math.log(y)) for n, y in points if n > 0 and y > 0]
    if not points:
        return {"scale": 0.0, "power": 1.0, "error": 0.0}
    x, y = statistics.fmean(p[0] for p in points), statistics.fmean(p[1] for p in points)
    spread = sum((p[0] - x) ** 2 for p in points)
    slope = sum((p[0] - x) * (p[1] - y) for p in points) / spread if spread > 1e-9 else 1.0
    error = max(abs(math.exp(y + slope * (p[0] - x) - p[1]) - 1) for p in points)
    return {"scale": math.exp(y - slope * x), "power": slope, "error": error}


def anonymous(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return next(int(text.split()[1]) * 1024 for text in status.splitlines() if text.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0


def timed(core: int, words: list[object]) -> dict:
    """Runs the program on one core. Gives what it prints, with `wall` seconds and `peak` bytes."""
    command = ["taskset", "-c", str(core), *map(str, words), "--threads", "1", "--json", "--quiet"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, peak = time.monotonic(), 0
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while process.poll() is None:
            peak = max(peak, anonymous(process.pid))
            time.sleep(0.01)
        wall = time.monotonic() - started
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}: {err.read().decode(errors='replace').strip()}")
        return {**json.loads(out.read()), "wall": wall, "peak": peak}


def bytes_of(place: Path) -> dict[str, int]:
    """Bytes of a shard: what grows with it, by kind, and what every shard has of its own."""
    found = {"uvec": 0, "text": 0, "own": 0}
    segments = set(json.loads((place / "uncsm-shard.json").read_bytes())["files"])
    for file in place.rglob("*"):
        if file.is_file():
            kind = ("uvec" if file.suffix == ".uvec" else "text") if file.name in segments else "own"
            found[kind] += file.stat().st_size
    return found


def runs(args: argparse.Namespace, flags: list[str]) -> dict:
    """Builds and merges everything. Gives the points, each with its items or documents."""
    args.work.mkdir(parents=True)
    source = [*args.source, "--bundle", args.bundle, *flags]
    points: dict[str, list] = {"builds": [], "merges": []}
    places: dict[int, list[Path]] = {}
    for of in SHARDS:
        for number in range(of):
            place = args.work / f"shard-{number}-of-{of}"
            tries = [
                timed(
                    args.core,
                    [
                        args.binary,
                        "build",
                        *source,
                        "--out",
                        place,
                        "--shard",
                        f"{number}/{of}",
                        "--no-cells",
                        *(["--force"] * (turn > 0)),
                    ],
                )
                for turn in range(args.repeat)
            ]
            said = sorted(tries, key=lambda one: one["wall"])[len(tries) // 2]
            items = sum(said["items"].values())
            point = {"of": of, "documents": said["documents"], "items": items, "wall": said["wall"], "peak": said["peak"]}
            points["builds"].append({**point, "stages": said["stages"], "bytes": bytes_of(place)})
            places.setdefault(of, []).append(place)
            print(f"build {number}/{of}: {items} items, {said['wall']:.2f} s", file=sys.stderr, flush=True)
    # The whole of 2, 4 and 8 shards, and 2 and 4 of the 8: other sizes, and other numbers of inputs of one size.
    for name, inputs in [
        *((f"{of}-of-{of}", places[of]) for of in SHARDS[1:]),
        *((f"{of}-of-8", places[8][:of]) for of in (2, 4)),
    ]:
        place = args.work / f"merged-{name}"
        tries = [
            timed(args.core, [args.binary, "merge", place, *inputs, *(["--force"] * (turn > 0))]) for turn in range(args.repeat)
        ]
        said = sorted(tries, key=lambda one: one["wall"])[len(tries) // 2]
        point = {
            "inputs": len(inputs),
            "documents": said["documents"],
            "items": sum(said["items"].values()),
            "wall": said["wall"],
            "peak": said["peak"],
        }
        points["merges"].append({**point, "stages": said["stages"], "bytes": said["bytes"], "segments": said["segments"]})
        print(
            f"merge {name}: {point['items']} items, {said['wall']:.2f} s, cells {said['stages']['cells']:.2f} s",
            file=sys.stderr,
            flush=True,
        )
    return points


def fitted(points: dict) -> dict:
    """The cost model."""
    builds, merges = points["builds"], points["merges"]
    model = {stage: line([(one["items"], one["stages"][stage]) for one in builds]) for stage in STAGES}
    model["build"] = line([(one["items"], one["wall"]) for one in builds])
    for kind in ("uvec", "text", "own"):
        model[f"bytes_{kind}"] = line([(one["items"], one["bytes"][kind]) for one in builds])
    model["memory"] = line([(one["items"], one["peak"]) for one in builds])
    model["merge"] = line([(one["items"], one["wall"] - one["stages"]["cells"]) for one in merges])
    model["cells"] = power([(one["items"], one["stages"]["cells"]) for one in merges])
    model["merge_memory"] = line([(one["items"], one["peak"]) for one in merges])
    model["bytes_merged"] = line([(one["items"], one["bytes"]) for one in merges])
    return model


def at(part: dict[str, float], n: float) -> float:
    return part["scale"] * n ** part["power"] if "power" in part else part["fixed"] + part["each"] * n


def predicted(model: dict, items: float, index: float, shard: float, cores: int) -> dict[str, float]:
    """A job of so many items on so many cores, a core for each process: shards of `shard` items, indexes of at most `index`.

    Each index is merged at once, in one process; indexes side by side, as far as there are cores.
    """
    shard, index = min(shard, items), min(index, items)
    shards, indexes = math.ceil(items / shard), math.ceil(items / index)
    build, merge, cells = at(model["build"], shard), at(model["merge"], index), at(model["cells"], index)
    rows = model["bytes_uvec"]["each"] + model["bytes_text"]["each"]
    return {
        "items": items, "shards": shards, "indexes": indexes, "cores": cores,
        "core_hours": (shards * build + indexes * (merge + cells)) / HOUR,
        "encode_share": at(model["encode"], shard) / build,
        "build_hours": math.ceil(shards / cores) * build / HOUR,
        "merge_hours": math.ceil(indexes / cores) * merge / HOUR,
        "cells_hours": math.ceil(indexes / cores) * cells / HOUR,
        "disk_shards_gb": (items * rows + shards * model["bytes_own"]["fixed"]) / GB,
        "disk_indexes_gb": indexes * at(model["bytes_merged"], index) / GB,
        "worker_memory_gb": at(model["memory"], shard) / GB, "merge_memory_gb": at(model["merge_memory"], index) / GB,
    }  # fmt: skip


def table(model: dict, predictions: list[dict]) -> str:
    """As Markdown."""
    million = [("build, whole", "build"), *((f"build: {stage}", stage) for stage in STAGES), ("merge, cells apart", "merge")]
    out = ["| seconds of one core | a million items | and each process | largest error of the fit |", "|---|---|---|---|"]
    out += [
        f"| {name} | {model[key]['each'] * 1e6:.0f} | {model[key]['fixed']:.2f} | {model[key]['error']:.0%} |"
        for name, key in million
    ]
    out.append(f"| cells | {at(model['cells'], 1e6):.0f}, as n^{model['cells']['power']:.2f} | | {model['cells']['error']:.0%} |")
    out += ["", "| bytes | an item | and each process |", "|---|---|---|"]
    for name, key in [
        ("vectors on disk", "bytes_uvec"),
        ("fields on disk", "bytes_text"),
        ("bundle and manifests", "bytes_own"),
        ("merged, with cells", "bytes_merged"),
        ("memory of a build", "memory"),
        ("memory of a merge", "merge_memory"),
    ]:
        out.append(f"| {name} | {model[key]['each']:.0f} | {model[key]['fixed']:.0f} |")
    if predictions:
        names = list(predictions[0])
        out += ["", f"| {' | '.join(name.replace('_', ' ') for name in names)} |", "|" + "---|" * len(names)]
        out += [f"| {' | '.join(f'{one[name]:.4g}' for name in names)} |" for one in predictions]
    return "\n".join(out)


def main() -> None:
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="*", metavar="SOURCE")
    parser.add_argument("--bundle")
    parser.add_argument("--work", type=Path, help="a folder to make; it keeps what was built")
    parser.add_argument("--binary", type=Path, default=Path(__file__).resolve().parents[2] / "target/debug/uncsm-index")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--out", type=Path, help="writes points and model here")
    parser.add_argument("--model", type=Path, help="such a file, in place of runs")
    parser.add_argument("--items", default="1e7,1e9", help="sizes to predict (default 1e7,1e9)")
    parser.add_argument("--index", type=float, default=1e7, help="items of the largest index (default 1e7)")
    parser.add_argument("--shard", type=float, default=1e6, help="items of a shard (default 1e6)")
    parser.add_argument("--cores", type=int, default=64, help="cores of all machines (default 64)")
    args = parser.parse_args(words[:cut])
    if args.model:
        found = json.loads(args.model.read_text(encoding="utf-8"))
    elif args.bundle and args.work:
        points = runs(args, words[cut + 1 :])
        found = {"points": points, "model": fitted(points), "load": os.getloadavg()}
    else:
        parser.error("give SOURCE, --bundle and --work, or --model")
    if args.out:
        args.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    predictions = [predicted(found["model"], float(items), args.index, args.shard, args.cores) for items in args.items.split(",")]
    print(table(found["model"], predictions))


if __name__ == "__main__":
    main()
