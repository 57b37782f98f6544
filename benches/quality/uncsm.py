"""UNCSM through the project's binary: `train` and `eval` with default settings, on the same features and test split."""

import json
import resource
import subprocess
import time

from measures import has_classes

SIMILARITIES = ("cosine", "posterior", "metric_class", "metric_pair")
DIRECTIONS = ("image_to_text", "text_to_image")


def _call(binary, *arguments):
    done = subprocess.run([str(binary), *map(str, arguments), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{binary} {arguments[0]}: exit {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def media(dataset):
    """The names of the two media types and their tensors. What is called image in a table stands for the first, text for the second."""
    found = getattr(dataset, "media", None)
    return found or {name: dataset.tensors[name] for name in ("image", "text")}


def said(name, row):
    """A measure of a similarity for a line of the log."""
    key = "mean" if "mean" in row else "recall@10"
    return f"{name} {'MAP' if key == 'mean' else key} {row[key]:.4f}"


def source(dataset, file=None):
    """The flags that name the features of a dataset, or the same tensors of another file."""
    names = dataset.tensors
    flags = ["--features", file or dataset.file, "--test-mask", names["is_test"]]
    if has_classes(dataset.train):
        flags += ["--label", names["label"]]
    for name, tensor in media(dataset).items():
        flags += ["--pathway", f"{name}={tensor}"]
    return flags


def train(binary, dataset, out, seed, file=None, threads=None, config=None, dim=None):
    """Trains a bundle into the folder `out`, which must not exist; the object of `train --json`.

    `config` is a file of settings other than the defaults, `dim` the elements of a shared vector. Groups are the one setting that is given, where the features have them, as the baselines' validation has them too.
    """
    group = ["--group", dataset.tensors["group"]] if "group" in dataset.tensors else []
    more = [] if threads is None else ["--threads", threads]
    more += [] if config is None else ["--config", config]
    more += [] if dim is None else ["--dim", dim]
    return _call(binary, "train", *source(dataset, file), *group, *more, "--out", out, "--seed", seed)


def evaluate(binary, dataset, bundle, file=None):
    """The object of `eval --json` on the test rows."""
    return _call(binary, "eval", bundle, *source(dataset, file))


def build(binary, dataset, bundle, index, file=None):
    """Builds an index, which must not exist, of all rows of the features file, or of the same tensors of another file."""
    flags = []
    for name, tensor in media(dataset).items():
        flags += ["--pathway", f"{name}={tensor}"]
    return _call(binary, "build", "--features", file or dataset.file, *flags, "--bundle", bundle, "--out", index)


def inspect(binary, place):
    """The object of `inspect --json`."""
    return _call(binary, "inspect", place)


def batch(binary, index, file):
    """The answers to the lines of a batch file, in their order."""
    call = [str(binary), "query", str(index), "--batch", str(file), "--json", "--quiet"]
    done = subprocess.run(call, capture_output=True, text=True)
    # 1 is a batch in which nothing was found.
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(call)}: exit {done.returncode}\n{done.stderr.strip() or done.stdout[:500]}")
    return sorted(map(json.loads, done.stdout.splitlines()), key=lambda answer: answer["line"])


def _directions(names):
    """Keys of the directions in a report, in the order of `DIRECTIONS`."""
    first, second = names
    return f"{first}_to_{second}", f"{second}_to_{first}"


def measures(report, names=("image", "text")):
    """One flat dictionary of measures per similarity that exists, from the object of `eval --json`; `names` are those of the media types.

    Without classes there is no MAP in it.
    """
    rows, there = {}, _directions(names)
    for name in SIMILARITIES:
        maps, recall = report["map_all"].get(name), report["recall"].get(name)
        if recall is None:
            continue
        row = {} if maps is None else {**dict(zip(DIRECTIONS, (maps[key] for key in there))), "mean": maps["mean"]}
        for k in ("1", "5", "10"):
            row[f"recall@{k}"] = (recall[there[0]][k] + recall[there[1]][k]) / 2
        rows[name] = row
    return rows


def calibration(report, names=("image", "text")):
    """Flat figures per scorer and direction: those of the metric network, and of the calibrated posterior dot product if told."""
    out = {}
    for scorer, key in (("metric", "calibration"), ("posterior", "calibration_posterior")):
        for direction, there in zip(DIRECTIONS, _directions(names)):
            found = (report.get(key) or {}).get(there)
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
        "default": "metric_class" if maps.get("metric_class") and maps["metric"] == maps["metric_class"] else "metric_pair",
        "train_seconds": trained["seconds"],
        "processor_seconds": processor,
        "stages": stages(trained),
        "calibration": calibration(report, media(dataset)),
    }
    return measures(report, media(dataset)), whole, seconds
