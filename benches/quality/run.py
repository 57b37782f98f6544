"""Quality of UNCSM and ten baselines on the same features and splits.

    python3 benches/quality/run.py --data DIR [--data DIR2] --out DIR [--datasets wikipedia,openclipart,tuxpaint,emoji]
                                   [--methods CCA,SM,UNCSM] [--seeds 42,43,44] [--binary PATH] [--threads N] [--again]
                                   [--image-encoder NAME_OR_DIR --text-encoder NAME_OR_DIR]

Writes `quality.md`, `quality.json` and UNCSM's bundles below `--out`. A (dataset, method, seed) that is there with the same
features and settings (UNCSM: the same binary) is kept, so the table may be made in parts, one after the other; `--again` runs
it anew.

What is tuned for whom. Every baseline, for each seed and twice, for MAP and for recall@10 of the paired item: its whole grid (2 to 100
settings: scaling of the input, ridge or penalty, width, weights of the losses, dropout) and what only changes its scores (dimensions,
weights by correlation, cosine or dot product), by the mean over three grouped validation splits of train and both directions; networks also
their number of epochs, and a short first round picks the quarter of their grid that is trained in full (`tuning.py`). Then a refit to
all train rows for each. The table of MAP shows the one, the table of recall the other. UNCSM: nothing here; `train` runs with its
defaults on every dataset, and draws and uses grouped validation of its own. Groups of the features file are kept together by both; texts
and titles of `items.jsonl` are known to the splits of the baselines alone. Train rows without a class are left to UNCSM, except where
there are no classes at all: there all learn from all rows, recall alone is measured, and baselines that need classes are left out.

A seed draws the validation splits of a baseline, the start of its networks and the order of its batches. Seconds: of a baseline,
the search and the refit; of UNCSM, `train`.
"""

import argparse
import fcntl
import shutil
import sys
from pathlib import Path

import torch

import methods
import tuning
import uncsm
from features import data, grouping
from measures import measure
from tables import report, table

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder of datasets; may be repeated, the first that has one wins")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table")
    parser.add_argument("--datasets", default=",".join(data.KNOWN), help="default: all")
    parser.add_argument("--methods", default=",".join([*methods.ALL, "UNCSM"]))
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="run what is there already, too")
    for media in ("image", "text"):
        parser.add_argument(f"--{media}-encoder", metavar="NAME_OR_DIR", help="makes the features of a corpus that has none")
    args = parser.parse_args()
    args.datasets, args.methods = args.datasets.split(","), args.methods.split(",")
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    args.encoders = {"image": args.image_encoder, "text": args.text_encoder}
    for given, known in ((args.datasets, data.KNOWN), (args.methods, [*methods.ALL, "UNCSM"])):
        for name in given:
            if name not in known:
                parser.error(f"unknown name {name!r}; expected some of {', '.join(known)}")
    if "UNCSM" in args.methods and not args.binary.exists():
        parser.error(f"no binary at {args.binary}: build it, name one with --binary, or leave UNCSM out of --methods")
    return args


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_baseline(method, dataset, seed, settings):
    """The run of one seed. The test labels are read by `measure` alone, after everything is chosen."""
    found, seconds = tuning.tune(method, dataset.train, seed)
    run = {"seed": seed, "settings": settings, "seconds": seconds + sum(tuned.refit_seconds for tuned in found.values()), "tuned": {}}
    for aim, tuned in found.items():
        measures = measure(tuned.model.scores(dataset.test, tuned.variant), dataset.test)
        shown = measures["mean" if aim == "map" else f"recall@{tuning.RECALL}"]
        log(f"  {method.name} {seed}: {aim} {shown:.4f} (validation {tuned.validation:.4f}), {run['seconds']:.1f} s")
        run["tuned"][aim] = {
            "measures": measures,
            "validation": tuned.validation,
            "chosen": tuned.chosen,
            "refit_seconds": tuned.refit_seconds,
        }
    return run


def run_uncsm(args, dataset, seed, settings):
    """The runs of one seed, by similarity; what belongs to all of them is in the one of the cosine."""
    bundle = args.out / f"{dataset.name}-{seed}.bundle"
    if bundle.exists():
        shutil.rmtree(bundle)
    rows, whole, seconds = uncsm.run(args.binary, dataset, bundle, seed, args.threads)
    log(f"  UNCSM {seed}: " + ", ".join(uncsm.said(name, row) for name, row in rows.items()) + f", {seconds:.1f} s")
    runs = {}
    for name, measures in rows.items():
        runs[f"UNCSM {name}"] = {"seed": seed, "settings": settings, "measures": measures, "seconds": seconds}
    runs["UNCSM cosine"]["whole"] = whole
    return runs


def run_dataset(args, dataset, result, save):
    """Runs what is not there yet; `save` is called after each run, so that one that is ended early has its table."""
    for method in args.methods:
        if not result["classes"] and getattr(methods.ALL.get(method), "classes", False):
            log(f"  {method}: left out, it learns from classes and there are none")
            continue
        for seed in args.seeds:
            if method == "UNCSM":
                settings, label = table.uncsm_settings(args.binary, dataset), "UNCSM cosine"
            else:
                settings, label = table.baseline_settings(methods.ALL[method], dataset), method
            if not args.again and table.has(result, label, seed, settings):
                log(f"  {method} {seed}: kept")
                continue
            if method == "UNCSM":
                runs = run_uncsm(args, dataset, seed, settings)
            else:
                runs = {method: run_baseline(methods.ALL[method], dataset, seed, settings)}
            table.put(result, runs)
            save()


def lock(folder):
    """Keeps other runs from the folder as long as the file that it returns is open: the later one would undo the earlier's."""
    file = open(folder / ".lock", "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        sys.exit(f"{folder}: another run writes to this folder; wait for its end, or choose another --out")
    return file


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    with lock(args.out):
        run(args)


def run(args):
    """All datasets, methods and seeds that were asked for."""
    results = table.load(args.out)
    for name in args.datasets:
        dataset = data.load(name, args.data, args.binary, args.encoders)
        log(f"{name}: {len(dataset.train)} train rows, {len(dataset.test)} test rows")
        result, left = table.open_dataset(results, dataset)
        if left:
            log(f"  left out: {left} runs on other features")
        checked = grouping.check(dataset.train, dataset.test, args.seeds)
        for key, value in checked.items():
            log(f"  {key}: {value}")
        result["grouping"].update(checked)
        run_dataset(args, dataset, result, lambda: report.write(results, args.out))
    print(report.write(results, args.out))


if __name__ == "__main__":
    main()
