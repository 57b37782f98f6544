"""Corr-AE: correspondence autoencoder.

Source: Feng, Wang, Li, "Cross-modal retrieval with correspondence autoencoder", 2014.
Formula: autoencoders `f, f'` of images and `g, g'` of texts with codes of one width;
`L = (1 - a) (|x - f'(f(x))|^2 + |y - g'(g(y))|^2) + a |f(x) - g(y)|^2` over pairs; cosine of the codes.

Differs: the paper pretrains each layer as a restricted Boltzmann machine; Adam from a random start serves here. Each
reconstruction error is a mean over its features, so that the wider media type does not drown the other. Classes are not used in
training, only in the selection of settings, as for all methods.
"""

import torch

from features import scaling
from . import deep


class Net(torch.nn.Module):
    def __init__(self, p, q, hidden, code):
        super().__init__()
        act = torch.nn.Tanh
        self.encode = torch.nn.ModuleList(deep.mlp([d, hidden, code], act) for d in (p, q))
        self.decode = torch.nn.ModuleList(deep.mlp([code, hidden, d], act) for d in (p, q))

    def embed(self, x, y):
        return torch.tanh(self.encode[0](x)), torch.tanh(self.encode[1](y))


class CorrAE:
    name = "Corr-AE"
    screen = deep.SCREEN

    def grid(self, train):
        return [
            {"scale": s, "share": a, "code": k} for s in scaling.KINDS for a in (0.2, 0.5, 0.8) for k in (32, 128)
        ]

    def variants(self, train, setting):
        return []

    def fit(self, train, setting, seed, watch, epochs):
        torch.manual_seed(seed)
        net = Net(train.image.shape[1], train.text.shape[1], 256, setting["code"])
        model = deep.Model(train, setting["scale"], net)
        optimiser = deep.adam(net, lr=1e-3, weight_decay=1e-5)
        share = setting["share"]

        def step(x, y, _label):
            u, v = net.embed(x, y)
            rebuild = ((net.decode[0](u) - x) ** 2).mean() + ((net.decode[1](v) - y) ** 2).mean()
            loss = (1 - share) * rebuild + share * ((u - v) ** 2).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return deep.train_epochs(model, train, step, seed, watch, epochs)
