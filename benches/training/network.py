"""The network of the binary in PyTorch: the members of a pathway, and the heads of the metric network, are batches of matrices."""

import math

import torch
from torch import nn

# Pairs of media types and targets of the six heads; a head of one media type scores two views of its items.
LEFT, RIGHT = (0, 0, 1), (0, 1, 1)
CLASS, PAIR = 0, 1


def uniform(*shape, gain):
    """Uniform numbers of variance `gain / rows`; the last two axes are rows and columns."""
    limit = math.sqrt(3 * gain / shape[-2])
    return nn.Parameter(torch.empty(shape).uniform_(-limit, limit))


def dropout(x, p, training):
    """Dropout by 16 random bits for each number: with one thread, less than a third of the time of `torch.nn.functional.dropout`."""
    if not training or p == 0:
        return x
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = bits[: x.numel()].view(x.shape) >= round(p * 65536) - 32768
    return x * kept.to(x.dtype).mul_(1 / (1 - p))


class Pathway(nn.Module):
    """From features `[n, d_in]` to a unit part `[n, e]` and class logits `[members, n, C]`."""

    def __init__(self, d_in, unit, classes, config):
        super().__init__()
        members, k = config["members"], config["hidden"]
        self.config = config
        self.hidden = uniform(members, d_in, k, gain=2.0)
        self.hidden_bias = nn.Parameter(torch.zeros(members, 1, k))
        self.unit = uniform(members, k, unit, gain=1 / members)
        self.unit_bias = nn.Parameter(torch.zeros(unit))
        self.class_weight = uniform(members, k, classes, gain=1.0)
        self.class_bias = nn.Parameter(torch.zeros(members, 1, classes))

    def forward(self, x):
        """Each member sees the rows under a mask of its own."""
        z = dropout(x.expand(self.config["members"], -1, -1), self.config["dropout_input"], self.training)
        r = torch.baddbmm(self.hidden_bias, z, self.hidden).relu_()
        r = dropout(r, self.config["dropout_hidden"], self.training)
        unit = torch.bmm(r, self.unit).sum(0) + self.unit_bias
        unit = unit * (unit.square().sum(-1, keepdim=True) + 1e-8).rsqrt()
        return unit, torch.baddbmm(self.class_bias, r, self.class_weight)

    @staticmethod
    def shared(unit, logits):
        """Shared vectors `[n, C + e]`: the posteriors of the mean logits, and the unit part."""
        return torch.cat([logits.mean(0).softmax(-1), unit], -1)


class Metric(nn.Module):
    """Six heads: three pairs of media types, two targets; parameters of all in one tensor."""

    def __init__(self, unit, class_weights, config):
        super().__init__()
        classes, half = len(class_weights), config["half"]
        self.unit, self.classes, d = unit, classes, unit + classes
        self.halves = uniform(2, d, half, gain=d / 8)
        self.change = nn.Parameter(torch.zeros(3, 2, d, d))
        self.weights = nn.Parameter(torch.zeros(3, 2, half))
        self.shift = nn.Parameter(torch.zeros(3, 2, half))
        self.class_scale = nn.Parameter(torch.tensor([8.0, 1.0]).repeat(3, 1))
        self.unit_scale = nn.Parameter(torch.tensor([2.0, 10.0]).repeat(3, 1))
        self.bias = nn.Parameter(torch.tensor([-4.0, -5.0]).repeat(3, 1))
        self.register_buffer("class_weights", torch.stack([class_weights, torch.ones(classes)]))
        self.register_buffer("same", torch.tensor([a == b for a, b in zip(LEFT, RIGHT)]).view(3, 1, 1, 1))

    def matrices(self):
        """`[3, 2, d, d]`, symmetric where both sides are one media type."""
        return torch.where(self.same, 0.5 * (self.change + self.change.mT), self.change)

    def forward(self, u, v):
        """Logits `[3, 2, n, n]` of shared vectors `[3, n, d]` of the left and right sides."""
        factors = [self.class_weights * self.class_scale[..., None], self.unit_scale[..., None].expand(-1, -1, self.unit)]
        left = torch.matmul(u[:, None], self.matrices()) + u[:, None] * torch.cat(factors, -1)[:, :, None]
        logits = torch.matmul(left, v[:, None].mT) + self.bias[..., None, None]
        p, q = torch.bmm(u, self.halves[list(LEFT)]), torch.bmm(v, self.halves[list(RIGHT)])
        return logits + self.hidden_terms(p, q)

    def hidden_terms(self, p, q):
        """`[3, 2, n, n]`; head by head, which is faster than all at once: what is made on the way stays in the cache."""
        terms = []
        for at in range(3):
            for target in (CLASS, PAIR):
                pre = (p[at] + self.shift[at, target])[:, None] + q[at]
                terms.append(pre.relu_() @ self.weights[at, target])
        return torch.stack(terms).view(3, 2, p.shape[1], q.shape[1])


class Network(nn.Module):
    """Two pathways and the metric network."""

    def __init__(self, widths, class_weights, config):
        super().__init__()
        classes = len(class_weights)
        unit = max(config["dim"] - classes, -(-config["dim"] // 2))
        self.pathways = nn.ModuleList(Pathway(d_in, unit, classes, config) for d_in in widths)
        self.metric = Metric(unit, class_weights, config)

    def groups(self, rate, config, stage):
        """Parameter groups of AdamW: matrices decay, biases do not; the metric network takes part in the last stage alone."""
        free = ("hidden_bias", "unit_bias", "class_bias")
        named = [(name.rsplit(".", 1)[-1], value) for name, value in self.pathways.named_parameters()]
        groups = [
            {"params": [value for name, value in named if name not in free], "lr": rate, "weight_decay": config["weight_decay"]},
            {"params": [value for name, value in named if name in free], "lr": rate, "weight_decay": 0.0},
        ]
        if stage == "metric":
            metric, rate = self.metric, config["learning_rate_metric"]
            decayed = [metric.halves, metric.change, metric.weights]
            rest = [metric.shift, metric.class_scale, metric.unit_scale, metric.bias]
            groups.append({"params": decayed, "lr": rate, "weight_decay": config["weight_decay_metric"]})
            groups.append({"params": rest, "lr": 10 * rate, "weight_decay": 0.0})
        for group in groups:
            group["peak"] = group["lr"]
        return groups
