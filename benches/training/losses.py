"""The losses of the three stages, over 0/1 masks of a batch."""

import torch
from torch.nn import functional as F

from network import PAIR, Pathway


def relations(rows, batch):
    """`[3, 2, n, n]` bool for image-image, image-text, text-text and the targets: same class, and paired or of equal content.

    What is not similar is dissimilar, since all rows have a class.
    """
    label, (image, text) = rows.label[batch], [content[batch] for content in rows.content]
    same = label[:, None] == label
    image, text = image[:, None] == image, text[:, None] == text
    return torch.stack([same, image, same, image | text, same, text]).view(3, 2, *same.shape)


def contrastive(squared, similar, weights, margin):
    """Similar pairs close, dissimilar ones a margin apart; `similar [2, n, n]`, `weights` of the targets."""
    near, far = similar.float(), (~similar).float()

    def share(mask):
        """Weights of the cells `[n, n]`: each target has a mean of its own."""
        return (mask * (0.5 * weights / mask.sum((1, 2)).clamp(min=1)).view(2, 1, 1)).sum(0)

    gap = (margin - squared.clamp(1e-6, 4).sqrt()).relu()
    return (squared * share(near)).sum() + (gap.square() * share(far)).sum()


def double_triplet(squared, similar, weights, margin):
    """One triplet anchored on each row and each column, with a random similar and a semi-hard dissimilar item."""
    both = torch.stack([squared, squared.T])[None]
    with torch.no_grad():
        near = torch.stack([similar, similar.mT], 1)
        positive = (torch.rand(near.shape) * near).argmax(-1, keepdim=True)
        values = both.detach().expand(near.shape)
        beyond = values.masked_fill(near | (values <= values.gather(-1, positive)), torch.inf)
        closest, semi_hard = beyond.min(-1, keepdim=True)
        farthest = values.masked_fill(near, -torch.inf).argmax(-1, keepdim=True)
        negative = torch.where(closest.isinf(), farthest, semi_hard)
        valid = near.any(-1) & ~near.all(-1)
        mass = valid * (weights.view(2, 1) / valid.sum(-1).clamp(min=1))[..., None]
    both = both.expand(near.shape)
    return ((margin + both.gather(-1, positive) - both.gather(-1, negative)).squeeze(-1).relu() * mass).sum()


def ranking(scores, similar):
    """Cross-entropy of the places of similar items, by rows and by columns, averaged; per matrix of `[.., n, n]`."""
    near, total = similar.float(), 0
    for axis in (-1, -2):
        counts = near.sum(axis, keepdim=True)
        queries = (counts > 0).sum((-1, -2)).clamp(min=1)
        total = total - (scores.log_softmax(axis) * (near / counts.clamp(min=1))).sum((-1, -2)) / queries
    return 0.5 * total


def logistic(logits, similar):
    """Per matrix, similar and dissimilar pairs with half of the mass each."""
    near = similar.float()
    counts = near.sum((-1, -2), keepdim=True)
    weight = near / counts.clamp(min=1) + (1 - near) / (near[0, 0].numel() - counts).clamp(min=1)
    loss = F.binary_cross_entropy_with_logits(logits, near, weight, reduction="none").sum((-1, -2))
    return loss / weight.sum((-1, -2))


def of_batch(network, rows, batch, stage, config):
    """The weighted sum of the losses of a stage."""
    n, metric = len(batch), stage == "metric"
    keep = config["keep_weight"] if metric else 1.0
    similar = relations(rows, batch)
    label, views, loss = rows.label[batch], [], 0
    for pathway, features in zip(network.pathways, rows.features):
        x = features[batch]
        # The second view goes through the products of the first.
        unit, logits = pathway(x.repeat(2, 1) if metric else x)
        views.append((unit, logits))
        own = logits[:, :n].log_softmax(-1).gather(-1, label.expand(len(logits), n)[..., None])
        loss = loss - own.sum() * (keep * config["label_weight"] / n)
    (image, _), (text, _) = views
    squared = 2 - 2 * image[:n] @ text[:n].T
    weights = torch.tensor([config["class_weight"], config["pair_weight"]])
    if stage == "contrastive":
        loss = loss + contrastive(squared, similar[1], weights, config["contrastive_margin"])
    else:
        loss = loss + keep * double_triplet(squared, similar[1], weights, config["triplet_margin"])
    loss = loss + keep * config["softmax_weight"] * ranking(squared * (-0.5 / config["temperature"]), similar[1, PAIR])
    if metric:
        image, text = (Pathway.shared(*view) for view in views)
        logits = network.metric(torch.stack([image[:n], image[:n], text[:n]]), torch.stack([image[n:], text[:n], text[n:]]))
        loss = loss + logistic(logits, similar).sum() + config["ranking_weight"] * ranking(logits, similar).sum()
    return loss
