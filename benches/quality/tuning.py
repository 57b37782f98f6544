"""Tuning of a baseline: every setting of its grid on grouped validation splits, then a fit of the best to all train rows.

A method has
- `grid(train)`: settings that need a fit of their own;
- `variants(train)`: settings that only change how a fitted model scores;
- `fit(train, setting, seed, watch, epochs)`: a model with `scores(data, variant)` `[n images, n texts]`. A method that
  trains by epochs calls `watch(model)` now and then and keeps the best in `model.epochs`; with `epochs` it runs at most, without
  `watch` just as many;
- `screen`, if its fits are dear: the epochs of a first round over the whole grid on the first split. The best quarter of the
  settings, three at least, goes on (one round of successive halving).

Selection is by the mean over the splits of MAP of the validation rows, mean of both directions. Test rows are not passed in.
"""

import time
from dataclasses import dataclass

import numpy as np

import grouping
from measures import map_mean


@dataclass
class Tuned:
    """A fitted baseline and how it was chosen."""

    model: object
    variant: dict
    chosen: dict
    validation: float
    seconds: float
    refit_seconds: float


class _Split:
    """A validation split, and the values of settings on it."""

    def __init__(self, method, train, drawn, seed):
        self.method, self.seed = method, seed
        self.fit, self.validation = train.take(drawn.fit), train.take(drawn.validation)
        self.variants = method.variants(train) or [{}]

    def values(self, setting, epochs=None):
        """Validation MAP of each variant, and the number of epochs that a network ended with."""

        def value(model, variant):
            return map_mean(model.scores(self.validation, variant), self.validation.label)[2]

        def watch(model):
            return max(value(model, variant) for variant in self.variants)

        model = self.method.fit(self.fit, setting, self.seed, watch, epochs)
        return [value(model, variant) for variant in self.variants], getattr(model, "epochs", None)


def survivors(values):
    """Numbers of the settings with the best quarter of `values`, three at least, in the order of the grid."""
    count = max(3, len(values) // 4)
    return sorted(np.argsort(-np.array(values), kind="stable")[:count].tolist())


def tune(method, train, seed):
    """Chooses on grouped validation splits of `train`, and refits to all of it."""
    started = time.perf_counter()
    splits = [_Split(method, train, drawn, seed) for drawn in grouping.splits(train, seed)]
    grid, screen = method.grid(train), getattr(method, "screen", None)
    if screen is not None:
        first = [max(splits[0].values(setting, screen)[0]) for setting in grid]
        grid = [grid[at] for at in survivors(first)]
    # By split first: methods keep what settings share on one set of rows.
    found = [[split.values(setting) for setting in grid] for split in splits]
    mean = np.mean([[values for values, _ in each] for each in found], axis=0)
    at, variant_at = np.unravel_index(mean.argmax(), mean.shape)
    setting, variant = grid[at], splits[0].variants[variant_at]
    epochs = [each[at][1] for each in found]
    epochs = None if None in epochs else round(float(np.mean(epochs)))
    refit = time.perf_counter()
    model = method.fit(train, setting, seed, None, epochs)
    now = time.perf_counter()
    chosen = {**setting, **variant, **({} if epochs is None else {"epochs": epochs})}
    return Tuned(model, variant, chosen, float(mean.max()), now - started, now - refit)
