"""Tuning of a baseline: every setting of its grid on one grouped validation split, then a fit of the best to all train rows.

A method has
- `grid(train)`: settings that need a fit of their own;
- `variants(train)`: settings that only change how a fitted model scores;
- `fit(train, setting, seed, watch, epochs)`: a model with `scores(data, variant)` `[n images, n texts]`. A method that
  trains by epochs calls `watch(model)` after each and keeps the best in `model.epochs`; with `epochs` it runs just as many.

Selection is by MAP of the validation rows, mean of both directions. Test rows are not passed in.
"""

import time
from dataclasses import dataclass

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


def tune(method, train, seed):
    """Chooses on a grouped validation split of `train`, and refits to all of it."""
    started = time.perf_counter()
    drawn = grouping.split(train, seed)
    fit, validation = train.take(drawn.fit), train.take(drawn.validation)
    variants = method.variants(train) or [{}]
    best = None
    for setting in method.grid(train):
        def watch(model):
            return max(map_mean(model.scores(validation, v), validation.label)[2] for v in variants)

        model = method.fit(fit, setting, seed, watch, None)
        for variant in variants:
            value = map_mean(model.scores(validation, variant), validation.label)[2]
            if best is None or value > best[0]:
                best = (value, setting, variant, getattr(model, "epochs", None))
    value, setting, variant, epochs = best
    refit = time.perf_counter()
    model = method.fit(train, setting, seed, None, epochs)
    now = time.perf_counter()
    chosen = {**setting, **variant, **({} if epochs is None else {"epochs": epochs})}
    return Tuned(model, variant, chosen, value, now - started, now - refit)
