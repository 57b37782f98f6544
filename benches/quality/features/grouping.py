"""A validation split that near-duplicates do not straddle, and the check that none does.

Rows stay together when their features in any media type are byte-equal or have a cosine of at least 0.98, or when their
text, title or group is equal (union-find). In a feature space of few dimensions most rows are that close; so the limit of a media
type is raised step by step, up to byte-equality, until no component holds more than a tenth of the rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from measures import content_numbers

LIMIT = 0.98
# One draw of 15 % is a noisy judge of settings that are close.
SPLITS = 3


@dataclass
class Grouped:
    """A grouped split of train rows, and what was found."""

    fit: np.ndarray
    validation: np.ndarray
    component: np.ndarray
    limits: dict


def _unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-12)


def _close_pairs(rows, limit, block=1024):
    """Pairs i < j of rows [n, d] with a cosine of at least `limit`, and their cosines. Cost: n^2 d / 2."""
    unit, found = _unit(rows.astype(np.float32)), []
    for start in range(0, len(unit), block):
        cosine = unit[start : start + block] @ unit[start:].T
        i, j = np.nonzero(cosine >= limit)
        keep = j > i
        found.append((i[keep] + start, j[keep] + start, cosine[i[keep], j[keep]]))
    return tuple(np.concatenate(part) for part in zip(*found))


def _components(n, i, j):
    graph = coo_matrix((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def _equal_pairs(values):
    """Pairs that join all rows of equal value; `None` joins nothing."""
    first, pairs = {}, []
    for at, value in enumerate(values):
        if value is not None:
            other = first.setdefault(value, at)
            if other != at:
                pairs.append((other, at))
    i, j = zip(*pairs) if pairs else ((), ())
    return np.array(i, dtype=np.int64), np.array(j, dtype=np.int64)


def components(data):
    """The component of each row of `data`, and the cosine limit that each media type ended at."""
    n, joined, limits = len(data), [], {}
    for name in ("image", "text"):
        rows = getattr(data, name)
        equal = _equal_pairs(content_numbers(rows).tolist())
        i, j, cosine = _close_pairs(rows, LIMIT)
        limits[name] = "byte-equal"
        joined.append(equal)
        for limit in (LIMIT, *(1 - (1 - LIMIT) / part for part in (4, 16, 64))):
            at = cosine >= limit
            both = np.r_[i[at], equal[0]], np.r_[j[at], equal[1]]
            if np.bincount(_components(n, *both)).max() <= max(n // 10, 8):
                joined[-1], limits[name] = both, round(limit, 6)
                break
    joined += [_equal_pairs(values) for values in data.keys.values()]
    i, j = (np.concatenate(part) for part in zip(*joined))
    return _components(n, i, j), limits


def split(data, seed, share=0.15, most=2000):
    """Draws a grouped validation split from the rows of `data`, all of them train rows."""
    return _draw(data, components(data), seed, share, most)


def splits(data, seed, count=SPLITS):
    """Several draws with the seeds `[seed, 0]`, `[seed, 1]` and so on.

    The components are found once for a set of rows, which must not change afterwards.
    """
    found = data.__dict__.get("_components")
    if found is None:
        found = data._components = components(data)
    return [_draw(data, found, [seed, at], 0.15, 2000) for at in range(count)]


def _draw(data, found, seed, share, most):
    component, limits = found
    wanted = min(max(1, round(len(data) * share)), most, len(data) // 2)
    validation = np.zeros(len(data), dtype=bool)
    sizes = np.bincount(component)
    taken = 0
    for number in np.random.default_rng(seed).permutation(len(sizes)):
        # A component that would overshoot stays with the rows that are learned from.
        if taken + sizes[number] <= wanted:
            validation |= component == number
            taken += sizes[number]
    return Grouped(np.flatnonzero(~validation), np.flatnonzero(validation), component, limits)


def check(data, test, seeds):
    """Counts near-duplicates across the borders: train and test, fit and validation. A dictionary of plain numbers."""
    out = {"train_rows": len(data), "test_rows": len(test)}
    for name in ("image", "text"):
        train_rows, test_rows = getattr(data, name), getattr(test, name)
        cosine = _unit(test_rows) @ _unit(train_rows).T
        out[f"{name}: test rows with a train row of cosine >= {LIMIT}"] = int((cosine.max(axis=1) >= LIMIT).sum())
        seen = {row.tobytes() for row in np.ascontiguousarray(train_rows)}
        out[f"{name}: test rows byte-equal to a train row"] = sum(
            row.tobytes() in seen for row in np.ascontiguousarray(test_rows)
        )
    for key, values in data.keys.items():
        seen = set(values) - {None}
        out[f"{key}: test rows equal to a train row"] = sum(value in seen for value in test.keys[key])
    for seed in seeds:
        rows, straddle = [], 0
        for drawn in splits(data, seed):
            rows.append([len(drawn.fit), len(drawn.validation)])
            straddle += len(np.intersect1d(drawn.component[drawn.fit], drawn.component[drawn.validation]))
        out[f"seed {seed}: fit, validation rows of each draw"] = rows
        out[f"seed {seed}: components on both sides of fit and validation"] = straddle
    component, limits = data._components if seeds else components(data)
    out["components"], out["largest component"] = len(np.unique(component)), int(np.bincount(component).max())
    out["cosine limit used"] = limits
    return out
