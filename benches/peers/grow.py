"""Grows real features to more rows that are as hard to search, as a features file and a corpus that `build` takes.

    python3 benches/peers/grow.py --features FILE.safetensors --tensor NAME --corpus FILE.jsonl --rows N --out DIR
                                  [--queries FILE.safetensors --query-tensor NAME [--query-mask NAME]] [--seed 42]

Each row begins at a real row, every one as often as any other, and goes a random part of the way to one of its near neighbours. It gets
noise that has the covariance of its neighbourhood, and a part of a difference between two neighbours elsewhere; then the length that
its parent has. Its document is that of its parent under an id of its own. No real row is left among them: less noisy than the others,
real ones would be nearer to every query. The same seed and rows make the same bytes on one machine; products of matrices differ in
last bits between machines.

`--queries` checks the difficulty: recall@10 by inner product of faiss' IVF-Flat with 1,024 cells, over the real rows and over a random
sample of the grown ones of equal number, and how far they are apart. How far rows go (`PART`, `NOISE`, `STRAY`) was chosen so that
these curves agree, with texts of OpenClipart's train rows as queries. Nearest neighbours of grown rows are further away than those
of real ones, some of which are near-duplicates. Uniform random rows are no stand-in: they have no cells that could be told apart.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

NEAR = 32
# Neighbours whose differences make the noise of a row.
DRAWN = 8
# The largest part of the way to a neighbour, and the noise beside the spread of the neighbourhood.
PART, NOISE = 0.5, 0.8
# Of a difference between two neighbours elsewhere: what a row has of its own lies in no direction of its neighbourhood.
STRAY = 0.7
BLOCK = 4096
PROBES, CELLS = (8, 32, 128, 512), 1024


def neighbours(rows, count=NEAR, block=1000):
    """Rows of the largest inner product with each row `[n, count]`, itself left out, nearest first."""
    count = min(count, len(rows) - 1)
    out = np.empty((len(rows), count), np.int32)
    for start in range(0, len(rows), block):
        scores = rows[start : start + block] @ rows.T
        scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        out[start : start + block] = np.take_along_axis(best, order, axis=1)
    return out


def parents(n, count, rng):
    """Real rows in random order, each as often as any other but for one."""
    rounds = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate(rounds)[:count] if rounds else np.empty(0, np.int64)


def children(rows, near, of, rng, part=PART, noise=NOISE, stray=STRAY):
    """A new row `[d]` for each of the real rows `of`."""
    mine = rows[of]
    drawn = near[of][np.arange(len(of))[:, None], rng.integers(0, near.shape[1], (len(of), DRAWN + 1))]
    way = part * rng.random((len(of), 1), np.float32)
    out = mine + way * (rows[drawn[:, 0]] - mine)
    # Sums of differences to neighbours with normal weights have the neighbourhood's covariance.
    weights = rng.standard_normal((len(of), DRAWN), np.float32) * (noise / DRAWN**0.5)
    out += np.einsum("nk,nkd->nd", weights, rows[drawn[:, 1:]] - mine[:, None])
    # Without this, cells would find siblings too easily.
    other = rng.integers(0, len(rows), len(of))
    out += stray * (rows[other] - rows[near[other, rng.integers(0, near.shape[1], len(of))]])
    return out * (np.linalg.norm(mine, axis=1) / np.maximum(np.linalg.norm(out, axis=1), 1e-12))[:, None]


def grown(rows, count, seed, near=None):
    """Blocks of (parents, rows) up to `count` rows in all; where that many are there, these alone, whose parents are themselves."""
    if count < len(rows):
        raise ValueError(f"expected at least {len(rows)} rows, as there are real ones, got {count}")
    if count == len(rows):
        yield np.arange(len(rows)), rows
        return
    rng, near = np.random.default_rng(seed), neighbours(rows) if near is None else near
    of = parents(len(rows), count, rng)
    for start in range(0, len(of), BLOCK):
        some = of[start : start + BLOCK]
        yield some, children(rows, near, some, rng)


def write(rows, lines, name, count, out, seed, near=None):
    """Writes `features.safetensors`, of the type of the real rows, and `docs.jsonl` into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    dtype = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32"}[rows.dtype]
    size = count * rows.shape[1] * rows.itemsize
    header = json.dumps({name: {"dtype": dtype, "shape": [count, rows.shape[1]], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    times = np.zeros(len(rows), np.int64)
    with open(out / "features.safetensors", "wb") as file, open(out / "docs.jsonl", "w", encoding="utf-8") as docs:
        file.write(len(header).to_bytes(8, "little") + header)
        for of, block in grown(rows.astype(np.float32), count, seed, near):
            file.write(block.astype(rows.dtype).tobytes())
            for parent in of:
                document = json.loads(lines[parent])
                if times[parent]:
                    document["id"] = f"{document['id']}~{times[parent]}"
                times[parent] += 1
                docs.write(json.dumps(document, ensure_ascii=False) + "\n")


def curves(rows, asked, cells=CELLS, probes=PROBES, k=10):
    """Recall of the best `k` by inner product that faiss' IVF-Flat finds, at each number of probes, for each of the named queries `[q, d]`."""
    import faiss

    rows = np.ascontiguousarray(rows, np.float32)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    index = faiss.index_factory(rows.shape[1], f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10
    index.train(rows)
    index.add(rows)
    out = {}
    for name, queries in asked.items():
        queries, out[name] = np.ascontiguousarray(queries, np.float32), []
        true = flat.search(queries, k)[1]
        for index.nprobe in probes:
            found = index.search(queries, k)[1]
            out[name].append(float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(found, true)])))
    return out


def compare(real, grown_rows, queries, seed):
    """Curves of the real rows and of a random sample of the grown ones, and the largest difference."""
    some = np.sort(np.random.default_rng(seed).permutation(len(grown_rows))[: len(real)])
    found = {name: curves(rows, {name: queries})[name] for name, rows in (("real", real), ("sample of grown", grown_rows[some]))}
    return {**found, "largest difference": float(np.abs(np.subtract(*found.values())).max())}


def mapped(path, name):
    """A tensor of a safetensors file without reading it whole."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(length))[name]
    dtype = {"F16": np.float16, "F32": np.float32}[about["dtype"]]
    return np.memmap(path, dtype, "r", 8 + length + about["data_offsets"][0], tuple(about["shape"]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--tensor", required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="documents of the same rows")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--queries", type=Path, help="features of queries, to compare curves")
    parser.add_argument("--query-tensor")
    parser.add_argument("--query-mask", help="a tensor: rows where it is not 0 are left out")
    return parser.parse_args()


def main():
    args = arguments()
    missing = [str(path) for path in (args.features, args.corpus, args.queries) if path and not path.exists()]
    if missing:
        print(f"skipped: {', '.join(missing)} not there")
        return
    rows = load_file(args.features)[args.tensor]
    lines = args.corpus.read_text(encoding="utf-8").splitlines()
    if len(lines) != len(rows):
        raise SystemExit(f"{args.corpus}: expected {len(rows)} lines, as there are rows, got {len(lines)}")
    write(rows, lines, args.tensor, args.rows, args.out, args.seed)
    if not args.queries:
        return
    with safe_open(args.queries, "np") as file:
        queries = file.get_tensor(args.query_tensor)
        queries = queries[file.get_tensor(args.query_mask) == 0] if args.query_mask else queries
    try:
        found = compare(rows, mapped(args.out / "features.safetensors", args.tensor), queries, args.seed)
    except ImportError:
        print("faiss is not installed: curves are not compared")
        return
    print(json.dumps({"probes": PROBES, "cells": CELLS, **found}))


if __name__ == "__main__":
    main()
