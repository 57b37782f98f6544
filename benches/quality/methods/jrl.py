"""JRL: joint representation learning with sparse and semi-supervised regularisation.

Source: Zhai, Peng, Xiao, "Learning cross-media joint representation with sparse and semisupervised regularization", 2014.
Formula: over projections `P_x` [p, C], `P_y` [q, C] of centred rows, with classes `Y` [n, C] in one-hot form,
`min |X P_x - Y P_y|^2 + |X P_x - L|^2 + |Y P_y - L|^2 + g (tr P_x' X' G_x X P_x + tr P_y' Y' G_y Y P_y)
 + s (|P_x|_{2,1} + |P_y|_{2,1})`
with graph Laplacians `G` of the nearest neighbours of each media type. Alternating: with one projection fixed and the
sparse term written as `tr P' D P`, `D_ii = 1 / (2 |row i of P|)`, the other solves a linear system.

Differs: the semi-supervised part of the graph needs unlabelled rows; there are none here, since test rows stay unread, so the
graph spans the train rows alone. Score: cosine or dot product of the two C-dimensional representations, by validation.
"""

import numpy as np
from scipy.linalg import solve
from sklearn.neighbors import kneighbors_graph

from features import scaling
from .linear import cosine

ROUNDS, NEIGHBOURS = 10, 10


def laplacian_form(x):
    """`X' G X / n` of the symmetric nearest-neighbour graph of rows `x`, normalised by the mean degree."""
    w = kneighbors_graph(x, min(NEIGHBOURS, len(x) - 1), mode="connectivity")
    w = w.maximum(w.T)
    degree = np.asarray(w.sum(axis=1)).ravel()
    return (x.T @ (degree[:, None] * x) - x.T @ (w @ x)) / (degree.mean() * len(x))


class Fixed:
    """What does not depend on the weights: scalings, Gram matrices, graphs."""

    def __init__(self, train, kind):
        self.rows, self.kind = train, kind
        self.scale = scaling.both(kind, train)
        self.x = [self.scale[0](train.image), self.scale[1](train.text)]
        self.gram = [x.T @ x / len(x) for x in self.x]
        self.graph = [laplacian_form(x) for x in self.x]
        one_hot = (train.label[:, None] == np.unique(train.label)[None, :]).astype(np.float64)
        self.label = one_hot - one_hot.mean(axis=0)


class Model:
    """Two scalings and two projections onto the classes."""

    def __init__(self, fixed, setting):
        self.scale = fixed.scale
        n, classes = fixed.label.shape
        self.p = [np.zeros((x.shape[1], classes)) for x in fixed.x]
        sparse = [np.ones(x.shape[1]) for x in fixed.x]
        for _ in range(ROUNDS):
            for i in (0, 1):
                other = fixed.x[1 - i] @ self.p[1 - i]
                left = 2 * fixed.gram[i] + setting["graph"] * fixed.graph[i] + np.diag(setting["sparse"] * sparse[i])
                self.p[i] = solve(left, fixed.x[i].T @ (other + fixed.label) / n, assume_a="pos")
                norms = np.linalg.norm(self.p[i], axis=1)
                # Relative to the mean norm, so that the weight means the same for any scale of the classes.
                sparse[i] = np.minimum(norms.mean() / np.maximum(norms, 1e-12), 1e6)

    def scores(self, data, variant):
        """Cosine or dot product."""
        u, v = self.scale[0](data.image) @ self.p[0], self.scale[1](data.text) @ self.p[1]
        return cosine(u, v) if variant["by"] == "cosine" else u @ v.T


class JRL:
    name = "JRL"
    classes = True

    def __init__(self):
        self.fixed = None

    def grid(self, train):
        return [
            {"scale": k, "sparse": s, "graph": g}
            for k in scaling.KINDS
            for s in (1e-2, 1e-1, 1.0, 10.0)
            for g in (0.0, 0.1, 1.0)
        ]

    def variants(self, train, setting):
        return [{"by": "cosine"}, {"by": "dot"}]

    def fit(self, train, setting, seed, watch, epochs):
        fixed = self.fixed
        if fixed is None or fixed.rows is not train or fixed.kind != setting["scale"]:
            self.fixed = fixed = Fixed(train, setting["scale"])
        return Model(fixed, setting)
