"""Datasets: paired features of two media types, most often images and texts, classes, and a fixed test split."""

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


@dataclass
class Pairs:
    """Row i of every array is one document; a negative label is none.

    `image` and `text` are the first and the second media type of the dataset, whatever these are: `Dataset.media` names them.
    `keys` has values that keep rows together where they are equal (text, title, group); `None` joins nothing.
    """

    image: np.ndarray
    text: np.ndarray
    label: np.ndarray
    keys: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.label)

    def take(self, rows):
        """These rows."""
        keys = {key: [values[row] for row in rows] for key, values in self.keys.items()}
        return Pairs(self.image[rows], self.text[rows], self.label[rows], keys)


@dataclass
class Dataset:
    """A dataset and where the binary finds it.

    `tensors` has the tensor of `image`, `text`, `is_test` and, where documents have them, `label` and `group`. `media` has the two
    media types and their tensors, that of `Pairs.image` first; by default these are named `image` and `text`.
    """

    name: str
    file: Path
    tensors: dict
    train: Pairs
    test: Pairs
    media: dict | None = None

    def __post_init__(self):
        if self.media is None:
            self.media = {media: self.tensors[media] for media in ("image", "text")}

    @property
    def features(self):
        """Names the features beside every figure."""
        widths = {"image": self.train.image.shape[1], "text": self.train.text.shape[1]}
        return ", ".join(f"{self.tensors[name]} {widths[name]}" for name in ("image", "text"))

    def hash(self):
        """SHA-256 of the features file: runs on other features are no part of one table."""
        return file_hash(self.file)


# Folder, features file, tensor of each part.
KNOWN = {
    "wikipedia": ("wikipedia", "wikipedia.safetensors", {"image": "image_sift_bovw", "text": "text_lda"}),
    "openclipart": (
        "openclipart-mini",
        "features.safetensors",
        {"image": "image_efficientnet_lite0", "text": "text_minilm"},
    ),
    "tuxpaint": ("tuxpaint", "features.safetensors", {"image": "image", "text": "text"}),
    "emoji": ("emoji", "features.safetensors", {"image": "image", "text": "text"}),
    "openclipart-full": ("openclipart", "features.safetensors", {"image": "image", "text": "text"}),
    "icons": ("icons", "features.safetensors", {"image": "image", "text": "text"}),
    "names": ("names", "features.safetensors", {"image": "name", "text": "description"}),
}

# Datasets of other media types than `image` and `text`: each is a key of `items.jsonl` and a tensor, and has texts. No classes.
MEDIA = {"names": ("name", "description")}


def file_hash(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(name, roots):
    """The folder of dataset `name`: below the first of `roots` that has it."""
    folder = KNOWN[name][0]
    for root in roots:
        if (Path(root) / folder).is_dir():
            return Path(root) / folder
    raise FileNotFoundError(f"no folder {folder} for {name} in {', '.join(map(str, roots))}; name its parent with --data")


def load(name, roots, binary, encoders=None):
    """Reads the dataset `name` from the first of the folders `roots` that has it.

    A corpus folder, as `tools/datasets` makes them, holds `items.jsonl`; its `features.safetensors` (a tensor per media type,
    `is_test` and, where documents have them, `label` and `group`) is made where it is absent. Test rows without a class stay, for
    recall; train rows without one are no part of what a baseline learns from, unless no row has a class: then every label is -1.
    """
    _, file, tensors = KNOWN[name]
    folder = find(name, roots)
    path = folder / file
    if not path.exists():
        make_features(binary, folder, path, encoders or {}, MEDIA.get(name))
    stored = load_file(path)
    media = {key: tensors[side] for key, side in zip(MEDIA.get(name, ("image", "text")), ("image", "text"))}
    is_test = stored["is_test"].astype(bool)
    label = stored["label"].astype(np.int64) if "label" in stored else np.full(len(is_test), -1, dtype=np.int64)
    labelled = bool((label >= 0).any())
    tensors = {**tensors, "is_test": "is_test"}
    if labelled:
        tensors["label"] = "label"
    if "group" in stored:
        tensors["group"] = "group"
    keys = _strings(folder / "items.jsonl", len(label), media)
    if "group" in tensors:
        # Any number is a group, negative ones too: a corpus' groups are hashes.
        keys["group"] = stored["group"].tolist()
    everything = Pairs(
        stored[tensors["image"]].astype(np.float32), stored[tensors["text"]].astype(np.float32), label, keys
    )
    learned = ~is_test & (label >= 0) if labelled else ~is_test
    return Dataset(
        name, path, tensors, everything.take(np.flatnonzero(learned)), everything.take(np.flatnonzero(is_test)), media
    )


def make_features(binary, folder, path, encoders, texts=None):
    """Writes the features of a corpus folder with the project's own encoders, `{"image": .., "text": ..}`: names or folders.

    `texts` names media types that all have texts, in place of `image` and `text`; such a corpus has neither classes nor groups.
    """
    items = folder / "items.jsonl"
    needed = {media: "text" for media in texts} if texts else {"image": "image", "text": "text"}
    missing = [f"--{kind}-encoder" for kind in dict.fromkeys(needed.values()) if not encoders.get(kind)]
    if missing or not items.exists():
        lacking = " and ".join(([] if items.exists() else [str(items)]) + missing)
        raise FileNotFoundError(f"{path}: no such file, and nothing to make it from: {lacking} missing")
    call = [str(binary), "features", str(items), "--out", str(path), "--strict", "--quiet"]
    if texts:
        for media in texts:
            call += ["--media-key", f"{media}:text={media}"]
    else:
        call += ["--label", "class", "--group", "group"]
    for media, kind in needed.items():
        call += ["--encoder", f"{media}={encoders[kind]}"]
    try:
        done = subprocess.run(call, capture_output=True, text=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file, and no binary at {binary} to make it with") from None
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(call)}: exit {done.returncode}\n{done.stderr.strip()}")


def _strings(path, n, media=()):
    """`text`, `title` and the texts under the names of `media` of each row, where they are known."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    if len(items) != n:
        raise ValueError(f"{path}: expected {n} lines, as the features have rows, got {len(items)}")
    # A picture's key holds a path, which says nothing of what is equal.
    wanted = [*dict.fromkeys(("text", "title", *media))]
    keys = [key for key in wanted if key != "image" and any(item.get(key) for item in items)]
    return {key: [item.get(key) or None for item in items] for key in keys}
