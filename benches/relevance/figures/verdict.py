"""Which comparisons hold: the chosen hybrid against what it must beat, by the paired bootstrap, in words."""

from .ranks import MEASURES, paired, verdict

WORDS = {"beats": "yes", "is level with": "**no**: level", "loses to": "**no**: below"}


def compare(rows, ours, theirs):
    """By measure: the interval of `rows[ours] - rows[theirs]`, `{system: {measure: [documents, ...]}}`, and its verdict."""
    out = {}
    for measure in MEASURES:
        interval = paired(rows[ours][measure], rows[theirs][measure])
        out[measure] = {**interval, "verdict": verdict(interval)}
    return out


def required(rows, ours, opponents):
    """A comparison for each `(what it stands for, system)`: `{"against", "system", measures, "holds"}`."""
    found = []
    for against, theirs in opponents:
        measured = compare(rows, ours, theirs)
        holds = all(one["verdict"] == "beats" for one in measured.values())
        found.append({"against": against, "system": theirs, "measures": measured, "holds": holds})
    return found


def signed(interval):
    """A difference with its interval."""
    return f"{interval['difference']:+.3f} ({interval['low']:+.3f} to {interval['high']:+.3f})"


def words(task, ours, comparisons):
    """What holds and what does not, a sentence for each."""
    out = []
    for one in comparisons:
        said = [f"{interval['verdict']} it in {measure}, {signed(interval)}" for measure, interval in one["measures"].items()]
        holds = "holds" if one["holds"] else "DOES NOT HOLD"
        out.append(f"{holds}: {task}: against {one['against']} ({one['system']}), {ours} {' and '.join(said)}.")
    return out
