"""Datasets: paired features of images and texts, classes, and a fixed test split."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


@dataclass
class Pairs:
    """Row i of every array is one document."""

    image: np.ndarray
    text: np.ndarray
    label: np.ndarray
    strings: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.label)

    def take(self, rows):
        """These rows."""
        strings = {key: [values[row] for row in rows] for key, values in self.strings.items()}
        return Pairs(self.image[rows], self.text[rows], self.label[rows], strings)


@dataclass
class Dataset:
    """A dataset and where the binary finds it."""

    name: str
    file: Path
    tensors: dict
    train: Pairs
    test: Pairs

    @property
    def features(self):
        """Names the features beside every figure."""
        widths = {"image": self.train.image.shape[1], "text": self.train.text.shape[1]}
        return ", ".join(f"{self.tensors[name]} {widths[name]}" for name in ("image", "text"))


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
}


def load(name, root, binary):
    """Reads the dataset `name` below `root`.

    A corpus folder holds `items.jsonl` and `features.safetensors` with the tensors `image`, `text`, `label`, `is_test`, made
    by the project's own encoders.
    """
    folder, file, tensors = KNOWN[name]
    folder = Path(root) / folder
    path = folder / file
    if not path.exists():
        make_features(binary, folder, path)
    tensors = {**tensors, "label": "label", "is_test": "is_test"}
    stored = load_file(path)
    label = stored[tensors["label"]].astype(np.int64)
    everything = Pairs(
        stored[tensors["image"]].astype(np.float32),
        stored[tensors["text"]].astype(np.float32),
        label,
        _strings(folder / "items.jsonl", len(label)),
    )
    is_test = stored[tensors["is_test"]].astype(bool)
    train, test = np.flatnonzero(~is_test & (label >= 0)), np.flatnonzero(is_test & (label >= 0))
    return Dataset(name, path, tensors, everything.take(train), everything.take(test))


def make_features(binary, folder, path):
    """Writes the features of a corpus folder; the one place to call the project's encoders from.

    Without a command that writes features there is nothing to call, and the file must have been made before.
    """
    raise FileNotFoundError(
        f"{path}: no such file; expected the features of {folder / 'items.jsonl'} "
        f"(tensors image, text, label, is_test), made with {binary}"
    )


def _strings(path, n):
    """`text` and `title` of each row, where they are known."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    if len(items) != n:
        raise ValueError(f"{path}: expected {n} lines, as the features have rows, got {len(items)}")
    keys = [key for key in ("text", "title") if any(item.get(key) for item in items)]
    return {key: [item.get(key) or None for item in items] for key in keys}
