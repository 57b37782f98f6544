"""CFA: cross-modal factor analysis.

Source: Li, Dimitrova, Li, Sethi, "Multimedia content processing through cross-modal association", 2003.
Formula: `min |X A - Y B|_F^2` with `A'A = B'B = I`, solved by the SVD `X'Y = U S V'`: `A = U`, `B = V`, their leading `k`
columns; cosine of the projections.

Differs: nothing but the scaling of the input, and that columns may be weighted by the root of their singular value, where
validation asks for it.
"""

from scipy.linalg import svd

from features import scaling
from .linear import cosine, dimensions


class Model:
    """Two scalings and two orthonormal projections."""

    def __init__(self, train, setting):
        self.scale = scaling.both(setting["scale"], train)
        x, y = self.scale[0](train.image), self.scale[1](train.text)
        self.a, self.s, bt = svd(x.T @ y, full_matrices=False)
        self.b = bt.T

    def scores(self, data, variant):
        """Cosine of the weighted projections."""
        k = variant["dim"]
        w = (self.s[:k] / self.s[0]) ** variant["weight"]
        u = self.scale[0](data.image) @ self.a[:, :k]
        v = self.scale[1](data.text) @ self.b[:, :k]
        return cosine(u * w, v * w)


class CFA:
    name = "CFA"

    def grid(self, train):
        return [{"scale": s} for s in scaling.KINDS]

    def variants(self, train, setting):
        most = min(train.image.shape[1], train.text.shape[1])
        return [{"dim": k, "weight": w} for k in dimensions(most) for w in (0, 0.5)]

    def fit(self, train, setting, seed, watch, epochs):
        return Model(train, setting)
