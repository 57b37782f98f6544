"""The test rows: every system's measures with bundles trained on all train rows, and the learned fusion.

A learned fusion must be fitted to queries on rows that its bundle has not seen, and a bundle of all train rows leaves none but the
test rows. So it is cross-fitted: the bundle of each tuning fold gets a layer of its own, fitted to the queries of that fold, and ranks the
test rows; the measures of a query are the means over the folds. These bundles have seen fewer rows, so the learned fusion
has a table of its own, in which the chosen hybrid stands with the same bundles.
"""

import numpy as np

import systems
from asking import Bench
from engine import Refused
from queries import TASKS


def final_benches(engine, train, test, seeds, draws, log):
    """Per task, a [`Bench`] of the test rows for each training seed."""
    found = {task.name: [] for task in TASKS}
    for seed in seeds:
        log(f"seed {seed}: a bundle of all train rows")
        bundle = engine.bundle(f"all-{seed}", train, np.zeros(len(train), dtype=bool), seed)
        for task in TASKS:
            index = engine.index(f"all-{seed}-{task.media}", bundle, test, task)
            found[task.name].append(Bench(engine, index, task, test, draws))
    return found


def measure(benches, system):
    """By measure: [documents, benches * draws], the benches side by side.

    # Errors
    `Refused`.
    """
    return side_by_side([bench.measures(system) for bench in benches])


def side_by_side(found):
    """The measures of several benches of the same queries as those of one."""
    return {name: np.concatenate([one[name] for one in found], axis=1) for name in found[0]}


def on_folds(engine, folds, test, task_at, draws):
    """A [`Bench`] of the test rows for the bundle of each fold."""
    task, found = TASKS[task_at], []
    for number, fold in enumerate(folds):
        index = engine.index(f"fold-{number}-test-{task.media}", fold.bundle, test, task)
        found.append(Bench(engine, index, task, test, draws))
    return found


def learned(engine, folds, benches, task_at, log):
    """Measures of a fusion learned for each target, on `benches`, those of the folds; and what the engine refuses.

    Returns `({name: measures}, {name: message})`.
    """
    rows, refused = {}, {}
    for target in systems.LEARNED_TARGETS:
        system = systems.fused("learned", "metric", target=target)
        log(f"  {TASKS[task_at].name}: {system.name}")
        found = []
        try:
            # An index has one layer at a time, so each answers before it gets the next one.
            for number, (fold, bench) in enumerate(zip(folds, benches)):
                tuning = fold.benches[task_at]
                name = f"fold-{number}-{bench.task.media}-{target}"
                clicks = tuning.clicks(systems.judged(target))
                bundle = engine.fuse(name, fold.bundle, tuning.index, clicks, target)
                found.append(bench.attached(bundle).measures(system))
        except Refused as said:
            refused[system.name] = str(said)
            continue
        rows[system.name] = side_by_side(found)
    return rows, refused
