"""What the methods with two projections share: `u = f(image)`, `v = g(text)`, and cosine or dot product of the two."""

import numpy as np


def unit(rows):
    """Rows of length 1; a zero row stays zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def cosine(u, v):
    """Cosine of all pairs of rows."""
    return unit(u) @ unit(v).T


def dimensions(most):
    """A few numbers of leading dimensions up to `most`, with `most` itself."""
    return [k for k in (5, 10, 20, 40, 80, 160, 320) if k < most] + [most]
