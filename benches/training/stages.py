"""The loop of the three stages: AdamW, a half cosine of the learning rate, a running average of the parameters."""

import math
import time

import torch

import losses
from network import Network

STAGES = ("contrastive", "double_triplet", "metric")
RATES = {"contrastive": "learning_rate", "double_triplet": "learning_rate_double_triplet", "metric": "learning_rate_joint"}


def class_weights(label, classes):
    """Rare classes weigh more in the dot product of posteriors: `(share * C)^-1/2`, counted with one more row each."""
    counts = torch.bincount(label, minlength=classes) + 1
    return (counts * classes / counts.sum()).pow(-0.5).float()


def build(rows, config):
    """A network with a random start."""
    widths = [features.shape[1] for features in rows.features]
    return Network(widths, class_weights(rows.label, rows.classes), config)


def run(network, rows, stage, config, epochs):
    """Runs a stage and leaves the averaged parameters in the network; `(seconds, mean loss of each epoch)`."""
    started = time.perf_counter()
    network.train()
    optimiser = torch.optim.AdamW(network.groups(config[RATES[stage]], config, stage), betas=(0.9, 0.999), eps=1e-8, fused=True)
    parameters = [value for group in optimiser.param_groups for value in group["params"]]
    average = [value.detach().clone() for value in parameters]
    size = min(config["batch"], max(len(rows) // 8, 16))
    done, history = 0, []
    for epoch in range(epochs):
        batches, total = rows.batches(size), torch.zeros(())
        for at, batch in enumerate(batches):
            progress = (epoch * len(batches) + at) / (epochs * len(batches))
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
            loss = losses.of_batch(network, rows, batch, stage, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            done += 1
            torch._foreach_lerp_(average, [value.detach() for value in parameters], 1 - min(config["average"], done / (done + 9)))
            total += loss.detach()
        history.append(total.item() / len(batches))
    with torch.no_grad():
        torch._foreach_copy_(parameters, average)
    return time.perf_counter() - started, history
