"""ACMR: adversarial cross-modal retrieval.

Source: Wang, Yang, Xu, Hanjalic, Shen, "Adversarial cross-modal retrieval", 2017.
Formula: projectors of images and texts into one space, against a classifier that tells the media types apart.
Projectors minimise `CE(classes) + b T - a CE(media)`, with one linear class predictor on both media types and the triplet loss
`T` over squared distances of unit vectors, anchored on either side; the media classifier minimises `CE(media)`. The sign is turned
by a gradient reversal whose weight grows over the first epochs. Cosine of the representations.

Differs: each anchor draws a similar item and meets all dissimilar ones of its batch, averaged over the triplets that violate the margin; one step of each
player per batch; the regulariser is Adam's weight decay; dropout is offered to validation.
"""

import torch
import torch.nn.functional as F

from features import scaling
from . import deep

MARGIN = 0.3


class Reverse(torch.autograd.Function):
    """Identity whose gradient is turned and scaled."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.weight * grad, None


class Net(torch.nn.Module):
    def __init__(self, p, q, classes, dropout, dim=128):
        super().__init__()
        self.project = torch.nn.ModuleList(deep.mlp([d, 256, dim], torch.nn.Tanh, dropout) for d in (p, q))
        self.classes = torch.nn.Linear(dim, classes)
        self.media = deep.mlp([dim, 64, 2], torch.nn.ReLU)

    def embed(self, x, y):
        return torch.tanh(self.project[0](x)), torch.tanh(self.project[1](y))


def triplets(u, v, label):
    """Mean over the violated triplets, anchored on `u` and on `v`."""
    u, v = F.normalize(u), F.normalize(v)
    squared = 2 - 2 * u @ v.T
    same = label[:, None] == label[None, :]
    total = 0.0
    for d in (squared, squared.T):
        positive = torch.multinomial(same.float(), 1)
        gap = F.relu(MARGIN + d.gather(1, positive) - d) * ~same
        total = total + gap.sum() / (gap > 0).sum().clamp(min=1)
    return total


class ACMR:
    name = "ACMR"
    classes = True
    screen = deep.SCREEN

    def grid(self, train):
        return [
            {"scale": s, "adversary": a, "triplet": b, "dropout": p}
            for s in scaling.KINDS
            for a in (0.05, 0.5)
            for b in (0.3, 3.0)
            for p in (0.0, 0.5)
        ]

    def variants(self, train, setting):
        return []

    def fit(self, train, setting, seed, watch, epochs):
        torch.manual_seed(seed)
        classes = len(set(train.label.tolist()))
        net = Net(train.image.shape[1], train.text.shape[1], classes, setting["dropout"])
        model = deep.Model(train, setting["scale"], net)
        optimiser = deep.adam(net, lr=1e-3, weight_decay=1e-4)
        steps = [0]

        def step(x, y, label):
            steps[0] += 1
            u, v = net.embed(x, y)
            both = torch.cat([u, v])
            weight = setting["adversary"] * min(1.0, steps[0] / 200)
            media = torch.arange(2).repeat_interleave(len(u))
            loss = (
                F.cross_entropy(net.classes(both), label.repeat(2))
                + setting["triplet"] * triplets(u, v, label)
                + F.cross_entropy(net.media(Reverse.apply(both, weight)), media)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return deep.train_epochs(model, train, step, seed, watch, epochs)
