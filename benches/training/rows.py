"""The rows that are learned from, as the binary prepares them, and the batches of an epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load_file

CLIP = 10.0
MEDIA = ("image", "text")


@dataclass
class Rows:
    """Standardised features `[n, d_in]` per media type, classes `[n]`, and numbers that are equal where features are."""

    features: list
    content: list
    label: torch.Tensor
    classes: int

    def __len__(self):
        return len(self.label)

    def batches(self, size):
        """A new random order, cut into batches; a rest of fewer than half a batch joins the one before."""
        parts = list(torch.randperm(len(self)).split(size))
        if len(parts) > 1 and len(parts[-1]) < size // 2:
            rest = parts.pop()
            parts[-1] = torch.cat([parts[-1], rest])
        return parts


@dataclass
class Stored:
    """Raw rows of a features file: train rows first to fit on, test rows to measure."""

    train: list
    train_label: np.ndarray
    test: list
    test_label: np.ndarray


def read(path, tensors):
    """The rows of `path`; `tensors` names `image`, `text`, `label` and `is_test`."""
    stored = load_file(path)
    for name in tensors.values():
        if name not in stored:
            raise SystemExit(f"{path}: no tensor {name!r}; it has {', '.join(sorted(stored))}")
    label = stored[tensors["label"]].astype(np.int64)
    test = stored[tensors["is_test"]].astype(bool)
    if (label[~test] < 0).any():
        raise SystemExit(f"{path}: train rows without a class, which the PyTorch side does not know")
    features = [stored[tensors[media]].astype(np.float32) for media in MEDIA]
    return Stored([x[~test] for x in features], label[~test], [x[test] for x in features], label[test])


class Scaling:
    """Roots where no feature is negative, then mean 0 and deviation 1, cut at 10."""

    def __init__(self, x):
        self.roots = bool((x >= 0).all())
        x = self._root(x.astype(np.float64))
        self.mean, deviation = x.mean(0), x.std(0)
        useful = deviation > 1e-6 * np.abs(self.mean).clip(1e-30)
        self.scale = np.where(useful, 1 / np.where(useful, deviation, 1), 0)

    def _root(self, x):
        return np.copysign(np.sqrt(np.abs(x)), x) if self.roots else x

    def __call__(self, x):
        z = (self._root(x.astype(np.float64)) - self.mean) * self.scale
        return torch.from_numpy(z.clip(-CLIP, CLIP).astype(np.float32))


def prepare(stored, held_out, seed):
    """`(Rows, scalings)` of the train rows but for the share `held_out`, as many as the binary holds out for validation."""
    n = len(stored.train_label)
    order = np.random.default_rng(seed).permutation(n)
    fit = np.sort(order[: n - max(1, round(n * held_out))])
    scalings = [Scaling(x[fit]) for x in stored.train]
    features = [scaling(x[fit]) for scaling, x in zip(scalings, stored.train)]
    content = [torch.from_numpy(np.unique(x.numpy(), axis=0, return_inverse=True)[1].reshape(-1)) for x in features]
    classes = int(stored.train_label.max()) + 1
    return Rows(features, content, torch.from_numpy(stored.train_label[fit]), classes), scalings
