#!/usr/bin/env python3
"""Training speed of the binary beside the same network in PyTorch on the CPU, in turns within one run.

    pip install -r benches/quality/requirements.txt
    python3 benches/training/speed.py --features FILE --image TENSOR --text TENSOR [--label TENSOR] [--test-mask TENSOR]
                                      [--binary PATH] [--rounds N] [--epochs N] [--threads N] [--seed N] [--json FILE]

The same on both sides: the rows but for the draw of the 1 % that is held out, how they are scaled, the pathways with their members,
the six heads of the metric network, batches, dropout, the losses of each stage (two views of every item in the last), AdamW, its
groups, schedule and the running average, the number of epochs, threads, 32-bit floats. PyTorch is eager and written as one would
for speed: the members of a pathway are batched products, so are the heads, both views go through one product, mining is on whole
matrices, AdamW is fused, dropout takes 16 bits for a number, OpenMP waits passively; one epoch of each stage warms it up. What differs: random draws; the binary's seconds of a stage, which
`train --json` tells, hold a look at the held-out rows after each epoch and a copy of the best parameters, those of PyTorch do not.

Both sides learn the same if their test measures are alike: mean MAP of both directions by the cosine of the shared vectors and by the
dot product of the posteriors. (The binary divides the logits of its posteriors by a temperature that it chooses in the end.)
The binary runs as users run it, with `--threads`; its tensor library also heeds RAYON_NUM_THREADS, which is passed on where it is set.
On a machine that does other work too, only ratios of one round mean something.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Settings that fix the number of epochs; all others are the defaults.
FIXED = {"folds": 1, "refit": "off", "patience": 100000, "least_steps": 0, "validation": 0.01}
# The defaults of `TrainConfig` that the PyTorch side needs; the binary is told them too, so that both agree when they change.
CONFIG = {
    "dim": 128, "members": 4, "hidden": 256, "half": 32, "batch": 128,
    "learning_rate": 3e-3, "learning_rate_double_triplet": 1e-3, "learning_rate_joint": 5e-4, "learning_rate_metric": 5e-4,
    "weight_decay": 0.1, "weight_decay_metric": 0.1, "dropout_input": 0.3, "dropout_hidden": 0.5,
    "contrastive_margin": 1.2, "triplet_margin": 0.4, "class_weight": 0.2, "pair_weight": 0.2, "label_weight": 1.0,
    "softmax_weight": 0.5, "temperature": 0.1, "keep_weight": 0.5, "ranking_weight": 0.5, "average": 0.98,
}  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--image", required=True, help="tensor of image features")
    parser.add_argument("--text", required=True, help="tensor of text features")
    parser.add_argument("--label", default="label")
    parser.add_argument("--test-mask", default="is_test")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/uncsm-index")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8, help="of each stage")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path, help="writes the figures here, too")
    args = parser.parse_args()
    if not args.binary.exists():
        parser.error(f"no binary at {args.binary}: build it, or name one with --binary")
    return args


ARGS = arguments()
# Before the libraries start their threads.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)
# Threads of OpenMP that wait by turning take the time of those that work, where other processes run; this costs nothing elsewhere.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.append(str(ROOT / "benches/quality"))

import torch  # noqa: E402

import rows as rows_of  # noqa: E402
import stages  # noqa: E402
from measures import average_precision  # noqa: E402


def used(who):
    """Processor seconds of all threads so far."""
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def call(*words):
    """Runs the binary; the object it prints."""
    done = subprocess.run([str(ARGS.binary), *map(str, words), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{ARGS.binary} {words[0]}: exit {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def ours(folder, seed, epochs):
    """A training of the binary: seconds per stage, processor seconds of the whole command, test MAP."""
    config, bundle = folder / "config.toml", folder / f"{len(list(folder.iterdir()))}.bundle"
    settings = {**CONFIG, **FIXED, **{f"epochs_{stage}": epochs for stage in stages.STAGES}}
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    source = ["--features", ARGS.features, "--pathway", f"image={ARGS.image}", "--pathway", f"text={ARGS.text}"]
    source += ["--label", ARGS.label, "--test-mask", ARGS.test_mask, "--threads", ARGS.threads]
    before = used(resource.RUSAGE_CHILDREN)
    trained = call("train", *source, "--config", config, "--seed", seed, "--out", bundle)
    processor = used(resource.RUSAGE_CHILDREN) - before
    for stage in trained["stages"]:
        if stage["epochs"] != epochs:
            raise SystemExit(f"stage {stage['name']}: expected {epochs} epochs, got {stage['epochs']}")
    maps = call("eval", bundle, *source)["map_all"]
    return {
        "seconds": {stage["name"]: stage["seconds"] for stage in trained["stages"]},
        "processor_seconds": processor,
        "map": {name: maps[name]["mean"] for name in ("cosine", "posterior")},
    }


def binary_round(folder, seed):
    """A training, less the processor seconds of one without epochs: reading, grouping, choices and calibration."""
    found, rest = ours(folder, seed, ARGS.epochs), ours(folder, seed, 0)
    found["processor_seconds"] -= rest["processor_seconds"]
    return found


def theirs(stored, seed):
    """A training in PyTorch: seconds per stage, processor seconds, test MAP, and the losses."""
    torch.manual_seed(seed)
    rows, scalings = rows_of.prepare(stored, FIXED["validation"], seed)
    network = stages.build(rows, CONFIG)
    before = used(resource.RUSAGE_SELF)
    seconds, history = {}, {}
    for stage in stages.STAGES:
        seconds[stage], history[stage] = stages.run(network, rows, stage, CONFIG, ARGS.epochs)
    processor = used(resource.RUSAGE_SELF) - before
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "map": test_map(network, stored, scalings),
        "loss": history,
    }


@torch.no_grad()
def test_map(network, stored, scalings):
    """Mean MAP of both directions on the test rows."""
    network.eval()
    views = [pathway(scaling(x)) for pathway, scaling, x in zip(network.pathways, scalings, stored.test)]
    vectors = [pathway.shared(*view) for pathway, view in zip(network.pathways, views)]
    posteriors = [vector[:, : views[0][1].shape[-1]] for vector in vectors]
    same = stored.test_label[:, None] == stored.test_label
    out = {}
    for name, (image, text) in (("cosine", vectors), ("posterior", posteriors)):
        if name == "cosine":
            image, text = torch.nn.functional.normalize(image), torch.nn.functional.normalize(text)
        scores = (image @ text.T).numpy()
        out[name] = sum(float(average_precision(s, same).mean()) for s in (scores, scores.T)) / 2
    return out


def warm_up(stored):
    """One epoch of each stage on a network that is thrown away."""
    rows, _ = rows_of.prepare(stored, FIXED["validation"], 0)
    network = stages.build(rows, CONFIG)
    for stage in stages.STAGES:
        stages.run(network, rows, stage, CONFIG, 1)


def spread(values):
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def report(rounds):
    """Prints seconds and ratios."""
    print(f"{'':16}{'ours, s':>26}{'torch, s':>26}{'torch / ours':>26}")
    lines = [(stage, lambda side, stage=stage: side["seconds"][stage]) for stage in stages.STAGES]
    lines += [("all stages", lambda side: sum(side["seconds"].values())), ("processor", lambda side: side["processor_seconds"])]
    out = {}
    for name, of in lines:
        mine, other = [of(one["ours"]) for one in rounds], [of(one["torch"]) for one in rounds]
        ratios = [b / a for a, b in zip(mine, other)]
        out[name] = {"ours": mine, "torch": other, "ratio": ratios}
        print(f"{name:16}{spread(mine):>26}{spread(other):>26}{spread(ratios):>26}")
    print("(processor: seconds of all threads in the stages; other work on the machine changes it least)")
    for name in ("cosine", "posterior"):
        mine, other = [one["ours"]["map"][name] for one in rounds], [one["torch"]["map"][name] for one in rounds]
        print(f"test MAP {name}: ours {statistics.mean(mine):.3f}, torch {statistics.mean(other):.3f}")
    for stage, losses in rounds[0]["torch"]["loss"].items():
        print(f"torch, loss of {stage}: first epoch {losses[0]:.3f}, last {losses[-1]:.3f}")
    return out


def main():
    torch.set_num_threads(ARGS.threads)
    names = {"image": ARGS.image, "text": ARGS.text, "label": ARGS.label, "is_test": ARGS.test_mask}
    stored = rows_of.read(ARGS.features, names)
    warm_up(stored)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for at in range(ARGS.rounds):
            seed, one = ARGS.seed + at, {}
            # The one that goes first takes turns, too.
            for side in ("ours", "torch") if at % 2 == 0 else ("torch", "ours"):
                one[side] = binary_round(Path(folder), seed) if side == "ours" else theirs(stored, seed)
            one["load"] = os.getloadavg()[0]
            rounds.append(one)
            said = {side: f"{sum(one[side]['seconds'].values()):.1f} s" for side in ("ours", "torch")}
            print(f"round {at + 1}: ours {said['ours']}, torch {said['torch']}, load {one['load']:.1f}", file=sys.stderr, flush=True)
    figures = report(rounds)
    if ARGS.json:
        ARGS.json.write_text(json.dumps({"epochs": ARGS.epochs, "threads": ARGS.threads, "rounds": rounds, "figures": figures}, indent=1))


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - started:.0f} s", file=sys.stderr)
