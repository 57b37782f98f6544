"""A dataset whose test rows are train rows of another: what decides about defaults, since test must not."""

from dataclasses import replace

import numpy as np
from safetensors.numpy import load_file, save_file

from .grouping import components

# Held out of the rows that are taken.
SHARE = 0.25


def inner(dataset, seed, folder, most=None):
    """Of the train rows of `dataset` whole components, up to `most` rows, a quarter of them as test; its features file goes into `folder`.

    The draw is that of `seed` alone. Components are those of the validation of baselines: near-duplicates, equal texts, titles and
    groups stay together.
    """
    component, _ = components(dataset.train)
    sizes = np.bincount(component)
    order = np.random.default_rng([seed, 7]).permutation(len(sizes))
    most = min(most or len(component), len(component))
    taken, held, count = np.zeros(len(component), bool), np.zeros(len(component), bool), 0
    for number in order:
        if count + sizes[number] <= most:
            here = component == number
            taken |= here
            count += sizes[number]
            if held.sum() + sizes[number] <= most * SHARE:
                held |= here
    if not held.any():
        raise ValueError(f"{dataset.name}: no component of near-duplicates is as small as a quarter of {most} train rows; take more rows")
    rows = np.flatnonzero(taken)
    stored = load_file(dataset.file)
    is_test = stored[dataset.tensors["is_test"]]
    of_train = ~is_test.astype(bool)
    if "label" in dataset.tensors:
        of_train &= stored[dataset.tensors["label"]].astype(np.int64) >= 0
    in_file = np.flatnonzero(of_train)[rows]
    out = {name: np.ascontiguousarray(stored[name][in_file]) for name in dataset.tensors.values()}
    out[dataset.tensors["is_test"]] = held[rows].astype(is_test.dtype)
    file = folder / f"{dataset.name}-inner-{len(rows)}-{seed}.safetensors"
    save_file(out, file)
    train, test = (dataset.train.take(np.flatnonzero(taken & side)) for side in (~held, held))
    return replace(dataset, file=file, train=train, test=test)
