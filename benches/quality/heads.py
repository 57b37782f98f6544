"""Whether a head that is no bilinear form finds more at the same stored numbers per item. Test rows are left alone.

    python3 benches/quality/heads.py --data DIR [--data DIR2] --out DIR [--datasets demo,openclipart,tuxpaint,names]
                                     [--dims 32,64] [--seeds 1,2,3] [--rows N]

Of the train rows (`--rows`: some of them) a quarter is held out by the seed, in whole components of near-duplicates, and measured. Of
the rest, a half gives the kernel CCA and kernel ridge posteriors that items start from, and the other half, which these have not seen, teaches a linear
map of 256 canonical coordinates to `d` numbers and a head over two items, together, by AdamW and an in-batch softmax both ways; three
tenths of it stop the training. Every head but the mixtures starts as the dot product, or two of them, and has the same budget and the same learning rates to choose from.

Targets. `pair`: the other item of the row is right; recall. `graded` (classes needed): nDCG@10 with gain 3 for the paired item, 1
for others of its class, at widths above the number of classes; the softmax learns shares in proportion to the gains, and an item is `[posteriors; unit part]`, of `d` numbers in all.

Heads, for items `u`, `v`: "dot" `a u.v`; "bilinear" `u'Bv`; "+ hidden" adds `w . relu(P u + Q v + c)` with 32 units; "+ hidden of products" adds a
hidden layer of 32 over `u * v`; "mixture k" is the mixture of logits (Ding and Zhai, "Retrieval with learned similarities", 2025): both
items in `k` parts of length 1, whose `k^2` dot products are weighted by a softmax over what the items and the products say. For `graded`
"combined" is a hidden layer of 32 over the dot products of the two parts, beside a weighted sum of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from features import data
from features.grouping import split
from features.inner import inner
from measures import paired, recall_mean
from methods.kernel import Kernels, Posteriors, Vectors
from run import log
from tables.report import cell
from tables.summary import over_seeds

HIDDEN, BATCH, STEPS, EVERY = 32, 256, 160, 16
RATES = (1e-3, 4e-3)
# Of what teaches, the share that stops the training.
STOP = 0.3
GAIN_PAIR, GAIN_CLASS, PLACES = 3.0, 1.0, 10
# `uncsm-index demo --dir X` and `features X/corpus.jsonl --label shape --out demo/features.safetensors`: captions name kind, colour, size and place.
data.KNOWN.setdefault("demo", ("demo", "features.safetensors", {"image": "image", "text": "text"}))
# What the closed form is fitted with: the middle of the grids of `methods.kernel`.
WIDTH, RIDGE, POWER, PENALTY, SHARPNESS = 1.0, 1.0, 1.0, 1e-3, 10


class Bilinear(nn.Module):
    """The bilinear form, or with `plain` one factor."""

    def __init__(self, d, plain=False):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(14.0))
        self.b = None if plain else nn.Parameter(torch.eye(d))

    def forward(self, u, v):
        return self.a * ((u if self.b is None else u @ self.b) @ v.T)


class Hidden(Bilinear):
    """A hidden layer over both items, or over their elementwise product, beside the bilinear form; its last weights start at zero."""

    def __init__(self, d, products=False):
        super().__init__(d)
        self.products = products
        self.p, self.q = nn.Linear(d, HIDDEN), nn.Linear(d, HIDDEN, bias=False)
        self.w = nn.Parameter(torch.zeros(HIDDEN))

    def forward(self, u, v):
        if self.products:
            # `(u * v) P'` of all pairs without a tensor of `d` numbers for each.
            z = torch.einsum("nd,hd,md->nmh", u, self.p.weight, v) * u.shape[1] ** 0.5 + self.p.bias
        else:
            z = self.p(u)[:, None] + self.q(v)[None]
        return super().forward(u, v) + torch.relu(z) @ self.w


class Mixture(nn.Module):
    """The mixture of logits."""

    def __init__(self, d, parts):
        super().__init__()
        self.parts, k = parts, parts * parts
        self.a = nn.Parameter(torch.tensor(14.0))
        self.of_u, self.of_v = (nn.Sequential(nn.Linear(d, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, k)) for _ in "uv")
        self.cross = nn.Sequential(nn.Linear(k, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, k))
        self.start = nn.Parameter(4.0 * torch.eye(parts).flatten())

    def forward(self, u, v):
        left, right = (nn.functional.normalize(x.reshape(len(x), self.parts, -1), dim=2) for x in (u, v))
        dots = torch.einsum("nkd,mld->nmkl", left, right).flatten(2)
        gate = self.of_u(u)[:, None] * self.of_v(v)[None] + self.cross(dots) + self.start
        return self.a * (gate.softmax(2) * dots).sum(2)


class Combined(nn.Module):
    """A function of two dot products: of the first `classes` elements, and of the others."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.a = nn.Parameter(torch.tensor([2.0, 14.0]))
        self.layer = nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        nn.init.zeros_(self.layer[2].weight)

    def forward(self, u, v):
        c = self.classes
        dots = torch.stack([u[:, :c] @ v[:, :c].T, u[:, c:] @ v[:, c:].T], 2)
        return dots @ self.a + self.layer(dots)[..., 0]


