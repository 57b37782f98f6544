"""The runs of one output folder, by dataset, method and seed: what is there with the same settings is kept.

So a table may be made in parts: `--methods UNCSM` into the folder of the baselines adds rows to their table.
"""

import hashlib
import json

import methods
import uncsm
from features import data
from measures import has_classes

# Raised when the way of tuning or measuring changes, so that older runs are no part of a new table.
VERSION = 4


def baseline_settings(method, dataset):
    """What a baseline's run depends on, beside its seed."""
    grid = [[setting, method.variants(dataset.train, setting)] for setting in method.grid(dataset.train)]
    grid = json.dumps(grid, sort_keys=True)
    return {"version": VERSION, "features": dataset.hash(), "grid": hashlib.sha256(grid.encode()).hexdigest()}


def uncsm_settings(binary, dataset):
    """What a run of the binary depends on, beside its seed."""
    return {"version": VERSION, "features": dataset.hash(), "binary": data.file_hash(binary)}


def load(folder):
    """The results in `quality.json`; none where there is no such file."""
    path = folder / "quality.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def open_dataset(results, dataset):
    """The result of a dataset, without runs on other features, and their number. A new one is added in the order of `data.KNOWN`."""
    found = results.get(dataset.name, {"grouping": {}, "runs": {}})
    kept, left = {}, 0
    for label, runs in found["runs"].items():
        same = [run for run in runs if run["settings"]["features"] == dataset.hash()]
        left += len(runs) - len(same)
        if same:
            kept[label] = same
    grouping = {} if left else found["grouping"]
    found = {"features": dataset.features, "media": list(uncsm.media(dataset)), "classes": has_classes(dataset.train)}
    results[dataset.name] = {**found, "grouping": grouping, "runs": kept}
    for name in data.KNOWN:
        if name in results:
            results[name] = results.pop(name)
    return results[dataset.name], left


def has(result, label, seed, settings):
    """Whether there is a run of these settings."""
    return any(run["seed"] == seed and run["settings"] == settings for run in result["runs"].get(label, []))


def put(result, runs):
    """Adds the runs of one method and seed, `{label: run}`, in place of those that are there, in the order of methods and seeds.

    Runs of the same labels, or of UNCSM as a whole, with other settings go.
    """
    settings, own = next(iter(runs.values()))["settings"], tuple(runs)
    seed = next(iter(runs.values()))["seed"]
    if all(label.startswith("UNCSM") for label in own):
        own = (*own, *(label for label in result["runs"] if label.startswith("UNCSM")))
    for label in dict.fromkeys(own):
        kept = [run for run in result["runs"].get(label, []) if run["seed"] != seed and run["settings"] == settings]
        found = [*kept, runs[label]] if label in runs else kept
        result["runs"][label] = sorted(found, key=lambda run: run["seed"])
        if not found:
            del result["runs"][label]
    known = [*methods.ALL, *sorted(label for label in result["runs"] if label not in methods.ALL)]
    result["runs"] = {name: result["runs"][name] for name in known if name in result["runs"]}
