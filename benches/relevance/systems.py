"""What is compared: single legs, and every fusion with the metric network and with cosine, each over a grid of settings."""

from dataclasses import dataclass, field

K = 10
TARGETS = ("class", "pair", "both")
# How much the keyword leg weighs beside the media leg, whose weight is 1. The engine's own comes first, so that it wins ties.
WEIGHTS = (1.0, 0.5, 0.25, 0.1, 0.05, 2.0, 4.0)
RRF_K = (60, 30, 10, 3, 120)
NORMALISE = ("min-max", "z-score", "probability")
SIMILARITIES = ("metric", "cosine")
# What a layer may be learned for: it belongs to one kind of logits.
LEARNED_TARGETS = ("class", "pair")
# `learned` is no part of the grid: what it weighs is fitted, and not chosen.
FUSIONS = ("rrf", "linear", "product", "metric")


@dataclass(frozen=True)
class System:
    """One way to answer a query: flags of `query`, and what becomes of the keywords.

    `keywords` is `keywords` (they score), `filter` (they restrict) or `None`; `media`: whether the query's picture or text counts.
    """

    name: str
    keywords: str | None
    media: bool
    flags: dict = field(hash=False)


def system(name, keywords, media, **flags):
    """A system that brings the best ten."""
    return System(name, keywords, media, {"k": K, **flags})


def single_legs():
    """The legs by themselves, and cosine under the keyword as a filter."""
    found = [system("keyword alone", "keywords", False)]
    for target in TARGETS:
        found.append(system(f"metric alone, {target}", None, True, similarity="metric", target=target))
    found.append(system("cosine alone", None, True, similarity="cosine"))
    found.append(system("posterior alone", None, True, similarity="posterior"))
    found.append(system("cosine, keyword as a filter", "filter", True, similarity="cosine"))
    return found


def engine_default():
    """Keywords and media part as a user gives them who sets nothing."""
    return system("the engine's defaults", "keywords", True)


def fused(fusion, similarity, **settings):
    """Keywords and media part through `fusion`. `settings`: `target`, `keyword` (a weight), `rrf_k`, `normalise`."""
    flags = {"fusion": fusion, "similarity": similarity}
    for key, value in settings.items():
        if key == "keyword":
            flags["weight"] = [f"keyword={value:g}", f"{similarity}=1"]
        else:
            flags[key] = value
    said = ", ".join(f"keyword={value:g}" if key == "keyword" else f"{key}={value}" for key, value in settings.items())
    name = f"{fusion} with {similarity}" + (f" ({said})" if said else "")
    return system(name, "keywords", True, **flags)


def judged(target):
    """A query as `fuse` reads it: what it asks, and not how it is answered."""
    return System(f"judged, {target}", "keywords", True, {"similarity": "metric", "target": target})


def grid(fusion, similarity):
    """Every setting of a fusion that tuning looks at."""
    targets = [{"target": target} for target in TARGETS] if similarity == "metric" else [{}]
    inner = {
        "rrf": [{"rrf_k": k, "keyword": weight} for k in RRF_K for weight in WEIGHTS],
        "linear": [{"normalise": by, "keyword": weight} for by in NORMALISE for weight in WEIGHTS],
        "product": [{"keyword": weight} for weight in WEIGHTS],
        "metric": [{}],
    }[fusion]
    return [fused(fusion, similarity, **target, **setting) for target in targets for setting in inner]
