"""Means and deviations over seeds."""

import numpy as np

from tuning import AIMS
from uncsm import DIRECTIONS

# What each aim's table shows, and which of it stands for the aim.
COLUMNS = {
    "map": ("image_to_text", "text_to_image", "mean"),
    "recall": ("recall@1", "recall@5", "recall@10"),
}
SHOWN = {"map": "mean", "recall": "recall@10"}
# UNCSM's similarity that stands for it in each table, and the one whose runs say what belongs to the run as a whole.
OWN, WHOLE = {"map": "UNCSM metric_class", "recall": "UNCSM metric_pair"}, "UNCSM cosine"
CALIBRATION = (
    ("half ece", "ECE at 50 %"),
    ("half brier_skill", "Brier skill at 50 %"),
    ("natural ece", "ECE, natural"),
    ("natural brier_skill", "Brier skill, natural"),
    ("precision_at_0.8 value", "precision at >= 0.8"),
    ("precision_at_0.8 pairs", "pairs at >= 0.8"),
)


def over_seeds(values):
    """Mean and deviation (n - 1; none of a single seed)."""
    values = np.array(values, dtype=np.float64)
    return {"mean": float(values.mean()), "deviation": float(values.std(ddof=1)) if len(values) > 1 else None}


def measures_of(run, aim):
    """Measures of a run: of a baseline as it was tuned for the aim, of UNCSM those that it has. None where the aim has none."""
    if "tuned" in run:
        run = run["tuned"].get(aim, {})
    found = run.get("measures", {})
    return found if SHOWN[aim] in found else None


def summarise(runs, aim):
    """Mean and deviation over the seeds of the aim's measures, and the mean seconds; None where the aim has none."""
    found = [measures_of(run, aim) for run in runs]
    if not found or None in found:
        return None
    out = {"seeds": len(runs), "seconds": float(np.mean([run["seconds"] for run in runs]))}
    return out | {column: over_seeds([measures[column] for measures in found]) for column in COLUMNS[aim]}


def summary_of(result):
    """The rows of a dataset's tables: `{aim: {method: row}}`, without what an aim has no measures of."""
    out = {}
    for aim in AIMS:
        rows = {label: summarise(runs, aim) for label, runs in result["runs"].items()}
        out[aim] = {label: row for label, row in rows.items() if row is not None}
    return out


def wholes(result):
    """What the runs of UNCSM say as a whole, one per seed."""
    return [run["whole"] for run in result["runs"].get(WHOLE, []) if "whole" in run]


def calibration_summary(result):
    """Calibration per scorer and direction, over seeds; a figure is left out where a seed has none."""
    said, out = wholes(result), {}
    for scorer in ("metric", "posterior"):
        for direction in DIRECTIONS:
            found = [whole["calibration"].get(scorer, {}).get(direction) for whole in said]
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
