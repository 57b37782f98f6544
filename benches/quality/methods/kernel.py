"""Kernel CCA + kernel ridge: the kernel members of UNCSM's pathways in closed form, without any network.

Source: Hardoon, Szedmak, Shawe-Taylor, 2004, for kernel CCA; Saunders, Gammerman, Vovk, "Ridge regression learning algorithm in dual
variables", 1998, for kernel ridge; Zelnik-Manor and Perona's local scaling and inverted softmax (Smith et al., "Offline bilingual word
vectors", 2017) are the kin of the hub term.
Formula: `z` of length 1, pictures after `sign(x) sqrt|x|`; landmarks `z_j`, all rows or a seeded draw of 2,048;
`k_j(x) = exp(-g |z - z_j|^2 / median)`, less its mean over the rows.
- For pairs: `S_aa = K_a' K_a / n + c K_mm = G_a G_a'`, `M = G_a^-1 (K_a' K_b / n) G_b^-T = U diag(s) V'`, `u = l2(s^p U' G_a^-1 k(x))` cut
  to `k`; `c` is `r` times the mean eigenvalue of kernel PCA. This is kernel PCA whitened by `(w + r mean(w))^(-1/2)`, and the SVD of the whitened
  cross-covariance. Score `u . v - h (hub(u) + hub(v))`, `hub(u) = T log mean_j exp(u . v_j / T)` over the vectors of the other media type's
  train rows, T 0.15: what is near to everything loses.
- For classes: `(K' K + n l K_mm) W = K' (Y - mean Y)` over one-hot classes, `p = softmax(b (mean Y + W' k(x)))`, score `p . q`.

All settings are those that validation chooses, for MAP and for recall among both kinds of score.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from sklearn.utils.extmath import randomized_svd

from features import scaling
from measures import has_classes

LANDMARKS, MOST_DIM = 2048, 256
WIDTHS, RIDGES = (1.0, 2.0), (0.3, 1.0, 3.0)
DIMS, POWERS, HUBS = (32, 64, 128, 192, MOST_DIM), (0, 0.5, 1, 2), (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES, SHARPNESS = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), (3, 5, 10, 20)
TEMPERATURE = 0.15
# Of the mean of a diagonal: equal rows make a kernel matrix singular.
JITTER = 1e-9


def squared(a, b):
    """Squared distances of rows of length 1."""
    return np.maximum(2.0 - 2.0 * a @ b.T, 0.0)


def factor(matrix):
    """The lower Cholesky factor."""
    matrix = matrix + JITTER * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    return cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)


class Side:
    """Kernel columns of one media type."""

    def __init__(self, rows, roots, width, chosen):
        self.roots, z = roots, self._unit(rows, roots)
        self.landmarks = z[chosen]
        found = squared(self.landmarks[:1000], self.landmarks[:1000])
        self.width = width / max(np.median(found[np.triu_indices(len(found), 1)]), 1e-12)
        columns = np.exp(-self.width * squared(z, self.landmarks))
        self.mean = columns.mean(axis=0)
        self.between = np.exp(-self.width * squared(self.landmarks, self.landmarks))
        self.train = columns - self.mean
        self.gram = self.train.T @ self.train
        # The trace of the centred kernel over the number of eigenvalues that it has.
        self.eigenvalue = (1.0 - self.mean.mean()) / len(chosen)

    @staticmethod
    def _unit(rows, roots):
        return scaling.unit(scaling.roots(rows) if roots else rows.astype(np.float64))

    def __call__(self, rows):
        return np.exp(-self.width * squared(self._unit(rows, self.roots), self.landmarks)) - self.mean


class Kernels:
    """What does not depend on ridges: the kernel columns of both media types, and the posteriors by penalty."""

    def __init__(self, train, width):
        n, roots = len(train), scaling.takes_roots(train.image)
        chosen = np.arange(n) if n <= LANDMARKS else np.sort(np.random.default_rng(0).permutation(n)[:LANDMARKS])
        self.rows, self.width = train, width
        self.sides = Side(train.image, roots, width, chosen), Side(train.text, False, width, chosen)
        self.cross = self.sides[0].train.T @ self.sides[1].train / n
        self.weights, self.seen = {}, (None, None)
        if has_classes(train):
            one_hot = (train.label[:, None] == np.unique(train.label)[None, :]).astype(np.float64)
            self.share = one_hot.mean(axis=0)
            self.target = one_hot - self.share

    def columns(self, data):
        """Kernel columns of both media types; the last ones are kept."""
        if self.seen[0] is not data:
            self.seen = (data, [side(rows) for side, rows in zip(self.sides, (data.image, data.text))])
        return self.seen[1]

    def posterior(self, number, data, penalty, sharpness):
        """Posteriors of one media type."""
        side, key = self.sides[number], (number, penalty)
        if key not in self.weights:
            left = side.gram + len(self.rows) * penalty * side.between
            left += JITTER * np.trace(left) / len(left) * np.eye(len(left))
            self.weights[key] = cho_solve(cho_factor(left, lower=True), side.train.T @ self.target)
        logit = sharpness * (self.share + self.columns(data)[number] @ self.weights[key])
        p = np.exp(logit - logit.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)


class Posteriors:
    """Kernel ridge on the classes."""

    def __init__(self, kernels):
        self.kernels = kernels

    def scores(self, data, variant):
        """Dot product of the posteriors."""
        p, q = (
            self.kernels.posterior(number, data, variant[f"{media}_penalty"], variant["sharpness"])
            for number, media in enumerate(("image", "text"))
        )
        return p @ q.T


class Vectors:
    """Kernel CCA."""

    def __init__(self, kernels, ridge):
        self.kernels, n = kernels, len(kernels.rows)
        factors = [factor(side.gram / n + ridge * side.eigenvalue * side.between) for side in kernels.sides]
        inner = solve_triangular(factors[0], kernels.cross, lower=True)
        inner = solve_triangular(factors[1], inner.T, lower=True).T
        u, self.s, vt = randomized_svd(inner, min(MOST_DIM, len(inner) - 1), n_iter=7, random_state=0)
        self.maps = [solve_triangular(l, part, lower=True, trans="T") for l, part in zip(factors, (u, vt.T))]
        self.kept = {}

    def _vectors(self, columns, variant):
        """Unit parts of both media types from kernel columns times the maps."""
        k = min(variant["dim"], len(self.s))
        return [scaling.unit(part[:, :k] * self.s[:k] ** variant["power"]) for part in columns]

    def _hub(self, u, others):
        return TEMPERATURE * np.log(np.exp(u @ others.T / TEMPERATURE).mean(axis=1))

    def scores(self, data, variant):
        """Dot product less the hub terms."""
        if self.kept.get("data") is not data:
            train = [side.train @ part for side, part in zip(self.kernels.sides, self.maps)]
            self.kept = {"data": data, "train": train, "key": None}
            self.kept["rows"] = [columns @ part for columns, part in zip(self.kernels.columns(data), self.maps)]
        key = variant["dim"], variant["power"]
        if self.kept["key"] != key:
            u, v = self._vectors(self.kept["rows"], variant)
            others = self._vectors(self.kept["train"], variant)
            # An item's own row is among the train rows only where it was learned from.
            self.kept |= {"key": key, "dot": u @ v.T, "hubs": (self._hub(u, others[1]), self._hub(v, others[0]))}
        forth, back = self.kept["hubs"]
        return self.kept["dot"] - variant["hub"] * (forth[:, None] + back[None, :])


class Kernel:
    name = "kernel CCA + kernel ridge"

    def __init__(self):
        self.kernels = None

    def grid(self, train):
        pairs = [{"part": "pair", "ridge": r} for r in RIDGES]
        classes = [{"part": "class"}] if has_classes(train) else []
        return [{"width": g, **part} for g in WIDTHS for part in (*pairs, *classes)]

    def variants(self, train, setting):
        if setting["part"] == "class":
            return [
                {"image_penalty": one, "text_penalty": two, "sharpness": b}
                for one in PENALTIES
                for two in PENALTIES
                for b in SHARPNESS
            ]
        return [{"dim": k, "power": p, "hub": h} for k in DIMS for p in POWERS for h in HUBS]

    def fit(self, train, setting, seed, watch, epochs):
        # Kernel columns do not depend on ridges: the last ones are kept.
        if self.kernels is None or self.kernels.rows is not train or self.kernels.width != setting["width"]:
            self.kernels = Kernels(train, setting["width"])
        return Posteriors(self.kernels) if setting["part"] == "class" else Vectors(self.kernels, setting["ridge"])
