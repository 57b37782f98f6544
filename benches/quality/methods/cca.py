"""CCA: canonical correlation analysis.

Source: Hotelling, "Relations between two sets of variates", 1936; for retrieval: Rasiwasia et al., "A new approach to
cross-modal multimedia retrieval", 2010.
Formula: with `Cxx + r (tr Cxx / p) I = Lx Lx'`, `Cyy` alike, and the SVD `Lx^-1 Cxy Ly^-T = U S V'`: projections
`A = Lx^-T U`, `B = Ly^-T V`, their leading `k` columns; cosine of the projections, each column weighted by `s^w`.

Differs: ridge `r` instead of none (1,280 features and fewer rows need one); the weight `w` 1 is the common refinement, 0 the
plain method, and validation decides, of `r` and `k` too. scikit-learn's CCA is an iterative NIPALS with a deflation per component and no ridge:
slow and ill-posed for these widths, so the closed form is used.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular, svd

from features import scaling
from .linear import cosine, dimensions

# Ridges are times the mean variance of a feature; weights are powers of a component's correlation.
RIDGES, WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 3.0, 10.0), (0, 0.5, 1, 2)


def directions(x, y, ridge):
    """Projections `A` [p, m], `B` [q, m] and correlations [m] of centred rows `x` [n, p], `y` [n, q]."""

    def factor(rows):
        c = rows.T @ rows / len(rows)
        return cholesky(c + ridge * np.trace(c) / len(c) * np.eye(len(c)), lower=True)

    lx, ly = factor(x), factor(y)
    inner = solve_triangular(lx, x.T @ y / len(x), lower=True)
    u, s, vt = svd(solve_triangular(ly, inner.T, lower=True).T, full_matrices=False)
    a = solve_triangular(lx, u, lower=True, trans="T")
    b = solve_triangular(ly, vt.T, lower=True, trans="T")
    return a, b, np.clip(s, 0.0, 1.0)


class Model:
    """The inputs of both media types, made by `scale`, and two projections."""

    def __init__(self, scale, train, ridge):
        self.scale = scale
        x, y = self.scale[0](train.image), self.scale[1](train.text)
        self.a, self.b, self.s = directions(x, y, ridge)

    def scores(self, data, variant):
        """Cosine of the weighted projections."""
        k, w = variant["dim"], self.s[: variant["dim"]] ** variant["weight"]
        u = self.scale[0](data.image) @ self.a[:, :k]
        v = self.scale[1](data.text) @ self.b[:, :k]
        return cosine(u * w, v * w)


class CCA:
    name = "CCA"

    def grid(self, train):
        return [{"scale": s, "ridge": r} for s in scaling.KINDS for r in RIDGES]

    def variants(self, train, setting):
        most = min(train.image.shape[1], train.text.shape[1])
        return [{"dim": k, "weight": w} for k in dimensions(most) for w in WEIGHTS]

    def fit(self, train, setting, seed, watch, epochs):
        return Model(scaling.both(setting["scale"], train), train, setting["ridge"])
