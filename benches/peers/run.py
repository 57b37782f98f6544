"""Top 10 by the metric network beside vector libraries, hybrid queries beside LanceDB, keywords beside tantivy; one core, in rounds.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/run.py --work DIR [--out FILE.json] [--rows N] [--rounds N] [--queries N] [--peers "faiss Flat,usearch"]
                                 [--binary PATH] [--ours PATH] [--core N] [--seed N]

Reads `openclipart-mini/` and `debian-packages/` in the folder UNCSM_DATA (default `../shared/data`). `--work` keeps bundle, index and
grown rows from run to run. A bundle is trained on OpenClipart with the defaults; the Debian packages are indexed under it; queries are the pictures
and texts of OpenClipart's test rows. `--rows` takes fewer rows, or grows them (`grow.py`).

What is compared. Everyone searches the same shared vectors for the same queries, one at a time. True is the network's own top 10, that of a
scan. Peers cannot ask the network: they search by the inner product that gives its order (`form.py`), made for them beforehand, which
this project makes inside of its times. Each peer is built on all cores, then pinned to one, threads that it has started included; each round
runs this project's benchmark (`ours.rs`, a process of its own, whose start is no part of the figures) and then every setting of the peer. A
ratio is the median over rounds of two medians over queries of the same round. The call from Python is in the figures of peers.
The table gives for each of our points the fastest settings of each peer that has the nearest recall not above ours.
A peer that is not installed is named and left out.
"""

import argparse
import datetime
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from statistics import median

# Before the libraries start their threads: those that wait by turning take the time of those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

import form
import grow
import lance_table
import peers
import prepare
import table
import uvec

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("UNCSM_DATA", ROOT / "../shared/data"))
K = 10
# Of hybrid queries: LanceDB looks as far as it must for this recall by vectors, or as far as it can.
HYBRID = 0.95
PEERS = (
    peers.Flat, peers.IvfFlat, peers.IvfPq, peers.IvfPqFine, peers.Pq, peers.FaissHnsw, peers.Hnswlib, peers.Usearch,
    lance_table.LanceIvfFlat, lance_table.LanceWords,
)  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of what is made once")
    parser.add_argument("--out", type=Path, help="writes all figures here, too")
    parser.add_argument("--rows", type=int, help="default: the real ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--peers", help="default: all; names by comma")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/measured/uncsm-index", help="default: that of `cargo build --profile measured`")
    parser.add_argument("--ours", type=Path, help="the compiled benchmark, in place of `cargo bench --profile measured --bench peers`")
    parser.add_argument("--bundle", type=Path, help="a bundle in place of one that is trained here")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    known = [peer.name for peer in PEERS]
    args.peers = known if args.peers is None else args.peers.split(",")
    for name in args.peers:
        if name not in known:
            parser.error(f"unknown peer {name!r}; expected some of {', '.join(known)}")
    return args


def log(text):
    print(text, file=sys.stderr, flush=True)


class Ours:
    """This project's benchmark on one index and one file of queries."""

    def __init__(self, executable, index, queries, core):
        self.executable, self.index, self.queries, self.core = executable, index, queries, core

    def run(self, rounds, *flags):
        """The object that it writes."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            call = [str(self.executable), str(self.index), str(self.queries), str(out), "--rounds", str(rounds), *map(str, flags)]
            env = {**os.environ, "RAYON_NUM_THREADS": "1"}
            # A child has the cores of the thread that starts it; a hook between fork and exec would run a library's own, too.
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {self.core})
            try:
                done = subprocess.run(call, env=env, stdout=subprocess.DEVNULL)
            finally:
                os.sched_setaffinity(0, before)
            if done.returncode != 0:
                raise SystemExit(f"{' '.join(call)}: exit {done.returncode}")
            return json.loads(out.read_text(encoding="utf-8"))


def machine():
    """What the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": names[0] if names else None, "cores": os.cpu_count(), "memory_bytes": memory, "load": os.getloadavg()}


