"""Groups of documents that must not be torn apart, the split by whole groups, and the check of both."""

import hashlib
from collections import Counter, defaultdict

from pictures import near_pairs
from titles import near_keys, normal

TEST_SHARE = 0.25
# A class needs this many documents, and some of them on both sides of the split.
MIN_CLASS = 10
# A group larger than this share of its class's part of the test split is trained on: a test of one series says little.
MAX_TEST_GROUP = 0.25
# Descriptions of at least this many words join documents: shorter ones are boilerplate such as a format or an address.
LONG_DESCRIPTION = 6


def draw(seed, key):
    """A number that looks random, the same in every Python version."""
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()


class Union:
    """Sets that merge (union-find, path halving); the smallest member stands for a set."""

    def __init__(self, size):
        self.parent = list(range(size))

    def find(self, i):
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i, j):
        """Merges two sets; whether they were two."""
        i, j = sorted((self.find(i), self.find(j)))
        self.parent[j] = i
        return i != j


def group(rows, also=frozenset()):
    """The group of each row (a number from 0, in order of first row), and how many merges each reason made.

    A row has `title`, `text`, `description`, `digest` (of its picture) and `look`, and may have `series`. Rows are in
    one group where they have an equal series, equal or nearly equal normalised titles, equal normalised texts, equal
    long descriptions, equal picture bytes, or nearly equal pictures, directly or through others.
    """
    union = Union(len(rows))
    merges = Counter()

    def join_equal(reason, keys_of):
        seen = {}
        for i, row in enumerate(rows):
            for key in keys_of(row):
                merges[reason] += union.join(seen.setdefault(key, i), i)

    def description(row):
        words = normal(row["description"], also)
        return [words] if len(words.split()) >= LONG_DESCRIPTION else []

    join_equal("series", lambda row: [row["series"]] if row.get("series") else [])
    join_equal("title", lambda row: [normal(row["title"], also)])
    join_equal("near title", lambda row: near_keys(normal(row["title"], also)))
    join_equal("text", lambda row: [normal(row["text"], also)])
    join_equal("description", description)
    join_equal("picture bytes", lambda row: [row["digest"]])
    for i, j in near_pairs([row["look"] for row in rows]):
        merges["near picture"] += union.join(i, j)

    number = {}
    groups = [number.setdefault(union.find(i), len(number)) for i in range(len(rows))]
    return groups, dict(merges)


def split(classes, groups, seed):
    """`train` or `test` for each row, by whole groups: about a quarter of each class is `test`.

    `classes[i]` may be None; such rows are a stratum of their own. A group counts for the class that most of its rows
    have. Within a class the groups are taken in seeded order as long as they fit, at first only those that are not
    large.
    """
    members = defaultdict(list)
    for i, number in enumerate(groups):
        members[number].append(i)
    strata = defaultdict(list)
    for number, rows in members.items():
        common = Counter(classes[i] or "" for i in rows).most_common()
        winner = min(name for name, count in common if count == common[0][1])
        strata[winner].append(number)
    result = ["train"] * len(groups)
    for name in sorted(strata):
        numbers = sorted(strata[name], key=lambda number: (draw(seed, f"group {number}"), number))
        total = sum(len(members[number]) for number in numbers)
        room = round(total * TEST_SHARE)
        limit = max(1, int(room * MAX_TEST_GROUP))
        # The second round serves classes of few, large groups; it leaves at least one group to train on.
        for largest in (limit, room):
            for number in numbers:
                size = len(members[number])
                if size <= min(room, largest) and result[members[number][0]] == "train":
                    room -= size
                    for i in members[number]:
                        result[i] = "test"
    return result


def usable_classes(classes, splits):
    """The classes that are large enough: at least 10 documents, and at least one on each side of the split."""
    total = Counter(name for name in classes if name)
    sides = {(name, side) for name, side in zip(classes, splits)}
    return {
        name
        for name, count in total.items()
        if count >= MIN_CLASS and (name, "train") in sides and (name, "test") in sides
    }


def check(rows, also=frozenset()):
    """Counts what is on both sides of the split, from the rows alone: no group number is looked at.

    `series`, `title`, `text`, `picture bytes`: values that both sides have. `near title`: keys of near titles on both sides.
    `near picture`: pairs of a train and a test row. All must be 0.
    """
    train, test = ([row for row in rows if row["split"] == side] for side in ("train", "test"))

    def common(value):
        return len(({value(row) for row in train} & {value(row) for row in test}) - {None})

    def keys(side):
        return {key for row in side for key in near_keys(normal(row["title"], also))}

    return {
        "series": common(lambda row: row.get("series")),
        "title": common(lambda row: normal(row["title"], also)),
        "near title": len(keys(train) & keys(test)),
        "text": common(lambda row: normal(row["text"], also)),
        "picture bytes": common(lambda row: row["digest"]),
        "near picture": sum(a["look"].near(b["look"]) for a in train for b in test),
    }
