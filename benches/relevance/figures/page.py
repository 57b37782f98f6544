"""The result as Markdown and JSON."""

import json

from .ranks import MEASURES, RESAMPLES
from .verdict import WORDS, signed

TITLES = [title for measure in MEASURES for title in (measure, f"hybrid minus it, {measure} (95 %)")]


def _table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _systems(section):
    """A table of systems: their measures, and what the hybrid has more."""
    rows = []
    for name, row in section["systems"].items():
        if "refused" in row:
            rows.append([name, *[f"refused: {row['refused']}"], *[""] * (len(TITLES) - 1)])
            continue
        cells = []
        for measure in MEASURES:
            cells += [f"{row[measure]:.3f}", signed(row["difference"][measure]) if "difference" in row else ""]
        rows.append([f"**{name}**" if name == section["hybrid"] else name, *cells])
    return _table(["system", *TITLES], rows)


def _chosen(result):
    rows = []
    for choice in result["chosen"]:
        cells = [f"{choice['by_task'][task][measure]:.3f}" for task in result["tasks"] for measure in MEASURES] if choice["system"] else []
        name = choice["system"] or f"{choice['fusion']} with {choice['similarity']}: refused: {choice['refused'][0]['said']}"
        value = f"{choice['value']:.4f}" if choice["system"] else ""
        rows.append([name, value, *(cells or [""] * 2 * len(result["tasks"])), len(choice["tried"]), len(choice["refused"])])
    heads = [f"{task}: {measure}" for task in result["tasks"] for measure in MEASURES]
    return _table(["best setting", "value", *heads, "settings", "refused"], rows)


def markdown(result):
    """The whole result."""
    about = result["about"]
    out = [
        "## Relevance of hybrid queries: openclipart",
        "",
        f"Features: {about['features']}. {about['train']} train rows, {about['test']} test rows, training seeds {about['seeds']}, "
        f"{about['draws']} keyword seeds, {RESAMPLES:,} resamples of documents. Relevant is a query's own document alone; equal scores "
        "are in the order of the engine, which breaks ties by id.",
        "",
        f"Chosen on train rows held out of training ({about['folds']} grouped folds): by the mean of both measures over both kinds of queries.",
        "",
        *_chosen(result),
        "",
        f"The hybrid: {result['hybrid']}. With cosine: {result['cosine_hybrid']}. {result['default']}",
    ]
    for task, section in result["tasks"].items():
        out += ["", f"### {task}", ""]
        counts = f"{section['documents']} documents with {section['queries']} different queries, {section['left_out']} rows left out"
        out.append(f"{counts}, {section['indexed']} documents in the index.")
        out += ["", *_systems(section), "", "What the hybrid must beat, in both measures:", ""]
        rows = []
        for one in section["comparisons"]:
            cells = [f"{WORDS[interval['verdict']]}, {signed(interval)}" for interval in one["measures"].values()]
            rows.append([one["against"], one["system"], *cells])
        out += _table(["against", "system", *MEASURES], rows)
        if "learned" in section:
            out += ["", "The learned fusion, cross-fitted on the bundles of the folds, beside the fusions on the same bundles:", ""]
            out += _systems(section["learned"])
    out += ["", "### In words", ""] + [f"- {line}" for line in result["words"]] + [""]
    return "\n".join(out)


def write(result, folder):
    """Writes `relevance.md` and `relevance.json`, each at once; returns the Markdown."""
    text = markdown(result)
    for file, content in (("relevance.md", text), ("relevance.json", json.dumps(result, indent=1))):
        partial = folder / f"{file}.partial"
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / file)
    return text
