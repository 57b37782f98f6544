"""Ridge CCA: the closed form on roots of the picture features, without standardising.

Source: Vinod, "Canonical ridge and econometrics of joint production", 1976, for the ridge; Rasiwasia et al., 2010, for retrieval; the
formula is that of `cca.py`.
Formula: pictures `sign(x) sqrt|x|`, texts as they are, both centred, either or neither brought to length 1 before; ridge around 3 times the
mean variance; projections weighted by their correlation; cosine.

Differs: features keep their own variances, so that the ridge tames those that vary least. Where the first media type has no pictures,
its features are taken as they are.
"""

from features import scaling
from .cca import Model
from .linear import dimensions

# Three times the mean variance is the middle.
RIDGES = tuple(3.0 * 10.0 ** (step / 2) for step in range(-4, 5))


class Input:
    """Roots where `roots` says so, length 1 where `length` says so, less the mean of the rows that it is learned from."""

    def __init__(self, rows, roots, length):
        self.roots, self.length, self.mean = roots, length, 0.0
        self.mean = self(rows).mean(axis=0)

    def __call__(self, rows):
        rows = scaling.roots(rows) if self.roots else rows.astype(float)
        return (scaling.unit(rows) if self.length else rows) - self.mean


class RidgeCCA:
    name = "ridge CCA"

    def grid(self, train):
        return [{"length": u, "ridge": r} for u in (False, True) for r in RIDGES]

    def variants(self, train, setting):
        most = min(train.image.shape[1], train.text.shape[1])
        return [{"dim": k, "weight": 1} for k in dimensions(most)]

    def fit(self, train, setting, seed, watch, epochs):
        length = setting["length"]
        scale = Input(train.image, scaling.takes_roots(train.image), length), Input(train.text, False, length)
        return Model(scale, train, setting["ridge"])
