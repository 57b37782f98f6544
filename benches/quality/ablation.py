"""What each part of UNCSM pays: the stages, the form of the metric network, and the members of a pathway.

    python3 benches/quality/ablation.py --data DIR [--data DIR2] --out DIR [--datasets wikipedia,openclipart,tuxpaint,emoji]
                                        [--seeds 42,43,44] [--binary PATH] [--threads N] [--again]

Each variant is a training with `train --config` and an `eval` on the test rows; what a configuration does not name keeps its
default, and everything that the binary chooses on validation it chooses anew for each variant. Writes `ablation.md`,
`ablation.json`, the configurations and the bundles below `--out`. A (dataset, variant, seed) that is there with the same features,
settings and binary is kept, so the table may be made in parts.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import data
import uncsm
from report import cell
from run import ROOT, lock, log
from summary import over_seeds

# Ours is the last of the stages; the rest change one thing of it.
OURS = "+ metric, joint (defaults)"
VARIANTS = {
    "contrastive only": {"epochs_double_triplet": 0, "epochs_metric": 0},
    "+ double triplet": {"epochs_metric": 0},
    "+ metric, vectors frozen": {"learning_rate_joint": 0.0},
    OURS: {},
    "the paper's head": {"head": "concatenation", "half": 512, "ranking_weight": 0.0},
    "one member of four": {"members": 1, "hidden": 256},
}
# Key, title, similarity, measure.
COLUMNS = (
    ("map_cosine", "MAP cosine", "cosine", "mean"),
    ("map_posterior", "MAP posterior", "posterior", "mean"),
    ("map_metric", "MAP metric", "metric_class", "mean"),
    ("recall_cosine", "recall@10 cosine", "cosine", "recall@10"),
    ("recall_class", "recall@10 metric", "metric_class", "recall@10"),
    ("recall_pair", "recall@10 metric, pair", "metric_pair", "recall@10"),
)
NOTE = """MAP and recall@10 are means of both directions on the test rows; "metric" is the target `class`, "pair" the target `pair`. Where
there are no classes a cell is empty.

- Rows 1 and 2 have not trained a metric network: theirs is what it starts from, a scaled dot product. For `class` that is the dot
  product of posteriors weighted by the shares of the classes, plus a share of the dot product of the unit parts; temperature, power
  of the weights and share are chosen on validation. For `pair` it is that of the unit parts, with a tenth of that of the posteriors.
- "vectors frozen" trains the metric network with a learning rate of 0 for the pathways, "joint" trains both.
- "the paper's head" is a hidden layer of 512 over the concatenation of both vectors, from a random start and without the ranking
  loss; pathways, losses of the earlier stages and everything else are those of the row above it, and it trains jointly.
- "one member of four" has a hidden layer of 256 in each pathway, where the defaults have four of 256.
- Seconds are those of `train`, on a machine that may have done other work besides."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder of datasets; may be repeated, the first that has one wins")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table")
    parser.add_argument("--datasets", default=",".join(data.KNOWN), help="default: all four")
    parser.add_argument("--seeds", default="42,43,44")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="run what is there already, too")
    return parser


def settings_of(args, dataset, variant):
    """What a run depends on, beside its seed."""
    return {"features": dataset.hash(), "binary": data.file_hash(args.binary), "config": VARIANTS[variant]}


def config_file(folder, variant):
    """Writes the settings of a variant as TOML, whose numbers and strings are those of JSON."""
    path = folder / f"{slug(variant)}.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in VARIANTS[variant].items()), encoding="utf-8")
    return path


def slug(variant):
    """A name for files."""
    return "-".join("".join(c if c.isalnum() else " " for c in variant).split())


def run_one(args, dataset, variant, seed, settings):
    """Trains and measures a variant."""
    bundle = args.out / f"{dataset.name}-{slug(variant)}-{seed}.bundle"
    if bundle.exists():
        shutil.rmtree(bundle)
    started = time.perf_counter()
    trained = uncsm.train(args.binary, dataset, bundle, seed, threads=args.threads, config=config_file(args.out, variant))
    seconds = time.perf_counter() - started
    measures = uncsm.measures(uncsm.evaluate(args.binary, dataset, bundle))
    said = ", ".join(f"{name} {row['mean']:.4f}" for name, row in measures.items())
    log(f"  {variant}, {seed}: {said}, {seconds:.1f} s")
    return {"seed": seed, "settings": settings, "measures": measures, "seconds": seconds, "stages": uncsm.stages(trained)}


def summarise(runs):
    """Means and deviations over seeds; a column is left out where a run lacks its similarity."""
    out = {"seeds": len(runs), "seconds": over_seeds([run["seconds"] for run in runs])["mean"]}
    for key, _, similarity, measure in COLUMNS:
        if all(similarity in run["measures"] for run in runs):
            out[key] = over_seeds([run["measures"][similarity][measure] for run in runs])
    return out


def markdown(results):
    """All datasets as Markdown."""
    out = ["# Ablation", "", NOTE, ""]
    titles = ["variant", "seeds", *(title for _, title, _, _ in COLUMNS), "seconds"]
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}.", "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
        for variant, row in result["summary"].items():
            cells = [cell(row[key]) if key in row else "" for key, *_ in COLUMNS]
            out.append("| " + " | ".join([variant, str(row["seeds"]), *cells, f"{row['seconds']:.1f}"]) + " |")
        out.append("")
    return "\n".join(out)


def save(results, folder):
    """Writes `ablation.md` and `ablation.json`, each at once; returns the Markdown."""
    for result in results.values():
        result["runs"] = {variant: result["runs"][variant] for variant in VARIANTS if result["runs"].get(variant)}
        result["summary"] = {variant: summarise(runs) for variant, runs in result["runs"].items()}
    text = markdown(results)
    for file, content in (("ablation.md", text), ("ablation.json", json.dumps(results, indent=1))):
        partial = folder / f"{file}.partial"
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / file)
    return text


def run_dataset(args, dataset, result, results):
    """Runs what is not there yet; runs of other settings than the present ones are dropped, so that a row is of one model."""
    for variant in VARIANTS:
        settings = settings_of(args, dataset, variant)
        runs = [run for run in result["runs"].get(variant, []) if run["settings"] == settings]
        for seed in args.seeds:
            if not args.again and any(run["seed"] == seed for run in runs):
                log(f"  {variant}, {seed}: kept")
                continue
            runs = [run for run in runs if run["seed"] != seed] + [run_one(args, dataset, variant, seed, settings)]
            runs.sort(key=lambda run: run["seed"])
            result["runs"][variant] = runs
            save(results, args.out)
        result["runs"][variant] = runs


def main():
    parser = arguments()
    args = parser.parse_args()
    args.datasets, args.seeds = args.datasets.split(","), [int(seed) for seed in args.seeds.split(",")]
    for name in args.datasets:
        if name not in data.KNOWN:
            parser.error(f"unknown name {name!r}; expected some of {', '.join(data.KNOWN)}")
    if not args.binary.exists():
        parser.error(f"no binary at {args.binary}: build it, or name one with --binary")
    args.out.mkdir(parents=True, exist_ok=True)
    with lock(args.out):
        stored = args.out / "ablation.json"
        results = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
        for name in args.datasets:
            dataset = data.load(name, args.data, args.binary)
            log(f"{name}: {len(dataset.train)} train rows, {len(dataset.test)} test rows")
            result = results.setdefault(name, {"runs": {}})
            result["features"] = dataset.features
            run_dataset(args, dataset, result, results)
        print(save(results, args.out))


if __name__ == "__main__":
    main()
