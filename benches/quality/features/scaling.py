"""Scaling of input features, learned on the rows that a method is fitted to."""

import numpy as np

# A fair choice for features that are counts or activations: roots tame their tails. Validation decides per method.
KINDS = ("standard", "power")


class Scaling:
    """`standard`: mean 0, deviation 1, cut at 10 as the pathways of UNCSM are; `power`: signed square root first."""

    def __init__(self, kind, rows):
        self.kind = kind
        rows = self._shape(rows)
        self.mean = rows.mean(axis=0)
        deviation = rows.std(axis=0)
        self.scale = np.where(deviation > 1e-8, 1.0 / np.maximum(deviation, 1e-8), 0.0)

    def _shape(self, rows):
        return roots(rows) if self.kind == "power" else rows.astype(np.float64)

    def __call__(self, rows):
        return np.clip((self._shape(rows) - self.mean) * self.scale, -10, 10)


def both(kind, data):
    """The scalings of images and texts."""
    return Scaling(kind, data.image), Scaling(kind, data.text)


def roots(rows):
    """`sign(x) sqrt|x|`."""
    rows = rows.astype(np.float64)
    return np.sign(rows) * np.sqrt(np.abs(rows))


def unit(rows):
    """Rows of length 1; a zero row stays zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def takes_roots(image):
    """Whether the first media type gets roots: where no feature is negative, as in counts and activations of pictures.

    Embeddings of texts, where these stand in its place, have negative ones.
    """
    return bool((image >= 0).all())
