"""DSCMR: deep supervised cross-modal retrieval.

Source: Zhen, Hu, Wang, Peng, "Deep supervised cross-modal retrieval", 2019.
Formula: one network per media type, the last layer shared, representations `u`, `v`, a linear map `P` to classes `Y`;
`L = |P u - Y| + |P v - Y| + l J + e |u - v|` over the batch, with
`J = mean ln(1 + exp c) - S c` for `c = cos / 2` and `S` = 1 for equal classes, over image-text, image-image and text-text pairs;
norms are means over rows of Euclidean lengths. Cosine of `u` and `v`.

Differs: features are given, so there is no convolutional front; widths 512 and 256 instead of 2,048 and 1,024, as fits 128 to
1,280 features; the paper's `l = 1e-3` is joined by larger ones, and dropout is offered to validation.
"""

import torch
import torch.nn.functional as F

from features import scaling
from . import deep


class Net(torch.nn.Module):
    def __init__(self, p, q, classes, dropout, dim=256):
        super().__init__()
        self.own = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(d, 512), torch.nn.ReLU(), torch.nn.Dropout(dropout)) for d in (p, q)
        )
        self.shared = torch.nn.Linear(512, dim)
        self.classes = torch.nn.Linear(dim, classes)

    def embed(self, x, y):
        return self.shared(self.own[0](x)), self.shared(self.own[1](y))


def likelihood(u, v, same):
    """Mean negative log-likelihood of the similarities under `sigmoid(cos / 2)`."""
    c = F.normalize(u) @ F.normalize(v).T / 2
    return (F.softplus(c) - same * c).mean()


class DSCMR:
    name = "DSCMR"
    classes = True
    screen = deep.SCREEN

    def grid(self, train):
        return [
            {"scale": s, "likelihood": l, "invariance": e, "dropout": p}
            for s in scaling.KINDS
            for l in (1e-3, 1.0)
            for e in (1e-2, 1e-1)
            for p in (0.0, 0.5)
        ]

    def variants(self, train, setting):
        return []

    def fit(self, train, setting, seed, watch, epochs):
        torch.manual_seed(seed)
        classes = len(set(train.label.tolist()))
        net = Net(train.image.shape[1], train.text.shape[1], classes, setting["dropout"])
        model = deep.Model(train, setting["scale"], net)
        optimiser = deep.adam(net, lr=5e-4, betas=(0.5, 0.999), weight_decay=1e-4)

        def length(difference):
            return (difference**2).sum(1).add(1e-8).sqrt().mean()

        def step(x, y, label):
            u, v = net.embed(x, y)
            one_hot = F.one_hot(label, classes).float()
            same = one_hot @ one_hot.T
            loss = length(net.classes(u) - one_hot) + length(net.classes(v) - one_hot)
            pairs = likelihood(u, v, same) + likelihood(u, u, same) + likelihood(v, v, same)
            loss = loss + setting["likelihood"] * pairs + setting["invariance"] * length(u - v)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return deep.train_epochs(model, train, step, seed, watch, epochs)
