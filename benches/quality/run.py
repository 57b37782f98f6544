"""Quality of UNCSM and eight baselines on the same features and splits.

    python3 benches/quality/run.py --data DIR --out DIR [--datasets wikipedia,openclipart] [--methods CCA,SM,UNCSM]
                                   [--seeds 42,43,44] [--binary PATH] [--threads N]

Writes `quality.md`, `quality.json` and UNCSM's bundles below `--out`. A seed draws the validation split of a baseline, the start of
its networks and the order of its batches. Seconds: of a baseline, tuning and refit; of UNCSM, `train`.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch

import data
import grouping
import methods
import report
import tuning
import uncsm
from measures import measure

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table")
    parser.add_argument("--datasets", default="wikipedia,openclipart", help=f"of {', '.join(data.KNOWN)}")
    parser.add_argument("--methods", default=",".join([*methods.ALL, "UNCSM"]))
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.datasets, args.methods = args.datasets.split(","), args.methods.split(",")
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    for given, known in ((args.datasets, data.KNOWN), (args.methods, [*methods.ALL, "UNCSM"])):
        for name in given:
            if name not in known:
                parser.error(f"unknown name {name!r}; expected some of {', '.join(known)}")
    return args


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_baseline(method, dataset, seeds):
    """One entry per seed. The test labels are read by `measure` alone, after everything is chosen."""
    runs = []
    for seed in seeds:
        tuned = tuning.tune(method, dataset.train, seed)
        measures = measure(tuned.model.scores(dataset.test, tuned.variant), dataset.test)
        runs.append({
            "seed": seed,
            "measures": measures,
            "validation": tuned.validation,
            "chosen": tuned.chosen,
            "seconds": tuned.seconds,
            "refit_seconds": tuned.refit_seconds,
        })
        log(f"  {method.name} {seed}: MAP {measures['mean']:.4f} (validation {tuned.validation:.4f}), {tuned.seconds:.1f} s")
    return runs


def run_uncsm(binary, dataset, seeds, out):
    """Entries per seed for each of UNCSM's similarities."""
    runs = {}
    for seed in seeds:
        bundle = out / f"{dataset.name}-{seed}.bundle"
        if bundle.exists():
            shutil.rmtree(bundle)
        rows, stages, seconds = uncsm.run(binary, dataset, bundle, seed)
        for name, measures in rows.items():
            entry = {"seed": seed, "measures": measures, "chosen": stages, "seconds": seconds}
            runs.setdefault(f"UNCSM {name}", []).append(entry)
        log(f"  UNCSM {seed}: " + ", ".join(f"{name} {row['mean']:.4f}" for name, row in rows.items()) + f", {seconds:.1f} s")
    return runs


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in args.datasets:
        dataset = data.load(name, args.data, args.binary)
        log(f"{name}: {len(dataset.train)} train rows, {len(dataset.test)} test rows")
        checked = grouping.check(dataset.train, dataset.test, args.seeds)
        for key, value in checked.items():
            log(f"  {key}: {value}")
        result = {"features": dataset.features, "grouping": checked, "runs": {}, "summary": {}}
        results[name] = result
        for method in args.methods:
            if method == "UNCSM":
                found = run_uncsm(args.binary, dataset, args.seeds, args.out)
            else:
                found = {method: run_baseline(methods.ALL[method], dataset, args.seeds)}
            for label, runs in found.items():
                result["runs"][label] = runs
                result["summary"][label] = report.summarise(runs)
            # After each method, so that a run that is ended early has its table.
            text = report.write(results, args.out)
    print(text)


if __name__ == "__main__":
    main()
