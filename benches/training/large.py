#!/usr/bin/env python3
"""Seconds and memory of `train` over pairs in several features files, more and more of them.

    pip install numpy safetensors
    python3 benches/training/large.py --work DIR [--rows 10000,100000,1000000] [--shards N] [--image N] [--text N] [--threads N] [--config FILE.toml]
                                      [--binary PATH] [--json FILE]
    python3 benches/training/large.py --work DIR --features FILE --tensors image=TENSOR,text=TENSOR ..     pairs grown from real ones

Pairs are two random maps of one hidden vector with noise, as encoders of two media see one item: 24 elements of it are shared, 24 are each medium's own.
With `--features` a pair is one of the file plus a part of the difference of two others, the same three for both media. Files are made once and kept in DIR.

Printed for each number of pairs: seconds in all, seconds of the processor, those before the first epoch (looking at the features, the split, kernel members) and after the
last, seconds of an epoch and of a million pairs and epoch, by stage; the most anonymous memory (`RssAnon`, asked every 10 ms) and the most of mapped files
(`RssFile`, which the system takes back where it needs room), and recall at 1 and 10 of `pair` on the validation rows. The last line says how many bytes of
anonymous memory each further pair took between the two largest runs. Seconds are of one run: run it on a quiet machine, or take the share of
the processor's in all.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches"))

from watched import watched  # noqa: E402

SHARED, OWN = 24, 24
# Rows that are made together: the generator must not take more memory than what it measures.
BLOCK = 50_000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", default="10000,100000", help="numbers of pairs, ascending")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--image", type=int, default=64, help="elements of a row of made features")
    parser.add_argument("--text", type=int, default=64)
    parser.add_argument("--features", type=Path, help="real pairs to grow from")
    parser.add_argument("--tensors", default="image=image,text=text", help="the tensors of --features")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--config", type=Path, help="settings of `train` in place of those for the number of rows")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--json", type=Path, help="writes the figures here, too")
    return parser.parse_args()


def made(widths, seed=7):
    """A source of pairs: `block(rng, n)` gives the rows of each medium."""
    world = np.random.default_rng(seed)
    maps = {name: world.standard_normal((SHARED + OWN, width), dtype=np.float32) for name, width in widths.items()}

    def block(rng, n):
        shared = rng.standard_normal((n, SHARED), dtype=np.float32)
        rows = {}
        for name, matrix in maps.items():
            hidden = np.hstack([shared, rng.standard_normal((n, OWN), dtype=np.float32)])
            rows[name] = np.maximum(hidden @ matrix, 0) if name == "image" else np.tanh(hidden @ matrix / 4)
        return rows

    return block


def grown(path, tensors):
    """The same from real pairs."""
    names = dict(part.split("=", 1) for part in tensors.split(","))
    real = load_file(path)
    real = {media: real[name].astype(np.float32) for media, name in names.items()}
    count = len(next(iter(real.values())))

    def block(rng, n):
        base, plus = (rng.integers(count, size=n) for _ in range(2))
        minus = (plus + rng.integers(1, count, size=n)) % count
        part = rng.uniform(0.2, 0.6, size=(n, 1)).astype(np.float32)
        return {media: rows[base] + part * (rows[plus] - rows[minus]) for media, rows in real.items()}

    return block


def shards(work, name, block, rows, count):
    """Features files of `rows` pairs in all, each made once."""
    folder = work / f"{name}-{rows}-in-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        path = folder / f"part-{at:03}.safetensors"
        n = rows * (at + 1) // count - rows * at // count
        if path.exists() or n == 0:
            continue
        rng = np.random.default_rng([rows, at])
        blocks = [block(rng, min(BLOCK, n - start)) for start in range(0, n, BLOCK)]
        tensors = {media: np.concatenate([rows[media] for rows in blocks]) for media in blocks[0]}
        save_file(tensors, path.with_suffix(".partial"))
        path.with_suffix(".partial").rename(path)
    return folder


def measured(rows, report, seconds, used, peak):
    """The figures of a run."""
    stages = {
        stage["name"]: {"epochs": stage["epochs"], "epoch": stage["seconds"] / max(stage["epochs"], 1)}
        for stage in report["stages"]
        if stage["epochs"]
    }
    recall = report["stages"][-1]["validation"]["recall"]["metric_pair"]
    both = [np.mean([way[k] for way in recall.values()]) for k in ("1", "10")] if recall else [None, None]
    return {
        "rows": rows,
        "seconds": seconds,
        "processor": used,
        "beside_epochs": seconds - sum(stage["seconds"] for stage in report["stages"]),
        "stages": {name: {**stage, "million": stage["epoch"] / rows * 1e6} for name, stage in stages.items()},
        "anonymous": peak["RssAnon"],
        "mapped": peak["RssFile"],
        "recall": both,
    }


def line(run):
    stages = "; ".join(f"{name} {s['epochs']} x {s['epoch']:.1f} s = {s['million']:.0f} s a million" for name, s in run["stages"].items())
    recall = ", ".join("-" if x is None else f"{x:.3f}" for x in run["recall"])
    return (
        f"{run['rows']:>9} pairs: {run['seconds']:.0f} s ({run['processor']:.0f} of the processor), {run['beside_epochs']:.0f} beside epochs; {stages}; "
        f"{run['anonymous']:.0f} MB anonymous, {run['mapped']:.0f} MB mapped; recall {recall}"
    )


def main():
    args = arguments()
    block = grown(args.features, args.tensors) if args.features else made({"image": args.image, "text": args.text})
    name = f"{args.features.stem}-{args.tensors}" if args.features else f"made-{args.image}-{args.text}"
    runs = []
    for rows in map(int, args.rows.split(",")):
        folder = shards(args.work, name, block, rows, args.shards)
        out = args.work / f"bundle-{time.time_ns()}"
        command = [args.binary, "train", "--features", folder, "--pathway", "image=image", "--pathway", "text=text"]
        command += ["--threads", args.threads, "--out", out, "--json", "--quiet"]
        command += ["--config", args.config] if args.config else []
        runs.append(measured(rows, *watched(command)))
        print(line(runs[-1]), flush=True)
        if args.json:
            args.json.write_text(json.dumps(runs, indent=1))
    if len(runs) > 1:
        a, b = runs[-2:]
        print(f"{(b['anonymous'] - a['anonymous']) * 2**20 / (b['rows'] - a['rows']):.0f} bytes of anonymous memory for each further pair")


if __name__ == "__main__":
    main()
