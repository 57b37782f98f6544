"""UNCSM through the project's binary: `train` and `eval` with default settings, on the same features and test split."""

import json
import resource
import subprocess
import time

SIMILARITIES = ("cosine", "posterior", "metric_class", "metric_pair")
DIRECTIONS = ("image_to_text", "text_to_image")


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


def train(binary, dataset, out, seed, file=None, threads=None, config=None):
    """Trains a bundle into the folder `out`, which must not exist; the object of `train --json`.

    `config` is a file of settings other than the defaults. Groups are the one setting that is given, where the features have them, as the baselines' validation has them too.
    """
    group = ["--group", dataset.tensors["group"]] if "group" in dataset.tensors else []
    more = [] if threads is None else ["--threads", threads]
    more += [] if config is None else ["--config", config]
    return _call(binary, "train", *source(dataset, file), *group, *more, "--out", out, "--seed", seed)


def evaluate(binary, dataset, bundle, file=None):
    """The object of `eval --json` on the test rows."""
    return _call(binary, "eval", bundle, *source(dataset, file))


def measures(report):
    """One flat dictionary of measures per similarity that exists, from the object of `eval --json`."""
    rows = {}
    for name in SIMILARITIES:
        maps, recall = report["map_all"].get(name), report["recall"].get(name)
        if maps is None or recall is None:
            continue
        rows[name] = dict(maps)
        for k in ("1", "5", "10"):
            rows[name][f"recall@{k}"] = (recall["image_to_text"][k] + recall["text_to_image"][k]) / 2
    return rows


def calibration(report):
    """Flat figures per scorer and direction: those of the metric network, and of the calibrated posterior dot product if told."""
    out = {}
    for scorer, key in (("metric", "calibration"), ("posterior", "calibration_posterior")):
        for direction in DIRECTIONS:
            found = (report.get(key) or {}).get(direction)
            if not found:
                continue
            flat = {name: found[name] for name in ("target", "prior") if name in found}
            for rate in ("half", "natural"):
                for measure, value in (found.get(rate) or {}).items():
                    flat[f"{rate} {measure}"] = value
            for name, value in (found.get("precision_at_0.8") or {}).items():
                flat[f"precision_at_0.8 {name}"] = value
            out.setdefault(scorer, {})[direction] = flat
    return out


def stages(trained):
    """Seconds, epochs and validation MAP by cosine and metric of each stage, from the object of `train --json`."""
    out = []
    for stage in trained["stages"]:
        maps = ((stage.get("validation") or {}).get("map_all")) or {}
        found = {name: (maps.get(name) or {}).get("mean") for name in ("cosine", "posterior", "metric")}
        out.append({"name": stage["name"], "epochs": stage["epochs"], "seconds": stage["seconds"], "validation": found})
    return out


def _processor():
    """Processor seconds of all ended child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(binary, dataset, out, seed, threads=None):
    """Measures per similarity, what belongs to the run as a whole, and the seconds of `train`."""
    started, processor = time.perf_counter(), _processor()
    trained = train(binary, dataset, out, seed, threads=threads)
    seconds, processor = time.perf_counter() - started, _processor() - processor
    report = evaluate(binary, dataset, out)
    maps = report["map_all"]
    whole = {
        "default": "metric_class" if maps["metric"] == maps.get("metric_class") else "metric_pair",
        "train_seconds": trained["seconds"],
        "processor_seconds": processor,
        "stages": stages(trained),
        "calibration": calibration(report),
    }
    return measures(report), whole, seconds
