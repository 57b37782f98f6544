"""An index with its queries, and the rank of the relevant document for each of them."""

import copy

import numpy as np

import queries
from figures.ranks import measures


class Bench:
    """An index of `rows`, and the queries of `task` on them, with the keyword seeds `seeds`."""

    def __init__(self, engine, index, task, rows, seeds):
        self.engine, self.index, self.task, self.rows = engine, index, task, rows
        self.queries = queries.make(task, rows, seeds)
        self._features = queries.features_of(rows, task.part)

    def attached(self, bundle):
        """This bench after `bundle`, which is of the same space, was attached to its index."""
        other = copy.copy(self)
        other.index = self.engine.attach(self.index, bundle)
        return other

    def lines(self, system):
        """The batch line of each query."""
        return [queries.line(system, self.task, query, self._features[query.row]) for query in self.queries.queries]

    def ranks(self, system):
        """The rank [documents, draws] of each query's own document, 0 where it is not among the hits.

        Equal scores stand in the order of the engine, which breaks ties by id. An equal text of another document is another document.

        # Errors
        `engine.Refused`.
        """
        found = []
        for query, ids in zip(self.queries.queries, self.engine.ids(self.index, self.lines(system))):
            own = self.rows.id(query.row)
            found.append(ids.index(own) + 1 if own in ids else 0)
        return np.array(found)[self.queries.draws]

    def measures(self, system):
        """By measure: [documents, draws]."""
        return measures(self.ranks(system))

    def clicks(self, system):
        """The lines that `fuse` learns from: each query with its own document as the relevant one."""
        return [
            queries.with_relevant(line, self.rows.id(query.row)) for query, line in zip(self.queries.queries, self.lines(system))
        ]
