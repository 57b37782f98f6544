"""The table: means and deviations over seeds, as Markdown and JSON."""

import json

import numpy as np

from .checks import checks, verdicts
from .summary import CALIBRATION, COLUMNS, calibration_summary, summary_of, wholes

HEADS = {
    "map": "MAP over all results, relevant is the same class; baselines tuned for MAP:",
    "recall": "Recall of the paired item, mean of both directions; baselines tuned for recall@10:",
}


def cell(value):
    """Mean and deviation; a single seed has none."""
    deviation = value["deviation"]
    return f"{value['mean']:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def _table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _calibration_rows(result):
    rows = []
    for label, row in calibration_summary(result).items():
        cells = []
        for key, _ in CALIBRATION:
            value = row.get(key)
            cells.append("" if value is None else f"{value['mean']:.0f}" if key.endswith("pairs") else cell(value))
        rows.append([label, *cells])
    return rows


def _uncsm_lines(name, result):
    out = []
    rows = _calibration_rows(result)
    if rows:
        out += ["", "Calibration on test pairs:", ""] + _table(["probability", *(title for _, title in CALIBRATION)], rows)
    found = wholes(result)
    if found:
        said = []
        for at, stage in enumerate(found[0]["stages"]):
            seconds = np.mean([whole["stages"][at]["seconds"] for whole in found])
            said.append(f"{stage['name']} {seconds:.1f} s")
        total = np.mean([whole["train_seconds"] for whole in found])
        processor = [whole.get("processor_seconds") for whole in found]
        # Other work on the machine changes these least.
        more = "" if None in processor else f"; {np.mean(processor):.1f} processor seconds, of all threads"
        out += ["", f"Training of UNCSM: {total:.1f} s ({', '.join(said)}){more}."]
    held = checks(name, result)
    words = {True: "yes", False: "**no**", None: "unknown"}
    out += ["", *(f"Verdict, {one['check']}: {words[one['passed']]} ({one['detail']})." for one in verdicts(name, result))]
    out += ["", "What UNCSM must show:", ""]
    if held:
        out += _table(["check", "holds", "figures"], [[one["check"], words[one["passed"]], one["detail"]] for one in held])
    else:
        out.append("UNCSM was not run.")
    return out


def _titles(aim, result):
    """Heads of the columns."""
    if aim == "recall":
        return COLUMNS[aim]
    first, second = result.get("media", ("image", "text"))
    return f"MAP {first}->{second}", f"MAP {second}->{first}", "MAP mean"


def _chosen_lines(result):
    """What each baseline was tuned to, per seed and aim."""
    out = []
    for label, runs in result["runs"].items():
        for run in runs:
            for aim, tuned in run.get("tuned", {}).items():
                out.append(f"- {label}, seed {run['seed']}, {aim}: {json.dumps(tuned['chosen'])}")
    return out


def markdown(results):
    """All datasets as Markdown."""
    out = []
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}."]
        for aim, summary in summary_of(result).items():
            if not summary:
                out += ["", f"No {'MAP: there are no classes' if aim == 'map' else 'recall'}."]
                continue
            rows = []
            for label, row in summary.items():
                rows.append([label, row["seeds"], *(cell(row[column]) for column in COLUMNS[aim]), f"{row['seconds']:.1f}"])
            out += ["", HEADS[aim], ""] + _table(["method", "seeds", *_titles(aim, result), "seconds"], rows)
        out += _uncsm_lines(name, result)
        out += ["", "Grouping check:", ""] + [f"- {key}: {value}" for key, value in result["grouping"].items()]
        out += ["", "Chosen on validation, per seed:", "", *_chosen_lines(result), ""]
    return "\n".join(out)


def write(results, folder):
    """Writes `quality.md` and `quality.json`, each at once so that a run that is ended leaves whole files; returns the Markdown."""
    text = markdown(results)
    full = {}
    for name, result in results.items():
        more = {"summary": summary_of(result), "calibration": calibration_summary(result), "checks": checks(name, result)}
        more["verdicts"] = verdicts(name, result)
        full[name] = {**result, **more}
    for file, content in (("quality.md", text), ("quality.json", json.dumps(full, indent=1))):
        partial = folder / f"{file}.partial"
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / file)
    return text
