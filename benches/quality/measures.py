"""Measures of a score matrix, the same as those of `uncsm-index eval`.

MAP over all results, relevant: same class; recall@k of the paired item, where items of byte-equal content count as the
paired item. Items of equal score have no order, so a measure is its mean over all orders of each group of ties.
Queries without any relevant item are left out.
"""

import numpy as np

RECALL_AT = (1, 5, 10)
BLOCK = 1 << 14


def average_precision(scores, relevant):
    """Expected average precision over all results per query; NaN where nothing is relevant.

    `scores` [q, n] float, `relevant` [q, n] bool. Cost: a sort per query.
    In a group of `g` items of equal score, `r` of them relevant, that starts after `s` items with `R` relevant, place `i`
    (from 1) is relevant with probability `r/g`, and then the expected precision is `(R + 1 + (i-1)(r-1)/(g-1)) / (s+i)`.
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    # A few queries at a time, so that what is made on the way stays in the cache.
    step = max(1, BLOCK // scores.shape[1])
    blocks = range(0, len(scores), step)
    return np.concatenate([_average_precision(scores[at : at + step], relevant[at : at + step]) for at in blocks])


def _average_precision(scores, relevant):
    # One integer per item, in the order of descending score, with whether it is relevant as its last bit: sorting numbers takes
    # a fraction of the time of sorting places and taking along them. Adding zero makes -0 and 0 equal.
    level = (-scores + np.float32(0)).view(np.int32).astype(np.int64)
    level ^= (level >> 63) & 0x7FFFFFFF
    packed = np.sort(2 * level + relevant, axis=1)
    hits, level = packed & 1, packed >> 1
    found = np.cumsum(hits, axis=1)
    place = 1.0 / np.arange(1, scores.shape[1] + 1)
    total = found[:, -1].astype(np.float64)
    total[total == 0] = np.nan
    first = np.ones(level.shape, dtype=bool)
    np.not_equal(level[:, 1:], level[:, :-1], out=first[:, 1:])
    if first.all():
        return (hits * found) @ place / total
    # Groups of all queries, one after the other: a query's first item always starts one.
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=first.size)
    many = np.add.reduceat(hits.ravel(), starts)
    before = found.ravel()[starts] - hits.ravel()[starts]
    # Most groups are single items, whose share is 0 or 1: precision as usual. Only the others are spread.
    values = hits.astype(np.float64)
    values *= found
    flat = values.ravel()
    tied = np.flatnonzero(sizes > 1)
    size, share = sizes[tied], many[tied] / sizes[tied]
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    expected = np.repeat(before[tied] + 1.0, size) + within * np.repeat((many[tied] - 1) / (size - 1), size)
    flat[np.repeat(starts[tied], size) + within] = np.repeat(share, size) * expected
    return values @ place / total


def recall_at(scores, relevant, k):
    """Probability that a relevant item is among the first `k`, per query; NaN where nothing is relevant."""
    scores = np.asarray(scores, dtype=np.float32)
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    start = (scores > best).sum(axis=1)
    level = scores == best
    size, hits = level.sum(axis=1), (level & relevant).sum(axis=1)
    places = np.clip(k - start, 0, size)
    # Without ties a hit is sure or impossible.
    values = (places > 0).astype(np.float64)
    for i in np.flatnonzero((size > hits) & (places > 0)):
        draws = np.arange(places[i])
        # None of `places` draws without replacement hits.
        miss = np.prod(np.maximum(size[i] - hits[i] - draws, 0) / (size[i] - draws))
        values[i] = 1.0 - miss
    values[~relevant.any(axis=1)] = np.nan
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


def paired(data):
    """What is the paired item: for images as queries and for texts, bool [n, n] each. Byte-equal content counts as the paired item."""
    image, text = content_numbers(data.image), content_numbers(data.text)
    return text[None, :] == text[:, None], image[None, :] == image[:, None]


def recall_mean(scores, pairs, k):
    """Recall@k of the paired item, mean of both directions, for `scores` [n images, n texts] and `pairs` as `paired` gives them."""
    forth, back = recall_at(scores, pairs[0], k), recall_at(scores.T, pairs[1], k)
    return float((np.nanmean(forth) + np.nanmean(back)) / 2)


def has_classes(data):
    """Whether any row has a class."""
    return bool((data.label >= 0).any())


def measure(scores, data):
    """All measures of `scores` [n images, n texts] on the rows of `data`, as a flat dictionary. Recall is over all rows.

    Without classes there is no MAP.
    """
    out = {}
    if has_classes(data):
        out["image_to_text"], out["text_to_image"], out["mean"] = map_mean(scores, data.label)
    pairs = paired(data)
    for k in RECALL_AT:
        out[f"recall@{k}"] = recall_mean(scores, pairs, k)
    return out
