"""What the methods with two projections share: `u = f(image)`, `v = g(text)`, and cosine or dot product of the two."""

from features.scaling import unit


def cosine(u, v):
    """Cosine of all pairs of rows."""
    return unit(u) @ unit(v).T


def dimensions(most):
    """A few numbers of leading dimensions up to `most`, with `most` itself."""
    return [k for k in (5, 10, 20, 40, 80, 160, 320) if k < most] + [most]
