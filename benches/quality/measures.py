"""Measures of a score matrix, the same as those of `uncsm-index eval`.

MAP over all results, relevant: same class; recall@k of the paired item, where items of byte-equal content count as the
paired item. Items of equal score have no order, so a measure is its mean over all orders of each group of ties.
Queries without any relevant item are left out.
"""

import numpy as np

RECALL_AT = (1, 5, 10)


def average_precision(scores, relevant):
    """Expected average precision over all results per query; NaN where nothing is relevant.

    `scores` [q, n] float, `relevant` [q, n] bool. Cost: a sort per query.
    In a group of `g` items of equal score, `r` of them relevant, that starts after `s` items with `R` relevant, place `i`
    (from 1) is relevant with probability `r/g`, and then the expected precision is `(R + 1 + (i-1)(r-1)/(g-1)) / (s+i)`.
    """
    scores = np.asarray(scores, dtype=np.float32)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    # The order inside a group of ties does not matter, so the sort need not be stable.
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    found = np.cumsum(hits, axis=1, dtype=np.int32)
    place = np.arange(1, scores.shape[1] + 1)
    total = found[:, -1].astype(np.float64)
    total[total == 0] = np.nan
    first = np.ones(ranked.shape, dtype=bool)
    np.not_equal(ranked[:, 1:], ranked[:, :-1], out=first[:, 1:])
    if first.all():
        return np.einsum("qn,qn,n->q", hits, found, 1.0 / place) / total
    # Groups of all queries, one after the other: a query's first item always starts one.
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=first.size)
    many = np.add.reduceat(hits.ravel(), starts, dtype=np.int32)
    before = found.ravel()[starts] - hits.ravel()[starts]
    slope = (many - 1) / np.maximum(sizes - 1, 1)
    group = np.repeat(np.arange(len(starts)), sizes)
    expected = (before + 1.0)[group] + (np.arange(first.size) - starts[group]) * slope[group]
    expected *= (many / sizes)[group]
    return (expected.reshape(ranked.shape) / place).sum(axis=1) / total


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
    """MAP of the two directions and their mean, for `scores` [n images, n texts] of the same rows.

    Rows without a class (a negative label) are neither queries nor results.
    """
    known = label >= 0
    if not known.all():
        scores, label = scores[np.ix_(known, known)], label[known]
    relevant = label[:, None] == label[None, :]
    one = float(np.nanmean(average_precision(scores, relevant)))
    two = float(np.nanmean(average_precision(scores.T, relevant.T)))
    return one, two, (one + two) / 2


def measure(scores, data):
    """All measures of `scores` [n images, n texts] on the rows of `data`, as a flat dictionary. Recall is over all rows."""
    one, two, mean = map_mean(scores, data.label)
    out = {"image_to_text": one, "text_to_image": two, "mean": mean}
    image, text = content_numbers(data.image), content_numbers(data.text)
    for k in RECALL_AT:
        forth = recall_at(scores, text[None, :] == text[:, None], k)
        back = recall_at(scores.T, image[None, :] == image[:, None], k)
        out[f"recall@{k}"] = float((np.nanmean(forth) + np.nanmean(back)) / 2)
    return out