def timed(search, asked):
    """Median microseconds of single searches, and what they found."""
    micros, found = [], []
    for one in asked:
        started = time.perf_counter_ns()
        hits = search(one)
        micros.append((time.perf_counter_ns() - started) / 1000)
        found.append(hits)
    return median(micros), found


def measure(peer, ours, asked, true, words, positions, rounds, default):
    """Points of a peer for each kind of query, with our times of the same rounds; hybrid queries ask the `default` target, as ours do."""
    found = {kind: [{"setting": setting, "micros": []} for setting in peer.settings()] for kind in asked}
    flags = () if isinstance(peer, peers.Flat) else ("--inexact",)
    times, joined = {}, {}
    for round_ in range(rounds):
        for name, kind in ours.run(1, *flags)["kinds"].items():
            times.setdefault(name, []).extend(kind["micros"])
        for kind, queries in asked.items():
            for point in found[kind]:
                peer.set(**point["setting"])
                if round_ == 0:
                    timed(lambda query: peer.search(query, K), queries[:5])
                micros, hits = timed(lambda query: peer.search(query, K), queries)
                point["micros"].append(micros)
                point["recall"] = table.recall([positions[rows[rows >= 0]] for rows in hits], true[kind])
        if isinstance(peer, lance_table.LanceWords):
            points = table.best(next(iter(found.values())))
            peer.set(**next((point for point in points if point["recall"] >= HYBRID), points[-1])["setting"])
            with_words = [row for row, text in enumerate(words) if text]
            micros, _ = timed(lambda row: peer.words(words[row], K), with_words)
            joined.setdefault("keywords", {"micros": []})["micros"].append(micros)
            for kind, queries in asked.items():
                name = f"{kind.split('/')[0]}/hybrid"
                if kind.endswith(f"/{default}"):
                    micros, _ = timed(lambda row: peer.hybrid(queries[row], words[row], K), with_words)
                    joined.setdefault(name, {"micros": []})["micros"].append(micros)
    for name, one in joined.items():
        one["ours"] = times[name]
        one["windows"] = {other: micros for other, micros in times.items() if other.startswith(f"{name}, window")}
    return found, times, joined


def main():
    args = arguments()
    missing = [str(path) for path in prepare.files(DATA).values() if not path.exists()]
    if missing:
        print(f"skipped: {', '.join(missing)} not there (set UNCSM_DATA)")
        return
    if not args.binary.exists():
        raise SystemExit(f"no binary at {args.binary}: build it, or name one with --binary")
    args.work.mkdir(parents=True, exist_ok=True)
    executable = args.ours or prepare.executable(ROOT)
    bundle = args.bundle or prepare.bundle(args.binary, DATA, args.work)
    features, docs = prepare.corpus(DATA, args.work, args.rows, args.seed)
    index = args.work / f"index-{args.rows or 'real'}"
    built = prepare.index(args.binary, bundle, features, docs, index)
    words = prepare.queries(DATA, docs, args.queries, args.seed, args.work / "queries.safetensors")
    ours = Ours(executable, index, args.work / "queries.safetensors", args.core)
    first = ours.run(1, "--ids", args.work / "ids.txt")
    result = compare(args, ours, first, form.Heads(bundle), docs, words)
    result["build"] = built
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(show(result))


