"""The metric network as a dot product, which any vector library can search by.

Between a query u and an item v a head of the network is `u'Mv - w (h(u) + h(v)) + ..`: for one query the same order as the inner product of
`(M'u, -w)` with `(v, h(v))`, where h(v) is the item's hub. A hidden layer, where a bundle has one, is left out: then peers
search by a part of the network, and lose what that loses.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

# Vectors get zeros up to a multiple of this, as loops over blocks want.
PAD = 8


class Heads:
    """The heads of a bundle folder."""

    def __init__(self, bundle):
        config = json.loads((Path(bundle) / "config.json").read_text(encoding="utf-8"))
        self.media = [media["name"] for media in config["media"]]
        self.targets, self.default = config["targets"], config["default_target"]
        self.hidden = config.get("half", 0) > 0
        self.tensors = load_file(Path(bundle) / "model.safetensors")

    def query(self, target, media, item_media, u):
        """`M'u [q, d]` of queries `u [q, d]` of one media type over items of another, and the weight of the item's hub."""
        query, item = self.media.index(media), self.media.index(item_media)
        name = f"metric.{target}.{min(query, item)}.{max(query, item)}"
        matrix = self.tensors[f"{name}.bilinear"]
        hub = self.tensors.get(f"{name}.hub")
        return u @ (matrix if query <= item else matrix.T), 0.0 if hub is None or query == item else float(hub[0])

    def hub_column(self, media, item_media):
        """Which column of an item's hubs speaks of queries of `media`; `None` for its own media type."""
        query, item = self.media.index(media), self.media.index(item_media)
        return None if query == item else query - (query > item)


def extended(vectors, hubs):
    """Items `[n, d]` with their hubs `[n, g]` behind, padded, as f32 rows in one piece."""
    return _padded([vectors, hubs])


def query(heads, target, media, item_media, u, columns):
    """Queries for [`extended`] items of `columns` hubs each."""
    form, weight = heads.query(target, media, item_media, u)
    hubs = np.zeros((len(u), columns), np.float32)
    column = heads.hub_column(media, item_media)
    if column is not None and columns:
        hubs[:, column] = -weight
    return _padded([form, hubs])


def _padded(parts):
    n, width = len(parts[0]), sum(part.shape[1] for part in parts)
    out = np.zeros((n, -(-width // PAD) * PAD), np.float32)
    at = 0
    for part in parts:
        out[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return out
