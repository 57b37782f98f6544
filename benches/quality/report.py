"""The table: means and deviations over seeds, as Markdown and JSON, and what UNCSM's metric must show."""

import json

import numpy as np

from uncsm import DIRECTIONS

COLUMNS = ("image_to_text", "text_to_image", "mean", "recall@1", "recall@5", "recall@10")
TITLES = ("MAP image->text", "MAP text->image", "MAP mean", "recall@1", "recall@5", "recall@10")
METRIC = "UNCSM metric_class"
WHOLE = "UNCSM cosine"
CALIBRATION = (
    ("half ece", "ECE at 50 %"),
    ("half brier_skill", "Brier skill at 50 %"),
    ("natural ece", "ECE, natural"),
    ("natural brier_skill", "Brier skill, natural"),
    ("precision_at_0.8 value", "precision at >= 0.8"),
    ("precision_at_0.8 pairs", "pairs at >= 0.8"),
)
# Least mean of both directions: (measure, UNCSM's similarities, the best of which counts, value).
BARS = {
    "wikipedia": [("mean", (METRIC,), 0.306)],
    "openclipart": [("mean", (METRIC,), 0.59), ("recall@10", (METRIC, "UNCSM metric_pair"), 0.35)],
}
# How far the last stage's cosine may fall below that of the second.
SPOILT = 0.01
MOST_ECE, MOST_SECONDS = 0.05, 120


def over_seeds(values):
    """Mean and deviation (n - 1; none of a single seed)."""
    values = np.array(values, dtype=np.float64)
    return {"mean": float(values.mean()), "deviation": float(values.std(ddof=1)) if len(values) > 1 else None}


def summarise(runs):
    """Mean and deviation over the seeds of each measure, and the mean seconds."""
    out = {"seeds": len(runs)}
    for column in COLUMNS:
        out[column] = over_seeds([run["measures"][column] for run in runs])
    out["seconds"] = float(np.mean([run["seconds"] for run in runs]))
    return out


def summary_of(result):
    """The rows of a dataset's table."""
    return {label: summarise(runs) for label, runs in result["runs"].items()}


def _check(name, passed, detail):
    return {"check": name, "passed": passed, "detail": detail}


def _above(name, own, other):
    return _check(name, own > other, f"{own:.4f} against {other:.4f}")


def _stage_checks(result):
    """What the training of each seed says of its stages, on validation."""
    found = []
    for whole in _wholes(result):
        last = whole["stages"][-1]["validation"]
        earlier = [stage["validation"]["cosine"] for stage in whole["stages"][:-1]]
        if last["cosine"] is not None and earlier and None not in earlier:
            found.append((last["cosine"], last["metric"], earlier[-1], max(earlier)))
    if not found:
        return []
    cosine, metric, second, best = (
        None if None in column else float(np.mean(column)) for column in zip(*found)
    )
    out = [
        _check(
            f"cosine of the last stage at most {SPOILT} below that of the stage before (validation)",
            cosine >= second - SPOILT,
            f"{cosine:.4f} against {second:.4f}",
        )
    ]
    if metric is not None:
        out.append(_above("metric above the best cosine of the earlier stages (validation)", metric, best))
    return out


def _calibration_checks(result):
    """Calibration error, and Brier skill against that of the calibrated posterior dot product where there is one."""
    found, out = calibration_summary(result), []
    for direction in DIRECTIONS:
        metric, other = found.get(f"metric, {direction}", {}), found.get(f"posterior, {direction}", {})
        if "half ece" in metric:
            ece = metric["half ece"]["mean"]
            out.append(_check(f"calibration error at 50 % at most {MOST_ECE}, {direction}", ece <= MOST_ECE, f"{ece:.4f}"))
        for rate in ("half", "natural"):
            key = f"{rate} brier_skill"
            if key in metric and key in other:
                own, posterior = metric[key]["mean"], other[key]["mean"]
                title = f"Brier skill ({rate}) at least that of the posterior, {direction}"
                out.append(_check(title, own >= posterior, f"{own:.4f} against {posterior:.4f}"))
    return out


def _wholes(result):
    return [run["whole"] for run in result["runs"].get(WHOLE, []) if "whole" in run]


def _speed_checks(result):
    seconds = [whole["train_seconds"] for whole in _wholes(result)]
    if not seconds:
        return []
    return [_check(f"training under {MOST_SECONDS} s, every seed", max(seconds) < MOST_SECONDS, f"at most {max(seconds):.1f} s")]


