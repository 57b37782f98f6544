"""What the networks share: tensors, epochs with early stopping on validation, scores by cosine."""

import numpy as np
import torch

from features import scaling
from .linear import cosine

BATCH, MOST_EPOCHS, PATIENCE = 100, 60, 10
# Epochs of the first round over a grid, where early stopping mostly takes 20 to 40.
SCREEN = 12
# Validation is looked at after every other epoch: it costs a fifth of one.
LOOK_EVERY = 2


def mlp(widths, activation, dropout=0.0):
    """Fully connected layers with an activation and dropout between them, none after the last."""
    layers = []
    for i, (before, after) in enumerate(zip(widths, widths[1:])):
        layers.append(torch.nn.Linear(before, after))
        if i + 2 < len(widths):
            layers += [activation(), torch.nn.Dropout(dropout)]
    return torch.nn.Sequential(*layers)


class Model:
    """Two scalings and a network with `embed(image, text)` that gives the two representations."""

    def __init__(self, train, kind, net):
        self.scale = scaling.both(kind, train)
        self.net = net
        self.best, self.epochs = None, None

    def tensors(self, data):
        """Scaled images and texts."""
        rows = (scale(x) for scale, x in zip(self.scale, (data.image, data.text)))
        return [torch.from_numpy(x.astype(np.float32)) for x in rows]

    def scores(self, data, variant):
        """Cosine of the representations."""
        self.net.eval()
        with torch.no_grad():
            u, v = self.net.embed(*self.tensors(data))
        return cosine(u.numpy(), v.numpy())


def adam(net, **options):
    """Adam in one fused step over all parameters: the same updates, less than half the time of the default on a CPU."""
    return torch.optim.Adam(net.parameters(), fused=True, **options)


def train_epochs(model, train, step, seed, watch, epochs):
    """Runs `step(image, text, label)` over shuffled batches: until validation stops to gain for every aim, for at most `epochs` epochs.

    With `watch` the best value of each aim is kept in `model.best`, and its epoch in `model.epochs`; without, the network has the
    parameters of the last epoch.
    """
    image, text = model.tensors(train)
    classes = np.unique(train.label)
    label = torch.from_numpy(np.searchsorted(classes, train.label))
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(1, (MOST_EPOCHS if epochs is None else epochs) + 1):
        model.net.train()
        for rows in torch.randperm(len(label), generator=generator).split(BATCH):
            if len(rows) > 1:
                step(image[rows], text[rows], label[rows])
        if watch is None or epoch % LOOK_EVERY:
            continue
        values = watch(model)
        if model.best is None:
            model.best, model.epochs = list(values), [epoch] * len(values)
        for aim, value in enumerate(values):
            if value > model.best[aim]:
                model.best[aim], model.epochs[aim] = value, epoch
        if epoch - max(model.epochs) >= PATIENCE:
            break
    return model
