"""A small corpus: squares of four colours on white, their sentences, and features of both in numpy."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from PIL import Image

from uncsm_index import Bundle, Index

# A shell that starts the tests in the background has them, and the programs that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 50), "blue": (40, 60, 220), "grey": (90, 90, 90)}
#: Settings that train in a second or two.
SMALL = dict(
    dim=16, hidden=32, members=1, epochs_contrastive=12, epochs_double_triplet=3, epochs_metric=3, least_steps=0, average=0.8,
    dropout_input=0.1, dropout_hidden=0.1, refit="off", folds=1,
)


def drawn(i: int) -> Image.Image:
    """The picture of document i."""
    picture = Image.new("RGB", (32, 32), (250, 250, 250))
    side = 12 + i // 4 % 12
    picture.paste(COLOURS[list(COLOURS)[i % 4]], (4, 4, 4 + side, 4 + side))
    return picture


def sentence(i: int) -> str:
    name = list(COLOURS)[i % 4]
    return f"a square in {name}" if i % 3 == 0 else f"the {name} square"


def histogram(picture: Image.Image) -> np.ndarray:
    """An encoder of our own: shares of 4 x 4 x 4 colours."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.uint8).reshape(-1, 3) // 64
    return np.bincount(pixels @ [16, 4, 1], minlength=64).astype(np.float32) / len(pixels)


WORDS = ["a", "the", "square", "in", *COLOURS]


def bag(text: str) -> np.ndarray:
    """Another one: counts of words."""
    return np.array([text.split().count(word) for word in WORDS], dtype=np.float32)


def documents(n: int = 96) -> list[dict]:
    names = list(COLOURS)
    return [
        {"id": f"d{i}", "text": sentence(i), "colour": names[i % 4], "side": 12 + i // 4 % 12, "split": "val" if i // 4 % 4 == 3 else "train"}
        for i in range(n)
    ]


@pytest.fixture(scope="session")
def features() -> dict[str, np.ndarray]:
    rows = range(96)
    return {"image": np.stack([histogram(drawn(i)) for i in rows]), "text": np.stack([bag(sentence(i)) for i in rows])}


@pytest.fixture(scope="session")
def bundle(features: dict[str, np.ndarray]) -> Bundle:
    rows = documents()
    return Bundle.train(features, label=[row["colour"] for row in rows], split=[row["split"] for row in rows], **SMALL)


@pytest.fixture
def index(bundle: Bundle, features: dict[str, np.ndarray], tmp_path) -> Index:
    return Index.build(tmp_path / "index", bundle, documents=documents(), features=features)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The same as files: JSON Lines and pictures."""
    import json

    place = tmp_path_factory.mktemp("corpus")
    lines = []
    for i, row in enumerate(documents()):
        drawn(i).save(place / f"{i}.png")
        lines.append(json.dumps({**row, "image": f"{i}.png"}))
    path = place / "corpus.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def encoded(corpus) -> Bundle:
    """A bundle of the built-in encoders."""
    return Bundle.train(corpus, label="colour", **SMALL)
