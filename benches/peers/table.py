"""What the figures of the runs say: recall beside ours, ratios of times of the same rounds, and the printed tables."""

from statistics import median


def recall(found, true):
    """Share of the true hits of each query that were found, over all."""
    wanted = sum(len(set(hits)) for hits in true)
    return sum(len(set(map(int, a)) & set(map(int, b))) for a, b in zip(found, true)) / wanted if wanted else 1.0


def best(points):
    """Those that no other point beats in recall without more time, by recall ascending."""
    kept, least = [], float("inf")
    for point in sorted(points, key=lambda p: (-p["recall"], median(p["micros"]))):
        if median(point["micros"]) < least:
            kept.append(point)
            least = median(point["micros"])
    return kept[::-1]


def nearest(points, at):
    """Of the best points that of the highest recall not above `at`; where there is none the lowest, which is marked."""
    points = best(points)
    below = [point for point in points if point["recall"] <= at]
    return (below[-1], False) if below else (points[0], True)


def ratio(theirs, ours):
    """Median over rounds of their microseconds by ours, of the same round."""
    return median(a / b for a, b in zip(theirs, ours))


def rows(kind, ours, peers):
    """A line of cells for each of our points and each peer.

    `ours` are points of `{"name", "recall"}`; `peers` are `{"name", "points", "ours": {name of our point: micros by round}}`, since each
    peer had rounds of its own with ours.
    """
    out = []
    for mine in ours:
        for peer in peers:
            at = peer["ours"].get(mine["name"])
            # Scans have rounds with one peer alone.
            if not at:
                continue
            point, above = nearest(peer["points"], mine["recall"])
            setting = " ".join(f"{key} {value}" for key, value in point["setting"].items()) or "-"
            out.append([
                kind, mine["name"], f"{mine['recall']:.4f}", f"{median(at):.0f}", peer["name"], setting,
                f"{point['recall']:.4f}{' (above ours)' if above else ''}", f"{median(point['micros']):.0f}", f"{ratio(point['micros'], at):.2f}",
            ])  # fmt: skip
    return out


def is_of_forms(name):
    """Whether a kind of query has several parts or targets, or a least probability: peers have no such."""
    return any(what in name for what in (" + ", "/both/", "/but not/", "/at least/"))


def forms(kinds):
    """Lines of those: `(kind, recall of what its exact answer finds, us, us of that, ratio)`; without exact answers none."""
    lines = []
    for name, found in kinds.items():
        exact = kinds.get(f"{name.rpartition('/')[0]}/exact")
        if exact is None or exact is found:
            continue
        micros, whole = median(found["micros"]), median(exact["micros"])
        lines.append([name, f"{recall(found['hits'], exact['hits']):.4f}", f"{micros:.0f}", f"{whole:.0f}", f"{whole / micros:.2f}"])
    return lines


HEAD = ["query", "ours", "recall", "us", "peer", "setting", "recall", "us", "theirs / ours"]


def markdown(head, lines):
    """A table."""
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(map(str, line)) + " |" for line in lines])


def joined(kinds, lance):
    """Lines of hybrid and keyword queries: `(what, us, ours in the same rounds, ratio to ours)`; without LanceDB its lines are left out."""
    lines = []
    for name, found in kinds.items():
        if name.endswith("/hybrid"):
            lines.append([name, f"{median(found['micros']):.0f}", "", "1.00"])
            theirs = lance.get(name)
            if theirs:
                of_windows = {name: theirs["ours"], **theirs.get("windows", {})}
                for what, ours in of_windows.items():
                    beside = what.removeprefix(name)
                    lines.append([f"{name}: LanceDB{beside}", f"{median(theirs['micros']):.0f}", f"{median(ours):.0f}", f"{ratio(theirs['micros'], ours):.2f}"])
    if "keywords" in kinds:
        names = ("keywords", "keywords/bare", "keywords/collector", "tantivy, parsed", "tantivy (TopDocs, Count)", "tantivy TopDocs")
        for name in filter(kinds.__contains__, names):
            lines.append([name, f"{median(kinds[name]['micros']):.0f}", "", f"{ratio(kinds[name]['micros'], kinds['keywords']['micros']):.2f}"])
        if "keywords" in lance:
            theirs = lance["keywords"]
            lines.append(["keywords: LanceDB", f"{median(theirs['micros']):.0f}", f"{median(theirs['ours']):.0f}", f"{ratio(theirs['micros'], theirs['ours']):.2f}"])
    return lines