def checks(name, result):
    """What the class metric of UNCSM must show on a dataset, means over seeds: `{check, passed, detail}` each.

    A check that cannot be made (a single seed, say) has `passed` None. Without UNCSM there is none.
    """
    summary = summary_of(result)
    if METRIC not in summary:
        return []
    metric, out = summary[METRIC], []

    def value(label, column):
        return summary[label][column]["mean"]

    for column in DIRECTIONS:
        out.append(_above(f"metric above cosine, {column}", value(METRIC, column), value(WHOLE, column)))
    out += _stage_checks(result)
    if "UNCSM posterior" in summary:
        out.append(_above("metric above the posterior dot product", value(METRIC, "mean"), value("UNCSM posterior", "mean")))
    for label, row in summary.items():
        if label.startswith("UNCSM"):
            continue
        lead = metric["mean"]["mean"] - row["mean"]["mean"]
        deviations = metric["mean"]["deviation"], row["mean"]["deviation"]
        title = f"metric above {label} by more than the larger deviation"
        if None in deviations:
            out.append(_check(title, None, f"lead {lead:+.4f}, but a single seed has no deviation"))
        else:
            deviation = max(deviations)
            out.append(_check(title, lead > deviation, f"lead {lead:+.4f}, deviation {deviation:.4f}"))
    for column, labels, least in BARS.get(name, []):
        best = max((label for label in labels if label in summary), key=lambda label: value(label, column))
        found = value(best, column)
        out.append(_check(f"{column} of {' or '.join(labels)} at least {least}", found >= least, f"{found:.4f}, {best}"))
    return out + _calibration_checks(result) + _speed_checks(result)


def cell(value):
    """Mean and deviation; a single seed has none."""
    deviation = value["deviation"]
    return f"{value['mean']:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def _table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def calibration_summary(result):
    """Calibration per scorer and direction, over seeds; a figure is left out where a seed has none."""
    wholes = _wholes(result)
    out = {}
    for scorer in ("metric", "posterior"):
        for direction in DIRECTIONS:
            found = [whole["calibration"].get(scorer, {}).get(direction) for whole in wholes]
            if not found or None in found:
                continue
            row = {}
            for key, _ in CALIBRATION:
                values = [one.get(key) for one in found]
                if None not in values:
                    row[key] = over_seeds(values)
            if row:
                out[f"{scorer}, {direction}"] = row
    return out


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
    wholes = _wholes(result)
    if wholes:
        said = []
        for at, stage in enumerate(wholes[0]["stages"]):
            seconds = np.mean([whole["stages"][at]["seconds"] for whole in wholes])
            said.append(f"{stage['name']} {seconds:.1f} s")
        total = np.mean([whole["train_seconds"] for whole in wholes])
        out += ["", f"Training of UNCSM: {total:.1f} s ({', '.join(said)})."]
    found = checks(name, result)
    words = {True: "yes", False: "**no**", None: "unknown"}
    out += ["", "What UNCSM's class metric must show:", ""]
    if found:
        out += _table(["check", "holds", "figures"], [[one["check"], words[one["passed"]], one["detail"]] for one in found])
    else:
        out.append("UNCSM was not run.")
    return out


def markdown(results):
    """All datasets as Markdown."""
    out = []
    for name, result in results.items():
        out += [f"## {name}", "", f"Features: {result['features']}.", ""]
        rows = []
        for label, row in summary_of(result).items():
            rows.append([label, row["seeds"], *(cell(row[column]) for column in COLUMNS), f"{row['seconds']:.1f}"])
        out += _table(["method", "seeds", *TITLES, "seconds"], rows)
        out += _uncsm_lines(name, result)
        out += ["", "Grouping check:", ""] + [f"- {key}: {value}" for key, value in result["grouping"].items()]
        out += ["", "Chosen on validation, per seed:", ""]
        for label, runs in result["runs"].items():
            for run in runs:
                if "chosen" in run:
                    out.append(f"- {label}, seed {run['seed']}: {json.dumps(run['chosen'])}")
        out.append("")
    return "\n".join(out)


def write(results, folder):
    """Writes `quality.md` and `quality.json`, each at once so that a run that is ended leaves whole files; returns the Markdown."""
    text = markdown(results)
    full = {}
    for name, result in results.items():
        more = {"summary": summary_of(result), "calibration": calibration_summary(result), "checks": checks(name, result)}
        full[name] = {**result, **more}
    for file, content in (("quality.md", text), ("quality.json", json.dumps(full, indent=1))):
        partial = folder / f"{file}.partial"
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / file)
    return text
