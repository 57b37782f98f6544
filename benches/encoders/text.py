#!/usr/bin/env python3
"""The text encoder beside sentence-transformers and PyTorch: agreement on 50 real inputs, and speed on real texts.

    pip install -r benches/encoders/requirements.txt
    python3 benches/encoders/text.py MODEL_DIR

MODEL_DIR holds a model as published, such as all-MiniLM-L6-v2. Texts come from debian-packages/docs.jsonl and
openclipart-mini/items.jsonl in the folder UNCSM_DATA (default ../shared/data). Both sides have two threads and take
turns within one run; only ratios of the same round mean something on a machine that does other work too.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
THREADS = "2"
os.environ["RAYON_NUM_THREADS"] = THREADS
os.environ["OMP_NUM_THREADS"] = THREADS

import numpy
import torch
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

ROOT = pathlib.Path(__file__).resolve().parents[2]


def texts_of(file):
    with open(file, encoding="utf8") as lines:
        return [text for line in lines if (text := json.loads(line).get("text"))]


class Ours:
    """The other process; a round starts when it is asked for one."""

    def __init__(self, command, model, texts, folder, *words):
        listing = folder / f"{len(list(folder.iterdir()))}.jsonl"
        self.out = listing.with_suffix(".safetensors")
        listing.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        arguments = ["text", str(model), str(listing), str(self.out), *words]
        self.process = subprocess.Popen(
            command + arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start = json.loads(self.process.stdout.readline())

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["seconds"]

    def features(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit("the encoder failed")
        return load_file(self.out)["features"]


def cosines(a, b):
    a, b = a.astype("f8"), b.astype("f8")
    return (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)


def compare(name, reference, ours, rounds):
    """Rounds in turn, the first of which warms up; prints seconds and the ratio of each round."""
    ratios, seconds = [], []
    for i in range(rounds + 1):
        def of_reference():
            started = time.perf_counter()
            reference()
            return time.perf_counter() - started

        theirs, own = (of_reference(), ours.round()) if i % 2 else (ours.round(), of_reference())[::-1]
        if i > 0:
            ratios.append(theirs / own)
            seconds.append((theirs, own))
    theirs, own = (statistics.median(side) for side in zip(*seconds))
    print(
        f"{name}: reference {theirs:.3f} s, ours {own:.3f} s (medians of {rounds} rounds); "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--texts", type=int, default=2400, help="texts of the speed run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--binary", help="the built benchmark, in place of `cargo bench`")
    arguments = parser.parse_args()
    cargo = ["cargo", "bench", "--quiet", "--profile", "dev", "--bench", "encoders", "--"]
    command = [arguments.binary] if arguments.binary else cargo
    torch.set_num_threads(int(THREADS))
    data = pathlib.Path(os.environ.get("UNCSM_DATA", ROOT.parent / "shared" / "data"))
    debian = texts_of(data / "debian-packages" / "docs.jsonl")
    clipart = texts_of(data / "openclipart-mini" / "items.jsonl")
    model = SentenceTransformer(str(arguments.model), device="cpu")
    path = arguments.model.resolve()

    def encode(texts, batch=32):
        return model.encode(texts, batch_size=batch, show_progress_bar=False, convert_to_numpy=True)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Short ones, long ones, and two that are cut.
        inputs = debian[:: len(debian) // 25][:25] + clipart[:: len(clipart) // 20][:20]
        inputs += [" ".join(debian[at : at + n]) for at, n in [(10, 4), (90, 12), (400, 30), (900, 200)]] + [" \n"]
        ours = Ours(command, path, inputs, folder)
        ours.round()
        reference, own = encode(inputs), ours.features()
        agreement = cosines(reference, own)
        print(
            f"agreement on {len(inputs)} inputs: cosine at least {agreement.min():.9f}, "
            f"largest difference {numpy.abs(reference - own).max():.2e}",
            flush=True,
        )
        half = arguments.texts // 2
        texts = debian[:: len(debian) // half][:half] + clipart[:: max(1, len(clipart) // half)][:half]
        texts += debian[1 : 1 + arguments.texts - len(texts)]
        lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
        print(f"{len(texts)} texts, {statistics.mean(lengths):.1f} tokens each, at most {max(lengths)}", flush=True)
        compare("short texts", lambda: encode(texts), Ours(command, path, texts, folder), arguments.rounds)
        long = [" ".join(debian[at * 20 : at * 20 + 20]) for at in range(64)]
        lengths = [min(256, len(ids)) for ids in model.tokenizer(long)["input_ids"]]
        print(f"{len(long)} texts, {statistics.mean(lengths):.1f} tokens each", flush=True)
        compare("long texts", lambda: encode(long), Ours(command, path, long, folder), arguments.rounds)
        single = [text for text in debian[:3000] if 40 < len(text) < 50][:100]
        one_by_one = lambda: [encode([text]) for text in single]
        name = f"{len(single)} queries one by one"
        compare(name, one_by_one, Ours(command, path, single, folder, "single"), arguments.rounds)


if __name__ == "__main__":
    main()
