"""Choosing settings on train rows that the model has not seen. Nothing here is given a test row.

The train rows fall into grouped folds. Each has a bundle that was trained on the others, and indexes and queries of its own rows. The
value of a setting is the mean of recall@10 and nDCG@10 over all queries of a kind, then over the kinds of queries: one setting for
both, since the engine has one default.
"""

from dataclasses import dataclass

import numpy as np

import systems
from asking import Bench
from engine import Refused
from queries import TASKS
from rows import folds


@dataclass
class Fold:
    """A bundle that has not seen some train rows, and a bench of these rows for each task."""

    bundle: object
    benches: list


def tuning_folds(engine, train, count, seed, draws, log):
    """One [`Fold`] for each of `count` grouped parts of the train rows."""
    part, found = folds(train, count, seed), []
    for number in range(count):
        held_out = part == number
        log(f"fold {number + 1} of {count}: {held_out.sum()} of {len(train)} train rows are held out")
        bundle = engine.bundle(f"fold-{number}", train, held_out, seed)
        rows, benches = train.take(np.flatnonzero(held_out)), []
        for task in TASKS:
            index = engine.index(f"fold-{number}-{task.media}", bundle, rows, task)
            benches.append(Bench(engine, index, task, rows, draws))
        found.append(Fold(bundle, benches))
    return found


def value(found, system):
    """The value of a setting, and its measures by task.

    # Errors
    `Refused`.
    """
    by_task = {}
    for at, task in enumerate(TASKS):
        measured = [fold.benches[at].measures(system) for fold in found]
        by_task[task.name] = {name: float(np.concatenate([one[name] for one in measured]).mean()) for name in measured[0]}
    return float(np.mean([list(one.values()) for one in by_task.values()])), by_task


@dataclass
class Choice:
    """The best setting of a fusion (`None` where the engine refuses all), its value, and the value of every setting."""

    system: object
    value: float | None
    by_task: dict
    tried: list
    refused: list


def best(found, candidates, log):
    """The candidate of the highest value; of equal ones the first."""
    choice = Choice(None, None, {}, [], [])
    for system in candidates:
        try:
            figure, by_task = value(found, system)
        except Refused as said:
            choice.refused.append({"system": system.name, "said": str(said)})
            continue
        choice.tried.append({"system": system.name, "value": figure})
        if choice.value is None or figure > choice.value:
            choice.system, choice.value, choice.by_task = system, figure, by_task
    if choice.system is None:
        log(f"  {candidates[0].name}: refused: {choice.refused[0]['said']}")
    else:
        log(f"  {choice.system.name}: {choice.value:.4f}, the best of {len(choice.tried)} settings")
    return choice


def settings(found, log):
    """The best setting of every fusion with every similarity: `{(fusion, similarity): Choice}`."""
    return {
        (fusion, similarity): best(found, systems.grid(fusion, similarity), log)
        for similarity in systems.SIMILARITIES
        for fusion in systems.FUSIONS
    }


def over_fusions(choices, similarity):
    """The fusion whose best setting is the best of all with `similarity`; of equal ones the first."""
    there = {fusion: choice.value for (fusion, other), choice in choices.items() if other == similarity and choice.system}
    if not there:
        raise ValueError(f"the engine refuses every fusion with {similarity}")
    return max(there, key=there.get)
