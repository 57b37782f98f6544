"""The table: means and deviations over seeds, as Markdown and JSON, and where UNCSM's metric is not above."""

import json

import numpy as np

COLUMNS = ("image_to_text", "text_to_image", "mean", "recall@1", "recall@5", "recall@10")
TITLES = ("MAP image->text", "MAP text->image", "MAP mean", "recall@1", "recall@5", "recall@10")
METRIC = "UNCSM metric_class"


def summarise(runs):
    """Mean and deviation (n - 1; none of a single seed) over the seeds of each measure, and the mean seconds."""
    out = {"seeds": len(runs)}
    for column in COLUMNS:
        values = np.array([run["measures"][column] for run in runs])
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        out[column] = {"mean": float(values.mean()), "deviation": deviation}
    out["seconds"] = float(np.mean([run["seconds"] for run in runs]))
    return out


def not_above(summary):
    """Sentences on where UNCSM's class metric is not above what it must beat; none is good news."""
    if METRIC not in summary:
        return [], "UNCSM was not run"
    metric, said = summary[METRIC], []

    def value(name, column):
        return summary[name][column]["mean"]

    for column in ("image_to_text", "text_to_image"):
        own, other = value(METRIC, column), value("UNCSM cosine", column)
        if own <= other:
            said.append(f"not above its own cosine, {column}: {own:.4f} against {other:.4f}")
    if "UNCSM posterior" in summary and metric["mean"]["mean"] <= value("UNCSM posterior", "mean"):
        said.append(
            f"not above the posterior dot product of its own pathways: {metric['mean']['mean']:.4f} against "
            f"{value('UNCSM posterior', 'mean'):.4f}"
        )
    for name, row in summary.items():
        if name.startswith("UNCSM"):
            continue
        lead = metric["mean"]["mean"] - row["mean"]["mean"]
        deviations = metric["mean"]["deviation"], row["mean"]["deviation"]
        if None in deviations:
            said.append(f"lead over {name} {lead:+.4f}, but a single seed has no deviation to compare it with")
        elif lead <= (deviation := max(deviations)):
            said.append(f"not above {name} by more than the deviation: lead {lead:+.4f}, deviation {deviation:.4f}")
    return said, None


def cell(value):
    """Mean and deviation; a single seed has none."""
    deviation = value["deviation"]
    return f"{value['mean']:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def markdown(results):
    """All datasets as Markdown."""
    out = []
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}.", ""]
        out += ["| method | seeds | " + " | ".join(TITLES) + " | seconds |", "|---" * (len(TITLES) + 3) + "|"]
        for method, row in result["summary"].items():
            cells = [cell(row[c]) for c in COLUMNS]
            out.append(f"| {method} | {row['seeds']} | " + " | ".join(cells) + f" | {row['seconds']:.1f} |")
        said, absent = not_above(result["summary"])
        out += ["", "Where UNCSM's class metric is not above (MAP mean):", ""]
        out += [f"- {sentence}" for sentence in said] or [f"- {absent or 'nowhere'}"]
        out += ["", "Grouping check:", ""] + [f"- {key}: {value}" for key, value in result["grouping"].items()]
        out += ["", "Chosen on validation, per seed:", ""]
        for method, runs in result["runs"].items():
            for run in runs:
                out.append(f"- {method}, seed {run['seed']}: {json.dumps(run['chosen'])}")
        out.append("")
    return "\n".join(out)


def write(results, folder):
    """Writes `quality.md` and `quality.json`; returns the Markdown."""
    text = markdown(results)
    (folder / "quality.md").write_text(text, encoding="utf-8")
    for result in results.values():
        result["not_above"] = not_above(result["summary"])[0]
    (folder / "quality.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return text