HEADS = {
    "dot": lambda d, c: Bilinear(d, plain=True),
    "bilinear": lambda d, c: Bilinear(d),
    "+ hidden": lambda d, c: Hidden(d),
    "+ hidden of products": lambda d, c: Hidden(d, products=True),
    "mixture 2": lambda d, c: Mixture(d, 2),
    "mixture 4": lambda d, c: Mixture(d, 4),
    "mixture 8": lambda d, c: Mixture(d, 8),
    "combined": lambda d, c: Combined(c) if c else None,
}


class Start:
    """The closed form, on the rows that it is fitted to."""

    def __init__(self, rows, graded):
        self.kernels = Kernels(rows, WIDTH)
        self.vectors = Vectors(self.kernels, RIDGE)
        self.posteriors = Posteriors(self.kernels) if graded else None

    def __call__(self, rows):
        """Coordinates `[n, 256]` of both media types, and posteriors or None."""
        columns = self.kernels.columns(rows)
        found = [c @ part * self.vectors.s**POWER for c, part in zip(columns, self.vectors.maps)]
        posteriors = [self.kernels.posterior(m, rows, PENALTY, SHARPNESS) if self.posteriors else None for m in (0, 1)]
        return [
            (torch.tensor(c / np.linalg.norm(c, axis=1, keepdims=True), dtype=torch.float32), None if p is None else torch.tensor(p, dtype=torch.float32))
            for c, p in zip(found, posteriors)
        ]


class Model(nn.Module):
    """A linear map for each media type, and a head."""

    def __init__(self, head, d, classes, width):
        super().__init__()
        self.maps = nn.ParameterList([nn.Parameter(torch.eye(d - classes, width)) for _ in "ab"])
        self.head = HEADS[head](d, classes)

    def items(self, m, part, rows=slice(None)):
        coordinates, posteriors = part[m]
        unit = nn.functional.normalize(coordinates[rows] @ self.maps[m].T, dim=1)
        return unit if posteriors is None else torch.cat([posteriors[rows], unit], 1)

    @torch.no_grad()
    def scores(self, part):
        u, v = (self.items(m, part) for m in (0, 1))
        return torch.cat([self.head(block, v) for block in u.split(128)]).numpy()


def gains(rows, graded):
    """Gain of every text for every picture, `[n, n]`, and the other way round."""
    pairs = paired(rows)
    if not graded:
        return [pair.astype(np.float32) for pair in pairs]
    same = (rows.label[:, None] == rows.label[None]) & (rows.label[:, None] >= 0)
    return [np.where(pair, GAIN_PAIR, np.where(same, GAIN_CLASS, 0.0)).astype(np.float32) for pair in pairs]


def ndcg(scores, gain):
    """nDCG of the first ten places, mean over queries."""
    weight = 1.0 / np.log2(np.arange(2, min(PLACES, gain.shape[1]) + 2))
    found = np.take_along_axis(gain, np.argsort(-scores, axis=1, kind="stable")[:, :PLACES], 1) @ weight
    best = -np.sort(-gain, axis=1)[:, :PLACES] @ weight
    return float((found[best > 0] / best[best > 0]).mean())


