"""The two kinds of queries: a picture with a keyword looks for its text, a text with its category's words looks for its picture.

The one relevant document of a query is the one that it was made from.
"""

import json
import re
from dataclasses import dataclass

import numpy as np

# Words of a category that say nothing.
EMPTY_WORDS = {"and"}


def words(text):
    """Words as the index's tokenizer cuts them: runs of letters and digits, in lower case."""
    return re.findall(r"[^\W_]+", text.lower())


def quoted(keyword):
    """A keyword as a phrase in tantivy's grammar, so that no character of it is an operator."""
    return '"' + keyword.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Task:
    """What the index holds and what a query has.

    `media` is the media type of the index, `part` that of the query, `fields` what the index knows of a document beside
    its id.
    """

    name: str
    media: str
    part: str
    fields: tuple


PICTURE = Task("picture + keyword -> texts", "text", "image", ("text",))
TEXT = Task("text + category -> pictures", "image", "text", ("category",))
TASKS = (PICTURE, TEXT)


@dataclass(frozen=True)
class Query:
    """The row that it is made from, and what it asks of the keyword leg."""

    row: int
    keywords: str


@dataclass
class Queries:
    """All queries of a task on some rows.

    `draws` [documents, draws] int: the query of each document and keyword seed. `left_out`: rows without a query.
    """

    task: Task
    queries: list
    draws: np.ndarray
    left_out: int

    @property
    def documents(self):
        """The row of each document that has queries."""
        return [self.queries[at].row for at in self.draws[:, 0]]


def keyword(item, seed):
    """One of an item's keywords: a function of its id, its keywords and `seed` alone. `None` where it has none."""
    known = list(dict.fromkeys(word for word in item["keywords"] if words(word)))
    if not known:
        return None
    rng = np.random.default_rng([seed, *str(item["id"]).encode()])
    return known[rng.integers(len(known))]


def category_words(item):
    """The words of an item's category; `None` where its text has one of them."""
    found = [word for word in words(item["category"]) if word not in EMPTY_WORDS]
    return None if set(found) & set(words(item["text"])) else found


def make(task, rows, seeds):
    """The queries of `task` on `rows`; nothing is drawn for a category, which has one query for each document."""
    queries, numbers, draws, left_out = [], {}, [], 0
    for row, item in enumerate(rows.items):
        if task == PICTURE:
            asked = [keyword(item, seed) for seed in seeds]
            asked = None if None in asked else [quoted(one) for one in asked]
        else:
            found = category_words(item)
            asked = None if found is None else [" ".join(found)]
        if asked is None:
            left_out += 1
            continue
        draw = []
        for one in asked:
            query = Query(row, one)
            if query not in numbers:
                numbers[query] = len(queries)
                queries.append(query)
            draw.append(numbers[query])
        draws.append(draw)
    if not draws:
        raise ValueError(f"no row has a query of the kind {task.name}")
    return Queries(task, queries, np.array(draws, dtype=np.int64), left_out)


def features_of(rows, media):
    """The features of each row as JSON, in the shortest digits that give the same 32-bit floats."""
    return ["[" + ",".join(map(str, row.tolist())) + "]" for row in _shortest(getattr(rows, media))]


def _shortest(rows):
    # A 32-bit float in its own shortest digits, not in those of the 64-bit float of the same value.
    return np.array([[float(str(value)) for value in row] for row in rows.astype(np.float32)]).reshape(rows.shape)


def line(system, task, query, features):
    """One line of a batch file: the query as `system` asks it. `features` are those of the row, as JSON."""
    flags = dict(system.flags)
    if system.keywords == "keywords":
        flags["keywords"] = query.keywords
    elif system.keywords == "filter":
        flags["filter"] = query.keywords
    text = json.dumps(flags, sort_keys=True, ensure_ascii=False)
    if not system.media:
        return text
    return f'{text[:-1]}, "features": {{"{task.part}": {features}}}}}'


def with_relevant(text, own):
    """A batch line as a line that `fuse` learns from: the document `own` is relevant, all others are not."""
    return f'{text[:-1]}, "relevant": {json.dumps([own])}}}'
