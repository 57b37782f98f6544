"""Quality by stored bytes: a bundle for each width of the shared vector, what it finds, and what an index of it takes per item.

    python3 benches/quality/bytes.py --data DIR [--data DIR2] --out DIR [--datasets openclipart,tuxpaint] [--seeds 42,43,44]
                                     [--binary PATH] [--threads N] [--again]

Each width is a training with `train --dim`, everything else as by default, an `eval` on the test rows, and an index of the whole
features file, whose vector files are measured. Writes `bytes.md` and `bytes.json` below `--out`. A (dataset, width, seed) that is there
with the same features and binary is kept.
"""

import shutil

import uncsm
from study import Study, parser
from tables.report import cell
from tables.summary import over_seeds

DIMS = {str(dim): {"dim": dim} for dim in (32, 64, 96, 128, 192, 256)}
# Title, similarity, measure.
COLUMNS = (
    ("recall@1 `pair`", "metric_pair", "recall@1"),
    ("recall@10 `pair`", "metric_pair", "recall@10"),
    ("recall@10 cosine", "cosine", "recall@10"),
    ("MAP `class`", "metric_class", "mean"),
    ("MAP cosine", "cosine", "mean"),
)
NOTE = """Means of both directions on the test rows. "vector" is the shared vector alone, two bytes a number (f16). "index" is what the vector
files of an index of all rows take for one item: vectors, what a head keeps for each item, numbers of documents and checksums. The engine
stores f16 alone: there are no rows of int8."""


def per_item(binary, dataset, bundle):
    """Bytes of the vector files of an index of all rows, for one item."""
    index = bundle.with_suffix(".index")
    if index.exists():
        shutil.rmtree(index)
    uncsm.build(binary, dataset, bundle, index)
    segments = uncsm.inspect(binary, index)["segments"]
    shutil.rmtree(index)
    return sum(one["bytes"]["uvec"] for one in segments) / sum(sum(one["items"].values()) for one in segments)


def measure(args, dataset, variant, seed, bundle):
    """Trains and measures a width."""
    uncsm.train(args.binary, dataset, bundle, seed, threads=args.threads, dim=DIMS[variant]["dim"])
    measures = uncsm.measures(uncsm.evaluate(args.binary, dataset, bundle), uncsm.media(dataset))
    stored = per_item(args.binary, dataset, bundle)
    said = ", ".join(uncsm.said(name, row) for name, row in measures.items())
    return {"said": f"{said}, {stored:.0f} bytes an item", "measures": measures, "bytes": stored}


def summarise(runs):
    """Means and deviations over seeds."""
    out = {"seeds": len(runs), "bytes": over_seeds([run["bytes"] for run in runs])["mean"]}
    for title, similarity, name in COLUMNS:
        found = [run["measures"].get(similarity, {}).get(name) for run in runs]
        if None not in found:
            out[title] = over_seeds(found)
    return out


def markdown(results):
    """All datasets as Markdown."""
    out = ["# Quality by stored bytes", "", NOTE, ""]
    titles = ["dim", "vector", "index", "seeds", *(title for title, *_ in COLUMNS)]
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}.", "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
        for dim, row in result["summary"].items():
            cells = [cell(row[title]) if title in row else "" for title, *_ in COLUMNS]
            out.append("| " + " | ".join([dim, str(2 * int(dim)), f"{row['bytes']:.0f}", str(row["seeds"]), *cells]) + " |")
        out.append("")
    return "\n".join(out)


STUDY = Study("bytes", DIMS, measure, summarise, markdown)


if __name__ == "__main__":
    STUDY.main(parser(__doc__))