def measured(model, part, rows, gain, graded):
    """What is chosen by comes first."""
    scores = model.scores(part)
    if graded:
        return [(ndcg(scores, gain[0]) + ndcg(scores.T, gain[1])) / 2]
    pairs = [one > 0 for one in gain]
    one, ten = (recall_mean(scores, pairs, k) for k in (1, 10))
    return [(one + ten) / 2, one, ten]


def train(head, d, rate, seed, parts, rows, gain, graded):
    """Measures on validation and on what is held out, after the step that does best on validation."""
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    classes = parts[0][0][1].shape[1] if graded else 0
    model = Model(head, d, classes, parts[0][0][0].shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    best, n = None, len(rows[0])
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            found = measured(model, parts[1], rows[1], gain[1], graded)
            if best is None or found[0] > best[0][0]:
                best = found, measured(model, parts[2], rows[2], gain[2], graded)
        chosen = draw.choice(n, min(BATCH, n), replace=False)
        scores = model.head(*(model.items(m, parts[0], chosen) for m in (0, 1)))
        loss = 0.0
        for logits, of in ((scores, gain[0][0]), (scores.T, gain[0][1])):
            target = torch.tensor(of[np.ix_(chosen, chosen)])
            loss = loss - (target / target.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return best


def run(dataset, target, dims, seed):
    """Measures on what is held out, by width and head; the learning rate is chosen on validation."""
    graded = target == "graded"
    halves = split(dataset.train, [seed, 1], share=0.5, most=len(dataset.train))
    start = Start(dataset.train.take(halves.fit), graded)
    teaching = dataset.train.take(halves.validation)
    stop = split(teaching, [seed, 2], share=STOP)
    rows = [teaching.take(stop.fit), teaching.take(stop.validation), dataset.test]
    parts, gain, out = [start(one) for one in rows], [gains(one, graded) for one in rows], {}
    classes, width = parts[0][0][1].shape[1] if graded else 0, parts[0][0][0].shape[1]
    for d in (d for d in dims if d > classes):
        out[d] = {"untrained": measured(Model("dot", d, classes, width), parts[2], rows[2], gain[2], graded)}
        for head in HEADS:
            if head == "combined" and not graded:
                continue
            tried = [train(head, d, rate, seed, parts, rows, gain, graded) for rate in RATES]
            out[d][head] = max(tried, key=lambda found: found[0][0])[1]
            log(f"  {dataset.name}, {target}, {d}, {seed}: {head} " + " ".join(f"{value:.3f}" for value in out[d][head]))
    return out


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", type=Path, action="append", required=True)
    flags.add_argument("--out", type=Path, required=True)
    flags.add_argument("--datasets", default="demo,openclipart,tuxpaint,names")
    flags.add_argument("--dims", default="32,64")
    flags.add_argument("--seeds", default="1,2,3")
    flags.add_argument("--rows", type=int, default=4000, help="most train rows that are used (default: 4000)")
    flags.add_argument("--threads", type=int, default=2)
    args = flags.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    dims, seeds = ([int(number) for number in text.split(",")] for text in (args.dims, args.seeds))
    lines = []
    for name in args.datasets.split(","):
        whole = data.load(name, args.data, None)
        for target in ("pair", "graded"):
            if target == "graded" and (whole.train.label < 0).all():
                continue
            runs = [run(inner(whole, seed, args.out, args.rows), target, dims, seed) for seed in seeds]
            shown = "nDCG@10" if target == "graded" else "recall@1 | recall@10"
            lines += ["", f"{name}, `{target}`", "", f"| elements | head | {shown} |", "|---" * (3 + (target == "pair")) + "|"]
            # A rare class may be missing from one draw.
            for d in (d for d in dims if all(d in found for found in runs)):
                for head in runs[0][d]:
                    columns = zip(*(found[d][head] for found in runs))
                    cells = [cell(over_seeds(list(column))) for column in columns][-2:]
                    lines.append(f"| {d} | {head} | {' | '.join(cells)} |")
            (args.out / f"heads-{name}-{target}.json").write_text(json.dumps(runs), encoding="utf-8")
            (args.out / "heads.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