def compare(args, ours, first, heads, docs, words):
    """All figures, from the first run of ours on."""
    segments = [(one["id"], one["documents"]) for one in first["segments"]]
    vectors, hubs, positions = uvec.items(ours.index, segments, "text")
    rows = form.extended(vectors, hubs)
    if heads.hidden:
        log("the network has a hidden layer, which peers search without")
    asked, true, points = {}, {}, {}
    for name, u in first["vectors"].items():
        for target in heads.targets:
            kind = f"{name}/{target}"
            asked[kind] = form.query(heads, target, name.split(".")[0], "text", np.array(u, np.float32), hubs.shape[1])
            true[kind] = first["kinds"][f"{kind}/exact"]["hits"]
            mine = [(key, found) for key, found in first["kinds"].items() if key.startswith(f"{kind}/") and not table.is_of_forms(key)]
            points[kind] = [
                {"name": key, "recall": table.recall(found["hits"], true[kind]), "scored": median(found["scored"]), "exact": all(found["exact"])}
                for key, found in mine
            ]
    result = {
        "date": datetime.date.today().isoformat(), "command": sys.argv, "machine": machine(), "rows": len(rows), "columns": rows.shape[1],
        "first": {key: first[key] for key in ("open_ms", "first_query_ms", "anonymous_bytes")},
        "bytes_per_item": {one: uvec.Uvec(ours.index / f"{one}.uvec").bytes_per_item("text") for one, _ in segments},
        "ours": points, "joined": {name: found for name, found in first["kinds"].items() if name.count("/") < 2 and "hits" in found},
        "forms": {name: found for name, found in first["kinds"].items() if table.is_of_forms(name)},
        "peers": [], "left_out": [], "lance": {}, "curves": curves(rows, asked, args.seed),
    }  # fmt: skip
    cores = os.sched_getaffinity(0)
    for make in PEERS:
        if make.name not in args.peers:
            continue
        try:
            peer = make(prepare.texts(docs, by_row(args.work / "ids.txt", positions))) if make is lance_table.LanceWords else make()
            version = metadata.version(peer.package)
        except ImportError as error:
            log(f"{make.name}: left out, {make.package} is not installed ({error})")
            result["left_out"].append(make.name)
            continue
        with tempfile.TemporaryDirectory(dir=args.work) as folder:
            peers.free(cores)
            peer.threads(len(cores))
            started = time.perf_counter()
            peer.build(rows, Path(folder) / "table")
            seconds = time.perf_counter() - started
            log(f"{make.name}: built in {seconds:.1f} s")
            peer.threads(1)
            peers.pin(args.core)
            found, times, joined = measure(peer, ours, asked, true, words, positions, args.rounds, heads.default)
        result["lance"].update(joined)
        about = {"name": make.name, "version": version, "build_seconds": seconds, "build_threads": len(cores)}
        result["peers"].append({**about, "points": found, "ours": times})
        del peer
        gc.collect()
    peers.free(cores)
    return result


def by_row(file, positions):
    """Ids in the order of the rows."""
    ids = file.read_text(encoding="utf-8").split("\n")
    return [ids[position] for position in positions]


def curves(rows, asked, seed):
    """Recall of faiss' IVF-Flat over a sample of as many rows as are real, to tell whether grown rows are as hard; `None` without faiss."""
    n = grow.mapped(prepare.files(DATA)["rows"], "text_minilm").shape[0]
    if len(rows) < n:
        return None
    try:
        some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:n])
        return {"probes": grow.PROBES, "cells": grow.CELLS, **grow.curves(rows[some], asked)}
    except ImportError:
        return None


def show(result):
    """The tables."""
    lines = []
    for kind, ours in result["ours"].items():
        at = [{"name": peer["name"], "points": peer["points"][kind], "ours": peer["ours"]} for peer in result["peers"]]
        lines += table.rows(kind, ours, at)
    out = [f"{result['rows']} rows of {result['columns']} elements, one thread", table.markdown(table.HEAD, lines)]
    out.append(table.markdown(["query", "us", "ours in the same rounds", "theirs / ours"], table.joined(result["joined"], result["lance"])))
    out.append(table.markdown(["several forms", "recall", "us", "us, exact", "exact / ours"], table.forms(result["forms"])))
    builds = [[peer["name"], f"{peer['build_seconds']:.1f}", peer["build_threads"]] for peer in result["peers"]]
    out.append(table.markdown(["peer", "build, s", "threads"], builds))
    out += [f"left out, not installed: {name}" for name in result["left_out"]]
    return "\n\n".join(out)


if __name__ == "__main__":
    main()
