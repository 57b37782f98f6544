"""UNCSM through the project's binary: `train` and `eval` with default settings, on the same features and test split."""

import json
import subprocess
import time

SIMILARITIES = ("cosine", "posterior", "metric_class", "metric_pair")


def _call(binary, *arguments):
    done = subprocess.run([str(binary), *map(str, arguments), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{binary} {arguments[0]}: exit {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def source(dataset, file=None):
    """The flags that name the features of a dataset, or the same tensors of another file."""
    names = dataset.tensors
    flags = ["--features", file or dataset.file, "--test-mask", names["is_test"], "--label", names["label"]]
    for media in ("image", "text"):
        flags += ["--pathway", f"{media}={names[media]}"]
    return flags


def train(binary, dataset, out, seed, file=None):
    """Trains a bundle into the folder `out`, which must not exist; the object of `train --json`."""
    return _call(binary, "train", *source(dataset, file), "--out", out, "--seed", seed)


def evaluate(binary, dataset, bundle, file=None):
    """The object of `eval --json` on the test rows."""
    return _call(binary, "eval", bundle, *source(dataset, file))


def run(binary, dataset, out, seed):
    """One flat dictionary of measures per similarity, the default similarity's name, seconds, and the training's own report."""
    started = time.perf_counter()
    trained = train(binary, dataset, out, seed)
    seconds = time.perf_counter() - started
    report = evaluate(binary, dataset, out)
    rows = {}
    for name in SIMILARITIES:
        maps, recall = report["map_all"][name], report["recall"][name]
        if maps is None:
            continue
        rows[name] = dict(maps)
        for k in ("1", "5", "10"):
            rows[name][f"recall@{k}"] = (recall["image_to_text"][k] + recall["text_to_image"][k]) / 2
    best = max(stage["validation"]["map_all"]["cosine"]["mean"] for stage in trained["stages"][:-1])
    default = "metric_class" if report["map_all"]["metric"] == report["map_all"]["metric_class"] else "metric_pair"
    stages = {
        "default": default,
        "best validation cosine of earlier stages": best,
        "validation cosine of the last stage": trained["stages"][-1]["validation"]["map_all"]["cosine"]["mean"],
    }
    return rows, stages, seconds
