"""What a merge of parts costs, beside building the same index from features.

    pip install numpy safetensors
    python3 benches/shards/merge.py --work DIR [--rows N] [--shards N] [--dim N] [--binary PATH] [--queries N] [--out FILE.json]
    python3 benches/shards/merge.py --work DIR --debian DATA/debian-packages --bundle BUNDLE [--shards N] ..

The first makes rows of features around centres and a corpus of their fields, and trains a small bundle; the second takes the 60,004 texts of
Debian packages and a bundle with a pathway for `text_minilm`. Both build the index in one go and in parts (`--no-cells`), merge the parts, and print:

- seconds of building in one go, with cells and without; of all parts together; of the merge by stage, cells apart;
- the ratio of building to merging, without cells on both sides, and with them;
- peak anonymous memory of the merge (`RssAnon`, asked every 10 ms), bytes of the index;
- the recall curve: the share of the true best ten at several `--recall`, and of rows that were scored, merged and over the parts.

Seconds are of one run each: run it on a quiet machine. `--work` keeps what is made once.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches"))

from watched import watched  # noqa: E402

WIDTH = 64
WORDS = "red green blue boat bird tree star sky sea hill road lamp".split()
RECALL = (0.9, 0.95, 0.99, 0.999)
CONFIG = "dim = {dim}\nhidden = 64\nhalf = 16\nleast_steps = 0\nepochs_contrastive = 4\nepochs_double_triplet = 2\nepochs_metric = 2\nrefit = \"off\"\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--debian", type=Path, help="the folder of the Debian texts, in place of rows that are made")
    parser.add_argument("--bundle", type=Path, help="the bundle for them")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--out", type=Path, help="writes all figures here, too")
    return parser.parse_args()


def run(binary, *args):
    """The JSON of a command that must end well, or find nothing."""
    done = subprocess.run([binary, *map(str, args), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{args[0]}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[0]) if args[0] != "query" else [json.loads(line) for line in done.stdout.splitlines()]


def measured(binary, *args):
    """The JSON of a command, its seconds, and the most anonymous memory that it had, in MB."""
    report, seconds, _, peak = watched([binary, *args, "--json", "--quiet"])
    return report, seconds, peak["RssAnon"]


def rows_of(rng, centres, n):
    """Rows around centres, unit length as an encoder gives them."""
    rows = centres[rng.integers(len(centres), size=n)] + 0.6 * rng.standard_normal((n, WIDTH), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def made(work, n, dim, binary):
    """Features, corpus and bundle of rows that are made: arguments of a build, and the bundle."""
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((400, WIDTH), dtype=np.float32)
    features, corpus, bundle = work / f"rows-{n}.safetensors", work / f"rows-{n}.jsonl", work / f"bundle-{dim}"
    if not features.exists():
        save_file({"text": rows_of(rng, centres, n)}, features)
        with corpus.open("w", encoding="utf-8") as file:
            for row in range(n):
                words = " ".join(WORDS[i] for i in rng.integers(len(WORDS), size=8))
                file.write(json.dumps({"id": f"r{row:09}", "text": words, "size": row % 1000}) + "\n")
    if not bundle.exists():
        small, config = work / "small.safetensors", work / "train.toml"
        text = rows_of(rng, centres, 2000)
        image = text @ rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) / 8
        save_file({"text": text, "image": image}, small)
        config.write_text(CONFIG.format(dim=dim))
        run(binary, "train", "--features", small, "--pathway", "text=text", "--pathway", "image=image", "--config", config, "--out", bundle)
    queries = work / "queries.safetensors"
    save_file({"text": rows_of(np.random.default_rng(8), centres, 1000)}, queries)
    return ["--features", features, "--pathway", "text=text", "--corpus", corpus], bundle, (queries, "text")


def debian(folder, bundle, work):
    """The same of the Debian texts; they are asked with some of their own rows."""
    features = folder / "text_minilm.safetensors"
    queries = work / "queries-debian.safetensors"
    rows = load_file(features)["text_minilm"]
    save_file({"text": np.ascontiguousarray(rows[:: len(rows) // 1000][:1000])}, queries)
    source = ["--features", features, "--pathway", "text=text_minilm", "--corpus", folder / "docs.jsonl"]
    return source, bundle, (queries, "text")


def curve(binary, indexes, queries, n):
    """Recall of the true ten and the share of rows that are scored, at each promise."""
    file, tensor = queries

    def ask(*more):
        found = []
        for at in range(n):
            rows = ["--features", file, "--pathway", f"text={tensor}", "--rows", f"{at}..{at + 1}", "--media", "text", "-k", 10]
            found += run(binary, "query", *indexes, *rows, *more)
        return found

    exact = ask("--exact")
    points = []
    for recall in RECALL:
        near = ask("--recall", recall)
        pairs = [({hit["id"] for hit in a["hits"]}, {hit["id"] for hit in b["hits"]}) for a, b in zip(near, exact)]
        share = sum(len(a & b) for a, b in pairs) / sum(len(b) for _, b in pairs)
        scored = sum(a["scored"] for a in near) / sum(b["scored"] for b in exact)
        points.append({"promised": recall, "found": round(share, 4), "scored": round(scored, 4)})
    return points


def main():
    args = arguments()
    work, binary = args.work, args.binary
    work.mkdir(parents=True, exist_ok=True)
    if args.debian:
        source, bundle, queries = debian(args.debian, args.bundle, work)
    else:
        source, bundle, queries = made(work, args.rows, args.dim, binary)
    build = ["build", *source, "--bundle", bundle, "--out"]
    schema = work / "schema.toml"
    corpus = source[source.index("--corpus") + 1]
    with schema.open("w", encoding="utf-8") as file:
        subprocess.run([binary, "schema", corpus, "--quiet"], stdout=file, check=True)
    figures = {"rows": None, "shards": args.shards}
    for name, more in [("whole", []), ("bare", ["--no-cells"])]:
        shutil.rmtree(work / name, ignore_errors=True)
        report, seconds, peak = measured(binary, *build, work / name, "--schema", schema, *more)
        figures["rows"] = report["documents"]
        figures[f"build_{name}"] = {"seconds": round(seconds, 2), "anonymous_mb": round(peak)}
    parts, seconds = [work / f"part.{index}" for index in range(args.shards)], 0.0
    for index, part in enumerate(parts):
        shutil.rmtree(part, ignore_errors=True)
        _, took, _ = measured(binary, *build, part, "--shard", f"{index}/{args.shards}", "--schema", schema, "--no-cells")
        seconds += took
    figures["build_parts"] = {"seconds": round(seconds, 2)}
    merged = work / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    report, seconds, peak = measured(binary, "merge", merged, *parts)
    apart = seconds - report["stages"]["cells"]
    figures["merge"] = {
        "seconds": round(seconds, 2),
        "cells_apart": round(apart, 2),
        "stages": {stage: round(took, 2) for stage, took in report["stages"].items()},
        "anonymous_mb": round(peak),
        "bytes": report["bytes"],
        "segments": report["segments"],
    }
    figures["times_as_fast"] = {
        "cells_apart": round(figures["build_bare"]["seconds"] / apart, 1),
        "with_cells": round(figures["build_whole"]["seconds"] / seconds, 1),
    }
    figures["curve_merged"] = curve(binary, [merged], queries, args.queries)
    figures["curve_parts"] = curve(binary, parts, queries, min(args.queries, 20))
    text = json.dumps(figures, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
