"""Tuning of a baseline: every setting of its grid on grouped validation splits, then a fit of the best to all train rows.

A baseline is tuned twice, for MAP and for recall@10 of the paired item, each the mean of both directions; one search serves both.
Without classes it is tuned for recall alone.

A method has
- `grid(train)`: settings that need a fit of their own;
- `variants(train, setting)`: settings that only change how a fitted model scores;
- `fit(train, setting, seed, watch, epochs)`: a model with `scores(data, variant)` `[n images, n texts]`. A method that
  trains by epochs calls `watch(model)`, which gives a value for each aim, now and then, and keeps the best of each aim in `model.best`
  and its epoch in `model.epochs`; with `epochs` it runs at most, without `watch` just as many;
- `screen`, if its fits are dear: the epochs of a first round over the whole grid on the first split. For each aim the best quarter of the
  settings, three at least, goes on (one round of successive halving);
- `classes`, if it learns from classes: it has no place where there are none.

Selection is by the mean over the splits of the aim on the validation rows. Test rows are not passed in.
"""

import time
from dataclasses import dataclass

import numpy as np

from features import grouping
from measures import has_classes, map_mean, paired, recall_mean

AIMS = ("map", "recall")
# What stands for recall in the search.
RECALL = 10


@dataclass
class Tuned:
    """A fitted baseline and how it was chosen."""

    model: object
    variant: dict
    chosen: dict
    validation: float
    refit_seconds: float


def aims(train):
    """What a baseline is tuned for on these rows."""
    return AIMS if has_classes(train) else ("recall",)


class _Split:
    """A validation split, and the values of settings on it."""

    def __init__(self, method, train, drawn, seed):
        self.method, self.train, self.seed = method, train, seed
        self.fit, self.validation = train.take(drawn.fit), train.take(drawn.validation)
        self.pairs, self.aims = paired(self.validation), aims(train)

    def value(self, scores):
        """The value of `scores` on the validation rows for each aim."""
        found = {
            "map": lambda: map_mean(scores, self.validation.label)[2],
            "recall": lambda: recall_mean(scores, self.pairs, RECALL),
        }
        return [found[aim]() for aim in self.aims]

    def values(self, setting, epochs=None):
        """The value of each variant for each aim, `[variants, aims]`, and for each aim the epoch that a network did best after, or None."""

        def value(model, variant):
            return self.value(model.scores(self.validation, variant))

        model = self.method.fit(self.fit, setting, self.seed, lambda model: value(model, {}), epochs)
        if getattr(model, "best", None) is not None:
            return np.array([model.best]), model.epochs
        found = [value(model, variant) for variant in variants(self.method, self.train, setting)]
        return np.array(found), None


def variants(method, train, setting):
    """The variants of a setting; the plain scores where there are none."""
    return method.variants(train, setting) or [{}]


def survivors(values):
    """Numbers of the settings with the best quarter of `values`, three at least, in the order of the grid."""
    count = max(3, len(values) // 4)
    return sorted(np.argsort(-np.array(values), kind="stable")[:count].tolist())


def tune(method, train, seed):
    """Chooses on grouped validation splits of `train`, and refits to all of it: `{aim: Tuned}`, and the seconds of the search."""
    started = time.perf_counter()
    splits = [_Split(method, train, drawn, seed) for drawn in grouping.splits(train, seed)]
    grid, screen = method.grid(train), getattr(method, "screen", None)
    if screen is not None:
        first = np.array([splits[0].values(setting, screen)[0].max(axis=0) for setting in grid])
        grid = [grid[at] for at in sorted({at for column in first.T for at in survivors(column)})]
    # By split first: methods keep what settings share on one set of rows.
    found = [[split.values(setting) for setting in grid] for split in splits]
    seconds = time.perf_counter() - started
    out, fitted = {}, {}
    for number, aim in enumerate(aims(train)):
        mean = [np.mean([each[at][0][:, number] for each in found], axis=0) for at in range(len(grid))]
        at = int(np.argmax([values.max() for values in mean]))
        variant = variants(method, train, grid[at])[int(mean[at].argmax())]
        epochs = [each[at][1] for each in found]
        epochs = None if None in epochs else round(float(np.mean([each[number] for each in epochs])))
        refit = time.perf_counter()
        if (at, epochs) not in fitted:
            fitted[at, epochs] = method.fit(train, grid[at], seed, None, epochs)
        chosen = {**grid[at], **variant, **({} if epochs is None else {"epochs": epochs})}
        out[aim] = Tuned(fitted[at, epochs], variant, chosen, float(mean[at].max()), time.perf_counter() - refit)
    return out, seconds
