"""Measures of a score matrix, the same as those of `uncsm-index eval`.

MAP over all results, relevant: same class; recall@k of the paired item, where items of byte-equal content count as the
paired item. Items of equal score have no order, so a measure is its mean over all orders of each group of ties.
Queries without any relevant item are left out.
"""

import numpy as np

RECALL_AT = (1, 5, 10)


def average_precision(scores, relevant):
    """Expected average precision over all results per query; NaN where nothing is relevant.

    `scores` [q, n] float, `relevant` [q, n] bool. Cost: a sort per query; queries with ties take a slower way.
    """
    scores = np.asarray(scores, dtype=np.float32)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    found = np.cumsum(hits, axis=1)
    place = np.arange(1, scores.shape[1] + 1)
    total = found[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (hits * found / place).sum(axis=1) / total
    for i in np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1) & (total > 0)):
        values[i] = _with_ties(ranked[i], hits[i])
    return values


def _with_ties(ranked, hits):
    """Average precision of one ranking with groups of equal score.

    In a group of `g` items, `r` of them relevant, that starts after `s` items with `R` relevant, place `i` (from 1) is
    relevant with probability `r/g`, and then the expected precision is `(R + 1 + (i-1)(r-1)/(g-1)) / (s+i)`.
    """
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(ranked)])
    relevant = np.add.reduceat(hits.astype(np.int64), starts)
    before = np.cumsum(relevant) - relevant
    slope = np.where(sizes > 1, (relevant - 1) / np.maximum(sizes - 1, 1), 0.0)
    group = np.repeat(np.arange(len(starts)), sizes)
    within = np.arange(len(ranked)) - starts[group]
    found = before[group] + 1 + within * slope[group]
    share = relevant[group] / sizes[group]
    return (share * found / np.arange(1, len(ranked) + 1)).sum() / relevant.sum()


def recall_at(scores, relevant, k):
    """Probability that a relevant item is among the first `k`, per query; NaN where nothing is relevant."""
    scores = np.asarray(scores, dtype=np.float32)
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    start = (scores > best).sum(axis=1)
    level = scores == best
    size, hits = level.sum(axis=1), (level & relevant).sum(axis=1)
    values = np.full(len(scores), np.nan)
    for i in np.flatnonzero(relevant.any(axis=1)):
        places = min(max(k - start[i], 0), size[i])
        draws = np.arange(places)
        # None of `places` draws without replacement hits.
        miss = np.prod(np.maximum(size[i] - hits[i] - draws, 0) / (size[i] - draws))
        values[i] = 1.0 - miss
    return values


def content_numbers(rows):
    """Numbers rows [n, d] by content: byte-equal rows get equal numbers."""
    seen = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in np.ascontiguousarray(rows)])


def map_mean(scores, label):
    """MAP of the two directions and their mean, for `scores` [n images, n texts] of the same rows."""
    relevant = label[:, None] == label[None, :]
    one = float(np.nanmean(average_precision(scores, relevant)))
    two = float(np.nanmean(average_precision(scores.T, relevant.T)))
    return one, two, (one + two) / 2


def measure(scores, data):
    """All measures of `scores` [n images, n texts] on the rows of `data`, as a flat dictionary."""
    one, two, mean = map_mean(scores, data.label)
    out = {"image_to_text": one, "text_to_image": two, "mean": mean}
    image, text = content_numbers(data.image), content_numbers(data.text)
    for k in RECALL_AT:
        forth = recall_at(scores, text[None, :] == text[:, None], k)
        back = recall_at(scores.T, image[None, :] == image[:, None], k)
        out[f"recall@{k}"] = float((np.nanmean(forth) + np.nanmean(back)) / 2)
    return out
