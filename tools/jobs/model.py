"""The cost model of a job: fits of what measure.py measured, and what they predict for larger jobs."""

import math
import statistics
from collections.abc import Callable

STAGES = ("read", "encode", "pathways", "index", "commit")
HOUR, GB = 3600, 1e9
# Rows of a media type from which a segment has cells.
CELLS_FROM = 4096


def line(points: list[tuple[float, float]]) -> dict[str, float]:
    """`fixed + each * n`, neither below zero, of least relative squares; `error` is the largest relative one."""
    points = [(n, y) for n, y in points if y > 0]
    if not points:
        return {"fixed": 0.0, "each": 0.0, "error": 0.0}
    # Divided by y, so that small runs count as large ones do: the normal equations of (1/y, n/y) -> 1.
    a, b, c = (sum(f(n, y) for n, y in points) for f in (lambda n, y: 1 / y**2, lambda n, y: n / y**2, lambda n, y: n * n / y**2))
    d, e = sum(1 / y for _, y in points), sum(n / y for n, y in points)
    determinant = a * c - b * b
    fixed, each = ((d * c - e * b) / determinant, (a * e - b * d) / determinant) if determinant > 1e-12 * a * c else (0.0, e / c)
    if fixed < 0:
        fixed, each = 0.0, e / c
    elif each < 0:
        fixed, each = d / a, 0.0
    return {"fixed": fixed, "each": each, "error": max(abs(fixed + each * n - y) / y for n, y in points)}


def power(points: list[tuple[float, float]]) -> dict[str, float]:
    """`scale * n ** power`, by least squares of logarithms; without two sizes the power is 1."""
    points = [(math.log(n), math.log(y)) for n, y in points if n > 0 and y > 0]
    if not points:
        return {"scale": 0.0, "power": 1.0, "error": 0.0}
    x, y = statistics.fmean(p[0] for p in points), statistics.fmean(p[1] for p in points)
    spread = sum((p[0] - x) ** 2 for p in points)
    slope = sum((p[0] - x) * (p[1] - y) for p in points) / spread if spread > 1e-9 else 1.0
    error = max(abs(math.exp(y + slope * (p[0] - x) - p[1]) - 1) for p in points)
    return {"scale": math.exp(y - slope * x), "power": slope, "error": error}


def shares(one: dict) -> dict[str, float]:
    """The seconds of a process by stage. Stages run side by side and wait for each other: their shares count, not their sum."""
    total = sum(one["stages"].values()) or 1.0
    return {stage: one["seconds"] * busy / total for stage, busy in one["stages"].items()}


def fitted(points: dict) -> dict:
    """The model. A point has `items`, `seconds`, `stages`, `peak` and `bytes`.

    Without merges of two sizes that have cells it says nothing of merges.
    """
    builds, merges = points["builds"], [one for one in points["merges"] if one["items"] >= CELLS_FROM]

    def of(ones: list[dict], get: Callable[[dict], float]) -> list[tuple[float, float]]:
        return [(one["items"], get(one)) for one in ones]

    model = {stage: line(of(builds, lambda one, stage=stage: shares(one)[stage])) for stage in STAGES}
    model["build"] = line(of(builds, lambda one: one["seconds"]))
    for kind in ("uvec", "text", "own"):
        model[f"bytes_{kind}"] = line(of(builds, lambda one, kind=kind: one["bytes"][kind]))
    model["memory"] = line(of(builds, lambda one: one["peak"]))
    if not merges or max(one["items"] for one in merges) < 1.5 * min(one["items"] for one in merges):
        return model
    model["merge"] = line(of(merges, lambda one: one["seconds"] - shares(one)["cells"]))
    model["cells"] = power(of(merges, lambda one: shares(one)["cells"]))
    model["merge_memory"] = line(of(merges, lambda one: one["peak"]))
    model["bytes_merged"] = line(of(merges, lambda one: one["bytes"]))
    return model


def with_encoder(model: dict, other: dict) -> dict:
    """The model with the costs of another's encoder."""
    ours, theirs = model["encode"], other["encode"]
    build = {key: model["build"][key] + theirs[key] - ours[key] for key in ("fixed", "each")}
    return {**model, "encode": theirs, "build": {**build, "error": max(model["build"]["error"], theirs["error"])}}


def at(part: dict[str, float], n: float) -> float:
    return part["scale"] * n ** part["power"] if "power" in part else part["fixed"] + part["each"] * n


def predicted(model: dict, items: float, index: float, shard: float, cores: int) -> dict[str, float]:
    """A job of so many items on so many cores, a core for each process: shards of `shard` items, indexes of at most `index`.

    Each index is merged at once, in one process; indexes side by side, as far as there are cores.
    """
    shard, index = min(shard, items), min(index, items)
    shards, indexes = math.ceil(items / shard), math.ceil(items / index)
    build, merge, cells = at(model["build"], shard), at(model["merge"], index), at(model["cells"], index)
    rows = model["bytes_uvec"]["each"] + model["bytes_text"]["each"]
    return {
        "items": items, "shards": shards, "indexes": indexes, "cores": cores,
        "core_hours": (shards * build + indexes * (merge + cells)) / HOUR,
        "encode_share": at(model["encode"], shard) / build,
        "build_hours": math.ceil(shards / cores) * build / HOUR,
        "merge_hours": math.ceil(indexes / cores) * merge / HOUR,
        "cells_hours": math.ceil(indexes / cores) * cells / HOUR,
        "disk_shards_gb": (items * rows + shards * model["bytes_own"]["fixed"]) / GB,
        "disk_indexes_gb": indexes * at(model["bytes_merged"], index) / GB,
        "worker_memory_gb": at(model["memory"], shard) / GB, "merge_memory_gb": at(model["merge_memory"], index) / GB,
    }  # fmt: skip


def table(model: dict, predictions: list[dict]) -> str:
    """As Markdown."""
    million = [("build, whole", "build"), *((f"build: {stage}", stage) for stage in STAGES)]
    million += [("merge, cells apart", "merge")] if "merge" in model else []
    out = ["| seconds of one core | a million items | and each process | largest error of the fit |", "|---|---|---|---|"]
    out += [
        f"| {name} | {model[key]['each'] * 1e6:.0f} | {model[key]['fixed']:.2f} | {model[key]['error']:.0%} |"
        for name, key in million
    ]
    if "cells" in model:
        out.append(
            f"| cells | {at(model['cells'], 1e6):.0f}, as n^{model['cells']['power']:.2f} | | {model['cells']['error']:.0%} |"
        )
    out += ["", "| bytes | an item | and each process |", "|---|---|---|"]
    for name, key in [
        ("vectors on disk", "bytes_uvec"),
        ("fields on disk", "bytes_text"),
        ("bundle and manifests", "bytes_own"),
        ("merged, with cells", "bytes_merged"),
        ("memory of a build", "memory"),
        ("memory of a merge", "merge_memory"),
    ]:
        if key in model:
            out.append(f"| {name} | {model[key]['each']:.0f} | {model[key]['fixed']:.0f} |")
    if predictions:
        sizes = [f"{one['items']:.3g} items" for one in predictions]
        out += ["", f"| predicted | {' | '.join(sizes)} |", "|---|" + "---|" * len(sizes)]
        for name in list(predictions[0])[1:]:
            out.append(f"| {name.replace('_', ' ')} | {' | '.join(f'{one[name]:.3g}' for one in predictions)} |")
    return "\n".join(out)
