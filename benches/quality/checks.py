"""What UNCSM's class metric must show on a dataset, and where it does not."""

import numpy as np

from summary import METRIC, WHOLE, calibration_summary, summary_of, wholes
from uncsm import DIRECTIONS

# Least mean of both directions: (measure, UNCSM's similarities, the best of which counts, value).
BARS = {
    "wikipedia": [("mean", (METRIC,), 0.306)],
    "openclipart": [("mean", (METRIC,), 0.59), ("recall@10", (METRIC, "UNCSM metric_pair"), 0.35)],
}
# How far the last stage's cosine may fall below that of the second.
SPOILT = 0.01
MOST_ECE, MOST_SECONDS = 0.05, 120


def _check(name, passed, detail):
    return {"check": name, "passed": passed, "detail": detail}


def _above(name, own, other):
    return _check(name, own > other, f"{own:.4f} against {other:.4f}")


def _stage_checks(result):
    """What the training of each seed says of its stages, on validation."""
    found = []
    for whole in wholes(result):
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


def _speed_checks(result):
    seconds = [whole["train_seconds"] for whole in wholes(result)]
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
