"""What is searched and asked: a bundle trained on OpenClipart, the Debian packages under it, and queries of test rows."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import grow

CLIPART, PACKAGES = "openclipart-mini", "debian-packages"
PATHWAYS = ("image=image_efficientnet_lite0", "text=text_minilm")
# A word of a query stands in at least so many documents, and in at most this share of them.
LEAST, MOST = 20, 0.1


def files(data):
    """The files that are needed below the folder of data."""
    return {
        "clipart": data / CLIPART / "features.safetensors",
        "items": data / CLIPART / "items.jsonl",
        "rows": data / PACKAGES / "text_minilm.safetensors",
        "corpus": data / PACKAGES / "docs.jsonl",
    }


def call(binary, *words):
    """Runs the binary; the object that it prints."""
    done = subprocess.run([str(binary), *map(str, words), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{binary} {words[0]}: exit {done.returncode}\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def bundle(binary, data, work):
    """Trains with the defaults, unless that was done."""
    out = work / "bundle"
    if not out.exists():
        source = ["--features", files(data)["clipart"], "--label", "label", "--test-mask", "is_test"]
        for pathway in PATHWAYS:
            source += ["--pathway", pathway]
        call(binary, "train", *source, "--out", out)
    return out


def corpus(data, work, rows, seed):
    """Features file and documents of so many rows: the real ones, fewer of them, or grown ones."""
    real, docs = files(data)["rows"], files(data)["corpus"]
    n = grow.mapped(real, "text_minilm").shape[0]
    if rows is None or rows == n:
        return real, docs
    out = work / f"rows-{rows}"
    if not (out / "done").exists():
        stored, lines = load_file(real)["text_minilm"], docs.read_text(encoding="utf-8").splitlines()
        some = np.sort(np.random.default_rng(seed).permutation(n)[: min(rows, n)])
        grow.write(stored[some], [lines[row] for row in some], "text_minilm", rows, out, seed)
        (out / "done").touch()
    return out / "features.safetensors", out / "docs.jsonl"


def index(binary, bundle, features, docs, out):
    """Builds an index, unless that was done; the object of `build --json`."""
    report = out.with_suffix(".json")
    if not report.exists():
        made = call(binary, "build", "--features", features, "--pathway", PATHWAYS[1], "--corpus", docs, "--bundle", bundle, "--out", out, "--force")
        report.write_text(json.dumps(made), encoding="utf-8")
    return json.loads(report.read_text(encoding="utf-8"))


def tokens(text):
    """The words of a text, as a full-text index splits it."""
    return re.findall(r"[a-z0-9]+", text.lower())


def words_of(items, counts, documents):
    """Two words for each item: of its own, the most frequent in the documents that are not too frequent; fewer where it has no more."""
    out = []
    for item in items:
        own = dict.fromkeys(tokens(" ".join([*item.get("keywords", []), item.get("title", "")])))
        usable = [word for word in own if word.isalpha() and LEAST <= counts[word] <= MOST * documents]
        out.append(" ".join(sorted(usable, key=lambda word: (-counts[word], word))[:2]))
    return out


def queries(data, docs, count, seed, out):
    """Writes features of so many random test rows, and words for each: tensors `image.test` and `text.test`."""
    stored = load_file(files(data)["clipart"])
    test = np.flatnonzero(stored["is_test"])
    rows = np.sort(np.random.default_rng(seed).permutation(test)[:count])
    lines = files(data)["items"].read_text(encoding="utf-8").splitlines()
    counts, documents = Counter(), 0
    with open(docs, encoding="utf-8") as file:
        for line in file:
            counts.update(set(tokens(text(json.loads(line)))))
            documents += 1
    words = words_of([json.loads(lines[row]) for row in rows], counts, documents)
    tensors = {"image.test": stored["image_efficientnet_lite0"][rows], "text.test": stored["text_minilm"][rows]}
    save_file({name: np.ascontiguousarray(rows) for name, rows in tensors.items()}, out, {"words": json.dumps(words)})
    return words


def text(document):
    """What the words of a document stand in: its strings but for the id, as keywords without a field search them."""
    parts = []
    for key, value in document.items():
        if key != "id":
            parts += value if isinstance(value, list) else [value]
    return " ".join(part for part in parts if isinstance(part, str))


def texts(docs, ids):
    """The text of each document, in the order of `ids`."""
    found = {}
    with open(docs, encoding="utf-8") as file:
        for line in file:
            document = json.loads(line)
            found[str(document["id"])] = text(document)
    return [found[one] for one in ids]


def executable(root):
    """Compiles the benchmark `peers` in the profile `measured`; its path."""
    call = ["cargo", "bench", "--profile", "measured", "--bench", "peers", "--no-run", "--message-format", "json"]
    done = subprocess.run(call, cwd=root, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(call)}: exit {done.returncode}")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = [one["executable"] for one in messages if one.get("executable") and one["target"]["name"] == "peers"]
    return Path(found[-1])
