"""Relevance of hybrid queries on OpenClipart: every leg and every fusion, with the metric network and with cosine.

    pip install -r benches/relevance/requirements.txt
    python3 benches/relevance/run.py --data DIR --out DIR [--binary PATH] [--seeds 42] [--draws 5] [--folds 4] [--threads N]
                                     [--again] [--keep-bundles] [--skip-learned]

Writes `relevance.md` and `relevance.json` below `--out`, and prints the first. Bundles, indexes and answers that are there from the same
inputs and the same binary are kept; `--again` makes them anew, `--keep-bundles` also keeps bundles that another binary has trained.

Two kinds of queries on the test rows of `openclipart-mini`, with the features that came with it. The index holds the texts (id, `text`,
its vector), and a query is a document's picture with one of its keywords, drawn by `--draws` seeds, as a phrase; rows without keywords
are left out. The mirror image: the index holds the pictures (id, `category`, the vector), and a query is a document's text with its
category's words, over the rows whose text has none of them ("and" does not count); there is nothing to draw. Relevant is the document that the
query was made from, and no other, be its text the same. Equal scores stand in the order of the engine.

What is chosen, and on what. For each fusion, with the metric network (over its targets) and with cosine: weights, the constant of rrf, the
normalisation; then the fusion. All on queries of the same kinds on train rows: grouped folds (near-duplicates, equal texts and
titles stay together), each with a bundle trained on the others. One setting serves both kinds of queries. No test row is used before the
last choice is made. The learned fusion is cross-fitted on the same folds (`testing.py`).

Intervals: paired bootstrap over documents; the seeds of one document stay together.
"""

import argparse
import fcntl
import os
import sys
from pathlib import Path

import choose
import rows
import systems
import testing
from engine import Engine
from figures import page, results
from quality import data
from queries import TASKS

ROOT = Path(__file__).resolve().parents[2]
DATASET = "openclipart"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = os.environ.get("UNCSM_DATA")
    given = [Path(root) for root in known.split(os.pathsep)] if known else None
    parser.add_argument("--data", type=Path, action="append", help="folder of datasets; may be repeated (default: UNCSM_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and all that is made for it")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--seeds", default="42", help="of the bundles on all train rows; the first is that of the folds, too")
    parser.add_argument("--draws", type=int, default=5, help="keyword seeds")
    parser.add_argument("--folds", type=int, default=4, help="of the train rows")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--again", action="store_true", help="make what is there already, too")
    parser.add_argument("--keep-bundles", action="store_true", help="keep bundles that another binary has trained")
    parser.add_argument("--skip-learned", action="store_true", help="no learned fusion")
    args = parser.parse_args()
    args.data = args.data or given
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    if not args.data:
        parser.error("no data: name its folder with --data or UNCSM_DATA")
    if not args.binary.exists():
        parser.error(f"no binary at {args.binary}: build it, or name one with --binary")
    if args.folds < 2 or args.draws < 1:
        parser.error("expected --folds 2 or more and --draws 1 or more")
    return args


def log(text):
    print(text, file=sys.stderr, flush=True)


def lock(folder):
    """Keeps other runs from the folder as long as the file that it returns is open."""
    file = open(folder / ".lock", "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        sys.exit(f"{folder}: another run writes to this folder; wait for its end, or choose another --out")
    return file


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    with lock(args.out):
        print(run(args))


def run(args):
    """All of it; the Markdown."""
    folder, file, tensors = data.find(DATASET, args.data), *data.KNOWN[DATASET][1:]
    train, test = rows.load(folder, file, tensors)
    engine = Engine(args.binary, args.out, args.threads, args.again, args.keep_bundles)
    draws = range(args.draws)

    found = choose.tuning_folds(engine, train, args.folds, args.seeds[0], draws, log)
    # First, so that a leg which the engine refuses ends the run before the long part.
    legs = {system.name: choose.value(found, system)[0] for system in [*systems.single_legs(), systems.engine_default()]}
    choices = choose.settings(found, log)
    fusions = {similarity: choose.over_fusions(choices, similarity) for similarity in systems.SIMILARITIES}

    benches = testing.final_benches(engine, train, test, args.seeds, draws, log)
    result = results.start(choices, fusions, legs)
    result["about"] = {
        "features": f"{tensors['image']} {train.image.shape[1]}, {tensors['text']} {train.text.shape[1]}",
        "train": len(train), "test": len(test), "seeds": args.seeds, "draws": args.draws, "folds": args.folds,
        "features_sha256": data.file_hash(folder / file), "items_sha256": data.file_hash(folder / "items.jsonl"),
    }  # fmt: skip
    for at, task in enumerate(TASKS):
        log(f"{task.name}: test rows")
        section = results.section(benches[task.name], choices, fusions)
        if not args.skip_learned:
            on_folds = testing.on_folds(engine, found, test, at, draws)
            section["learned"] = results.learned(engine, found, on_folds, at, choices, fusions, log)
        result["tasks"][task.name] = section
    results.finish(result)
    return page.write(result, args.out)


if __name__ == "__main__":
    main()
