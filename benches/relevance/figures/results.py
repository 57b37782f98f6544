"""The figures of the table as plain dictionaries, from choices and measures."""

import systems
import testing
from .ranks import MEASURES
from .verdict import compare, required, words


def start(choices, fusions, legs):
    """What was chosen on train rows, and the values of what has no settings there, `legs`; `tasks` is still empty."""
    chosen = []
    for (fusion, similarity), choice in choices.items():
        about = {"fusion": fusion, "similarity": similarity, "system": choice.system.name if choice.system else None}
        flags = choice.system.flags if choice.system else None
        about |= {"flags": flags, "value": choice.value, "by_task": choice.by_task, "tried": choice.tried, "refused": choice.refused}
        chosen.append(about)
    hybrid = {similarity: choices[fusion, similarity].system.name for similarity, fusion in fusions.items()}
    return {"chosen": chosen, "hybrid": hybrid["metric"], "cosine_hybrid": hybrid["cosine"], "on_train": legs, "tasks": {}}


def figures(measured, hybrid):
    """The rows of a table of systems, `{name: measures}` in and plain numbers out; the hybrid differs from all others."""
    out = {}
    for name, by_measure in measured.items():
        row = {measure: float(by_measure[measure].mean()) for measure in MEASURES}
        if name != hybrid:
            row["difference"] = compare(measured, hybrid, name)
        out[name] = row
    return out


def opponents(choices, fusions):
    """What the hybrid must beat: `(what it stands for, name)`."""
    found = [("the keyword leg", "keyword alone")]
    found += [("the metric leg", f"metric alone, {target}") for target in systems.TARGETS]
    found.append(("the hybrid with cosine", choices[fusions["cosine"], "cosine"].system.name))
    same = choices[fusions["metric"], "cosine"].system
    if same is not None and fusions["metric"] != fusions["cosine"]:
        found.append(("the same fusion with cosine", same.name))
    return [*found, ("cosine under the keyword as a filter", "cosine, keyword as a filter")]


def section(benches, choices, fusions):
    """The figures of one kind of queries on the test rows, with bundles of all train rows."""
    hybrid = choices[fusions["metric"], "metric"].system.name
    asked = [*systems.single_legs(), systems.engine_default()]
    asked += [choice.system for choice in choices.values() if choice.system]
    measured = {system.name: testing.measure(benches, system) for system in asked}
    rows = figures(measured, hybrid)
    for (fusion, similarity), choice in choices.items():
        if choice.system is None:
            rows[f"{fusion} with {similarity}"] = {"refused": choice.refused[0]["said"]}
    first = benches[0]
    default, chosen = systems.engine_default(), choices[fusions["metric"], "metric"].system
    return {
        "hybrid": hybrid,
        "documents": len(first.queries.draws), "queries": len(first.queries.queries),
        "left_out": first.queries.left_out, "indexed": len(first.rows),
        "systems": rows,
        "comparisons": required(measured, hybrid, opponents(choices, fusions)),
        "default_is_hybrid": all((bench.ranks(default) == bench.ranks(chosen)).all() for bench in benches),
    }  # fmt: skip


def learned(engine, folds, benches, task_at, choices, fusions, log):
    """The figures of the learned fusion, and of the hybrid on the same bundles."""
    hybrid = choices[fusions["metric"], "metric"].system
    beside = [choice.system for (_, similarity), choice in choices.items() if similarity == "metric" and choice.system]
    measured = {system.name: testing.measure(benches, system) for system in beside}
    more, refused = testing.learned(engine, folds, benches, task_at, log)
    rows = figures({**measured, **more}, hybrid.name)
    rows |= {name: {"refused": said} for name, said in refused.items()}
    return {"hybrid": hybrid.name, "systems": rows}


def finish(result):
    """Adds the sentences."""
    same = all(section["default_is_hybrid"] for section in result["tasks"].values())
    said = "rank the test queries as the hybrid does" if same else "rank the test queries otherwise than the hybrid"
    result["default"] = f"The engine's defaults {said} (value {result['on_train'][systems.engine_default().name]:.4f} on train rows)."
    held = [one["holds"] for section in result["tasks"].values() for one in section["comparisons"]]
    result["words"] = [f"{sum(held)} of {len(held)} comparisons hold in both measures."]
    result["words"] += [line for task, section in result["tasks"].items() for line in words(task, section["hybrid"], section["comparisons"])]
