"""Whether a probability means what it says: top hits of held-out queries at the natural rate.

    python3 benches/quality/reliability.py --data DIR [--data DIR2] --out DIR [--datasets openclipart,wikipedia] [--seeds 42,43,44]
                                           [--binary PATH] [--threads N] [--again]

Trains with defaults, builds an index of the test rows alone, and asks for its ten best hits for every test row in both directions and
for both targets. A hit is right for `class` where it has the class of the query (queries and hits without one are left out), for
`pair` where it is the item of the query's own row, or one of byte-equal content. So a query of `pair` has one right hit among as many
as there are test rows: the rate of the index. Writes `reliability.md` and `reliability.json` below `--out`; what is there with the
same features and binary is kept.
"""

import json
import shutil

import numpy as np
from safetensors.numpy import load_file, save_file

import uncsm
from measures import content_numbers, has_classes
from study import Study, parser

AT_LEAST = (0.5, 0.8, 0.9, 0.99)
TOP, BINS = 10, 10
NOTE = """The ten best hits of every test row as a query among the test rows, over all seeds. "right at >= p" is the share of right hits among
those with a probability of at least p, with their number; empty where there are none. ECE is the mean distance, over the hits in ten
bins of equal width, between their mean probability and the share that is right. "best hit" is the share of queries whose first hit is right."""


def test_file(dataset, path):
    """Writes the test rows of a dataset's features, row i of every tensor the test row i."""
    stored = load_file(dataset.file)
    rows = np.flatnonzero(stored[dataset.tensors["is_test"]].astype(bool))
    save_file({name: np.ascontiguousarray(stored[name][rows]) for name in uncsm.media(dataset).values()}, path)


def queries(dataset, target):
    """A line of a batch for each test row in each direction: all of the first media type, then all of the second."""
    first, second = uncsm.media(dataset)
    for own, other, rows in ((first, second, dataset.test.image), (second, first, dataset.test.text)):
        for row in rows:
            yield {"features": {own: row.tolist()}, "media": other, "target": target, "k": TOP}


def judged(answers, test, target):
    """Probability and whether it is right of every hit, `[rank, probability, right]`, from the answers to `queries`."""
    n, out = len(test), []
    contents = content_numbers(test.text), content_numbers(test.image)
    for at, answer in enumerate(answers):
        direction, row = divmod(at, n)
        for hit in answer["hits"]:
            other = int(hit["id"])
            if target == "pair":
                right = contents[direction][row] == contents[direction][other]
            elif min(test.label[row], test.label[other]) < 0:
                continue
            else:
                right = test.label[row] == test.label[other]
            out.append([hit["rank"], hit["probability"], bool(right)])
    return out


def figures(hits):
    """Shares that are right by least probability, with counts, and the calibration error."""
    rank, p, right = (np.array(column, dtype=np.float64) for column in zip(*hits))
    out = {"hits": len(p), "mean": float(p.mean()), "right": float(right.mean()), "first": float(right[rank == 1].mean())}
    for least in AT_LEAST:
        there = p >= least
        share = float(right[there].mean()) if there.any() else None
        out[f"at {least}"] = {"count": int(there.sum()), "right": share, "mean": float(p[there].mean()) if there.any() else None}
    number = np.minimum((p * BINS).astype(int), BINS - 1)
    gaps = [abs((p[number == one] - right[number == one]).sum()) for one in range(BINS)]
    out["ece"] = float(sum(gaps) / len(p))
    return out


def measure(args, dataset, variant, seed, bundle):
    """Trains, builds an index of the test rows, and asks it."""
    uncsm.train(args.binary, dataset, bundle, seed, threads=args.threads)
    file, index, batch = (bundle.with_suffix(end) for end in (".safetensors", ".index", ".jsonl"))
    if index.exists():
        shutil.rmtree(index)
    test_file(dataset, file)
    uncsm.build(args.binary, dataset, bundle, index, file)
    out, said = {}, []
    for target in ("class", "pair"):
        if target == "class" and not has_classes(dataset.train):
            continue
        with open(batch, "w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(line) + "\n" for line in queries(dataset, target))
        out[target] = judged(uncsm.batch(args.binary, index, batch), dataset.test, target)
        found = figures(out[target])
        said.append(f"{target} ECE {found['ece']:.3f}, right at 0.9 {_share(found['at 0.9'])}")
    shutil.rmtree(index)
    file.unlink()
    batch.unlink()
    return {"said": "; ".join(said), "hits": out}


def summarise(runs):
    """Figures of each target over the hits of all seeds."""
    out = {"seeds": len(runs)}
    for target in ("class", "pair"):
        hits = [hit for run in runs for hit in run["hits"].get(target, [])]
        if hits:
            out[target] = figures(hits)
    return out


def _share(found):
    return "" if found["right"] is None else f"{found['right']:.3f} of {found['count']}"


def markdown(results):
    """All datasets as Markdown."""
    titles = ["dataset", "target", "seeds", "hits", "right", "mean probability", "best hit"]
    titles += [*(f"right at >= {least}" for least in AT_LEAST), "ECE"]
    out = ["# Reliability", "", NOTE, "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, result in results.items():
        for summary in result["summary"].values():
            for target, row in summary.items():
                if target == "seeds":
                    continue
                cells = [name, f"`{target}`", summary["seeds"], row["hits"], f"{row['right']:.3f}", f"{row['mean']:.3f}", f"{row['first']:.3f}"]
                cells += [*(_share(row[f"at {least}"]) for least in AT_LEAST), f"{row['ece']:.3f}"]
                out.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*out, ""])


STUDY = Study("reliability", {"defaults": {}}, measure, summarise, markdown)


if __name__ == "__main__":
    STUDY.main(parser(__doc__))
