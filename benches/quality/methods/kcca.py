"""KCCA: canonical correlation analysis between kernel features.

Source: Hardoon, Szedmak, Shawe-Taylor, "Canonical correlation analysis: an overview with application to learning methods",
2004.
Formula: kernel `exp(-g |x - x'|^2 / median)`, centred; CCA with a ridge of the leading kernel principal components
(scikit-learn's `KernelPCA`), cosine of the projections weighted by `s^w`.

Differs: the paper shrinks the kernel matrices by partial Gram-Schmidt and then solves the same problem; here the leading
400 eigenvectors are the subspace, above 4,096 rows those of a seeded draw of 2,048 rows. The ridge is that of the projections,
not of the dual coefficients.
"""

import numpy as np
from sklearn.decomposition import KernelPCA
from sklearn.metrics.pairwise import euclidean_distances

from features import scaling
from .cca import RIDGES, WEIGHTS, directions
from .linear import cosine, dimensions

RANK = 400
# Above MOST rows the subspace is that of DRAWN of them.
MOST, DRAWN = 4096, 2048


class Side:
    """Kernel features of one media type."""

    def __init__(self, rows, kind, width):
        self.scale = scaling.Scaling(kind, rows)
        x = self.scale(rows)
        order = np.random.default_rng(0).permutation(len(x))
        sample, spanning = x[order[:500]], x if len(x) <= MOST else x[order[:DRAWN]]
        median = np.median(euclidean_distances(sample, squared=True)[np.triu_indices(len(sample), 1)])
        self.kpca = KernelPCA(
            n_components=min(RANK, len(spanning) - 1),
            kernel="rbf",
            gamma=width / max(median, 1e-12),
            eigen_solver="randomized",
            random_state=0,
        )
        self.train = self.kpca.fit(spanning).transform(x)

    def __call__(self, rows):
        return self.kpca.transform(self.scale(rows))


class Model:
    """Kernel features and projections of both media types."""

    def __init__(self, sides, ridge):
        self.sides = sides
        x, y = (side.train - side.train.mean(axis=0) for side in sides)
        self.a, self.b, self.s = directions(x, y, ridge)
        self.cache = (None, None)

    def scores(self, data, variant):
        """Cosine of the weighted projections."""
        if self.cache[0] is not data:
            self.cache = (data, [side(rows) for side, rows in zip(self.sides, (data.image, data.text))])
        x, y = self.cache[1]
        k, w = variant["dim"], self.s[: variant["dim"]] ** variant["weight"]
        return cosine(x @ self.a[:, :k] * w, y @ self.b[:, :k] * w)


class KCCA:
    name = "KCCA"

    def __init__(self):
        self.sides = {}

    def grid(self, train):
        return [
            {"scale": s, "width": g, "ridge": r}
            for s in scaling.KINDS
            for g in (0.25, 1.0)
            for r in RIDGES
        ]

    def variants(self, train, setting):
        return [{"dim": k, "weight": w} for k in dimensions(min(RANK, len(train) // 2)) for w in WEIGHTS]

    def fit(self, train, setting, seed, watch, epochs):
        # The kernel does not depend on the ridge: the last one is kept.
        key = (id(train), setting["scale"], setting["width"])
        if key not in self.sides:
            sides = [Side(rows, setting["scale"], setting["width"]) for rows in (train.image, train.text)]
            self.sides = {key: sides, "rows": train}
        return Model(self.sides[key], setting["ridge"])
