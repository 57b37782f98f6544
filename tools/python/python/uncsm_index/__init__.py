"""Embedded cross-media search: pictures found by a sentence, texts by a picture, mixed with keywords and filters.

    from uncsm_index import Bundle, Index

    bundle = Bundle.train({"image": pictures, "text": sentences}, label=classes)   # numpy, row i is document i
    index = Index.build("my.index", bundle, documents=rows, features={"image": pictures, "text": sentences})
    index.query(text="a red bird", filter="size:>10", k=5)["hits"]

All work gives up the lock of the interpreter, Ctrl-C ends it, and what goes wrong is an `Error` with a `code`.
"""

from ._bundle import Bundle, Data
from ._index import Batch, Index, Segment
from ._native import Error, __version__

__all__ = ["Batch", "Bundle", "Data", "Error", "Index", "Segment", "__version__"]
