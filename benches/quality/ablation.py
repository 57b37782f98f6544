"""What each part of UNCSM pays: the members of a pathway, the stages of deep members, and the form of the metric network.

    python3 benches/quality/ablation.py --data DIR [--data DIR2] --out DIR [--datasets wikipedia,openclipart,tuxpaint]
                                        [--seeds 42,43,44] [--binary PATH] [--threads N] [--again] [--inner ROWS] [--variants A;B]

Each variant is a training with `train --config` and an `eval` on the test rows; what a configuration does not name keeps its
default, and everything that the binary chooses on validation it chooses anew for each variant. Writes `ablation.md`,
`ablation.json`, the configurations and the bundles below `--out`. A (dataset, variant, seed) that is there with the same features,
settings and binary is kept, so the table may be made in parts. With `--inner` a quarter of the train rows is measured in place of test,
another for each seed: that is what decides about defaults.
"""

import json
import time

import uncsm
from study import Study, parser, slug
from tables.report import cell
from tables.summary import over_seeds

OURS = "defaults"
# Small data keep deep members only where these are far ahead of the kernel member, so what belongs to deep members is varied without it.
DEEP = {"kernel": False}
VARIANTS = {
    OURS: {},
    "kernel member alone": {"members": 0},
    "kernel member in closed form": {"steps_kernel": 0},
    "without the hub term": {"hub": False},
    "deep members alone: contrastive only": {**DEEP, "epochs_double_triplet": 0, "epochs_metric": 0},
    "+ double triplet": {**DEEP, "epochs_metric": 0},
    "+ metric, vectors frozen": {**DEEP, "learning_rate_joint": 0.0},
    "+ metric, joint (deep members alone)": DEEP,
    "the same with a hidden layer": {**DEEP, "half": 32},
    "the same without the hub term": {**DEEP, "hub": False},
    "the paper's head": {**DEEP, "head": "concatenation", "half": 512, "ranking_weight": 0.0},
    "one deep member of two": {**DEEP, "members": 1, "hidden": 256},
    "deep members alone, 32 elements": {**DEEP, "dim": 32},
    "the same with a hidden layer, 32 elements": {**DEEP, "dim": 32, "half": 32},
    "deep members alone, 64 elements": {**DEEP, "dim": 64},
    "the same with a hidden layer, 64 elements": {**DEEP, "dim": 64, "half": 32},
}
JOINT = "+ metric, joint (deep members alone)"
# What a part adds is the first row less the second.
PARTS = {
    "the kernel member": (OURS, JOINT),
    "the deep members": (OURS, "kernel member alone"),
    "what the kernel member learns beyond the closed form": (OURS, "kernel member in closed form"),
    "the hub term": (OURS, "without the hub term"),
    "the double triplet stage": ("+ double triplet", "deep members alone: contrastive only"),
    "the metric stage": (JOINT, "+ double triplet"),
    "joint training in the metric stage": (JOINT, "+ metric, vectors frozen"),
    "a hidden layer of the metric network": ("the same with a hidden layer", JOINT),
    "our head over the paper's": ("the same without the hub term", "the paper's head"),
    "two deep members over one": (JOINT, "one deep member of two"),
    "a hidden layer over 32 elements": ("the same with a hidden layer, 32 elements", "deep members alone, 32 elements"),
    "a hidden layer over 64 elements": ("the same with a hidden layer, 64 elements", "deep members alone, 64 elements"),
}
# Key, title, similarity, measure.
COLUMNS = (
    ("map_metric", "MAP `class`", "metric_class", "mean"),
    ("recall1_pair", "recall@1 `pair`", "metric_pair", "recall@1"),
    ("recall_pair", "recall@10 `pair`", "metric_pair", "recall@10"),
    ("map_posterior", "MAP posterior", "posterior", "mean"),
    ("map_cosine", "MAP cosine", "cosine", "mean"),
    ("recall_cosine", "recall@10 cosine", "cosine", "recall@10"),
)
# The columns that a part is judged by.
JUDGED = COLUMNS[:3]
NOTE = """MAP and recall are means of both directions on the test rows, with `--inner` on train rows that are held out; `class` and `pair` are the targets of the metric network. Where there
are no classes a cell is empty.

- "contrastive only" and "+ double triplet" have not trained a metric network: theirs is what it starts from, a scaled dot product. For `class` that is the dot
  product of posteriors weighted by the shares of the classes, plus a weight of the dot product of the unit parts; temperature, power
  of the class weights and this weight are chosen on validation. For `pair` it is that of the unit parts, with a tenth of that of the posteriors.
- "vectors frozen" trains the metric network with a learning rate of 0 for the pathways, "joint" trains both.
- All rows from "deep members alone: contrastive only" on have no kernel member. All rows have the hub term but those that say so and the paper's head. Up to 6,144 train rows the kernel
  member is in closed form by default.
- "the paper's head" is a hidden layer of 512 over the concatenation of both vectors, from a random start and without the ranking
  loss; pathways, losses of the earlier stages and everything else are those of the row of joint training without the hub term.
- "with a hidden layer" asks for one of 32, which training leaves out where it pays nothing on validation. At 32 and 64 elements a bilinear
  form leaves most to be gained. A hidden layer takes 32 numbers more of each row, so its row of 32 elements is to be held against the other of 64, too.
- "one deep member of two" has a hidden layer of 256 in each pathway, where the defaults have two.
- Seconds are those of `train`, on a machine that may have done other work besides.
- What a part adds is a difference of means over the seeds; it adds something where that is above the larger of both deviations. A
  single seed has no deviation."""


