"""Means and deviations over seeds."""

import numpy as np

from uncsm import DIRECTIONS

COLUMNS = ("image_to_text", "text_to_image", "mean", "recall@1", "recall@5", "recall@10")
# UNCSM's similarity that stands for it, and the one whose runs say what belongs to the run as a whole.
METRIC, WHOLE = "UNCSM metric_class", "UNCSM cosine"
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
