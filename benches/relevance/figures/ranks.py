"""Measures of a query with one relevant document, and the paired bootstrap over documents."""

from functools import lru_cache

import numpy as np

MEASURES = ("recall@10", "nDCG@10")
RESAMPLES = 10_000


def recall(ranks, k=10):
    """1 where the relevant document is among the first `k`. `ranks`: 1-based, 0 where it was not found; the same shape comes back."""
    ranks = np.asarray(ranks)
    return ((ranks >= 1) & (ranks <= k)).astype(np.float64)


def ndcg(ranks, k=10):
    """`1 / log2(1 + rank)` within the first `k`, else 0: with one relevant document the ideal is 1. Shapes as [`recall`]."""
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where((ranks >= 1) & (ranks <= k), 1.0 / np.log2(1.0 + np.maximum(ranks, 1.0)), 0.0)


def measures(ranks):
    """Both measures, each of the shape of `ranks`."""
    return dict(zip(MEASURES, (recall(ranks), ndcg(ranks))))


def paired(ours, theirs, seed=0, resamples=RESAMPLES):
    """The mean of `ours - theirs` and its 95 % interval by the paired bootstrap.

    Both [documents, ...]: what belongs to one document (keyword seeds, bundles) stays together, since it is not independent.
    Documents are drawn with replacement; the interval is from the 2.5th to the 97.5th percentile of the means.
    """
    ours, theirs = (np.asarray(values, dtype=np.float64).reshape(len(values), -1) for values in (ours, theirs))
    difference = (ours - theirs).mean(axis=1)
    means = _counts(len(difference), seed, resamples) @ difference / len(difference)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"difference": float(difference.mean()), "low": float(low), "high": float(high)}


@lru_cache(maxsize=4)
def _counts(n, seed, resamples):
    """How often each of `n` documents is drawn in each resample: [resamples, n]. The same for all comparisons of a table."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def verdict(interval):
    """`beats`, `loses to`, or `is level with` where the interval holds 0."""
    if interval["low"] > 0:
        return "beats"
    return "loses to" if interval["high"] < 0 else "is level with"