def config_file(folder, variant):
    """Writes the settings of a variant as TOML, whose numbers, strings and truth values are those of JSON."""
    path = folder / f"{slug(variant)}.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in VARIANTS[variant].items()), encoding="utf-8")
    return path


def measure(args, dataset, variant, seed, bundle):
    """Trains and measures a variant."""
    started = time.perf_counter()
    trained = uncsm.train(args.binary, dataset, bundle, seed, threads=args.threads, config=config_file(args.out, variant))
    seconds = time.perf_counter() - started
    measures = uncsm.measures(uncsm.evaluate(args.binary, dataset, bundle), uncsm.media(dataset))
    said = ", ".join(uncsm.said(name, row) for name, row in measures.items())
    return {"said": f"{said}, {seconds:.1f} s", "measures": measures, "seconds": seconds, "stages": uncsm.stages(trained)}


def summarise(runs):
    """Means and deviations over seeds; a column is left out where a run lacks its measure."""
    out = {"seeds": len(runs), "seconds": over_seeds([run["seconds"] for run in runs])["mean"]}
    for key, _, similarity, name in COLUMNS:
        found = [run["measures"].get(similarity, {}).get(name) for run in runs]
        if None not in found:
            out[key] = over_seeds(found)
    return out


def adds(summary):
    """What each part adds: `{part: {column: {"adds", "deviation"}}}`, without what has not been run."""
    out = {}
    for part, (with_it, without) in PARTS.items():
        if with_it not in summary or without not in summary:
            continue
        found = {}
        for key, *_ in JUDGED:
            if key in summary[with_it] and key in summary[without]:
                one, other = summary[with_it][key], summary[without][key]
                deviations = one["deviation"], other["deviation"]
                deviation = None if None in deviations else max(deviations)
                found[key] = {"adds": one["mean"] - other["mean"], "deviation": deviation}
        out[part] = found
    return out


def _judged(found):
    """A cell that says whether the part adds something."""
    if found is None:
        return ""
    gain, deviation = found["adds"], found["deviation"]
    word = "" if deviation is None else ", takes" if gain < -deviation else ", nothing" if gain <= deviation else ", adds"
    return f"{gain:+.3f}{word}"


def markdown(results):
    """All datasets as Markdown."""
    out = ["# Ablation", "", NOTE, ""]
    titles = ["variant", "seeds", *(title for _, title, _, _ in COLUMNS), "seconds"]
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}.", "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
        for variant, row in result["summary"].items():
            cells = [cell(row[key]) if key in row else "" for key, *_ in COLUMNS]
            out.append("| " + " | ".join([variant, str(row["seeds"]), *cells, f"{row['seconds']:.1f}"]) + " |")
        heads = ["part", *(title for _, title, _, _ in JUDGED)]
        out += ["", "What each part adds:", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for part, found in adds(result["summary"]).items():
            out.append("| " + " | ".join([part, *(_judged(found.get(key)) for key, *_ in JUDGED)]) + " |")
        out.append("")
    return "\n".join(out)


STUDY = Study("ablation", VARIANTS, measure, summarise, markdown)


def main():
    STUDY.main(parser(__doc__))


if __name__ == "__main__":
    main()
