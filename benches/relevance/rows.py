"""Documents with the features of their picture and text; subsets, grouped folds, and the files that the binary reads."""

import json
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file, save_file

from quality import data, grouping

TENSORS = ("image", "text", "label")


@dataclass
class Rows:
    """Row i of every array is the document `items[i]`, a line of `items.jsonl`."""

    items: list
    image: np.ndarray
    text: np.ndarray
    label: np.ndarray

    def __len__(self):
        return len(self.items)

    def take(self, rows):
        """These rows."""
        rows = np.asarray(rows, dtype=np.int64)
        return Rows([self.items[row] for row in rows], self.image[rows], self.text[rows], self.label[rows])

    def id(self, row):
        """The id as the engine says it."""
        return str(self.items[row]["id"])

    def components(self):
        """The component of near-duplicates of each row: features, texts and titles."""
        keys = {key: [item.get(key) or None for item in self.items] for key in ("text", "title")}
        return grouping.components(data.Pairs(self.image, self.text, self.label, keys))[0]


def load(folder, file, tensors):
    """Train rows and test rows of a folder with `items.jsonl` and the features file `file`.

    `tensors` names those of `image` and `text`; `label` and `is_test` go by their names.
    """
    with open(folder / "items.jsonl", encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    stored = load_file(folder / file)
    test = stored["is_test"].astype(bool)
    if len(items) != len(test):
        raise ValueError(f"{folder / 'items.jsonl'}: expected {len(test)} lines, as the features have rows, got {len(items)}")
    for row, item in enumerate(items):
        if (item["split"] == "test") != test[row]:
            raise ValueError(f"{folder / 'items.jsonl'}: line {row + 1} has the split {item['split']!r}, which `is_test` contradicts")
    features = [stored[tensors[media]].astype(np.float32) for media in ("image", "text")]
    everything = Rows(items, *features, stored["label"].astype(np.int64))
    return everything.take(np.flatnonzero(~test)), everything.take(np.flatnonzero(test))


def folds(rows, count, seed):
    """The fold 0 to `count` - 1 of each row; near-duplicates share one.

    Components are drawn in a random order, the largest first, each to the fold that has the fewest rows.
    """
    component = rows.components()
    sizes = np.bincount(component)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(count, dtype=np.int64)
    for number in order:
        fold_of[number] = filled.argmin()
        filled[fold_of[number]] += sizes[number]
    return fold_of[component]


def write_training(rows, held_out, path):
    """A features file to train on: `held_out` [n] bool are the rows that training must not see."""
    tensors = {name: getattr(rows, name) for name in TENSORS}
    save_file({**tensors, "is_test": np.asarray(held_out).astype(np.uint8)}, path)


def write_documents(rows, media, fields, features, corpus):
    """What an index holds of `rows`: one item of one media type each, its id and `fields`, and nothing else."""
    save_file({media: getattr(rows, media)}, features)
    with open(corpus, "w", encoding="utf-8") as out:
        for item in rows.items:
            out.write(json.dumps({key: item[key] for key in ("id", *fields)}, ensure_ascii=False) + "\n")
