"""An index: made, changed and asked."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np
import numpy.typing as npt

from . import _native
from ._bundle import Bundle
from ._values import Features, Path, Picture, Rows, document, matrices, matrix, named, paths, pictures, reading, strings

if TYPE_CHECKING:
    from typing_extensions import TypedDict

    Encode = Callable[[Any], npt.ArrayLike]
    Words = Union[str, Sequence[str]]
    Pictures = Union[Picture, Sequence[Picture]]
    Weights = Union[Mapping[str, float], str, Sequence[str]]
    # A query: the keyword arguments of `Index.query`; a dict may also say `in`.
    Request = TypedDict(
        "Request",
        {
            "text": Words,
            "image": Pictures,
            "not_text": Words,
            "not_image": Pictures,
            "like": str,
            "not_like": Words,
            "exclude": Words,
            "features": Union[Features, Path],
            "pathway": Words,
            "rows": str,
            "keywords": str,
            "words": str,
            "operator": str,
            "in": Words,
            "in_": Words,
            "prefix": bool,
            "typos": int,
            "filter": Words,
            "boost": Weights,
            "media": str,
            "k": int,
            "offset": int,
            "similarity": str,
            "target": str,
            "fusion": str,
            "normalise": str,
            "rrf_k": float,
            "weight": Weights,
            "window": int,
            "min_probability": float,
            "prior": float,
            "recall": float,
            "exact": bool,
            "items": bool,
            "facet": Words,
            "aggregations": Union[Mapping[str, Any], str],
            "facets_over": str,
            "snippet": Words,
            "fields": Words,
            "sort": Words,
            "collapse": str,
            "explain": bool,
            "time_budget": int,
        },
        total=False,
    )

#: Bytes for documents that are not yet in a segment.
MEMORY = 128 << 20


class Segment:
    """The items of one media type in one segment of an index, as numpy sees them in the mapped file: nothing is copied.

    Arrays are read-only, and stay valid after the index has changed.
    """

    def __init__(self, native: _native.Segment):
        self._native = native
        arrays = {name: np.asarray(column) for name, column in native.columns().items()}
        #: `[n, d]`: shared vectors, of half precision unless the bundle says otherwise.
        self.vectors: npt.NDArray[Any] = arrays["vectors"]
        #: `[n]`: number of the document in the segment.
        self.docs: npt.NDArray[np.uint32] = arrays["docs"]
        #: `[n]`: position of the item among those of its document.
        self.ordinals: npt.NDArray[np.uint32] = arrays["ordinals"]
        #: `[n, 2]`: first byte, and byte after the last, of a passage in its text; 4294967295 twice for a whole item.
        self.spans: npt.NDArray[np.uint32] = arrays["spans"]
        #: `[n, 16]`: a hash of the content.
        self.hashes: npt.NDArray[np.uint8] = arrays["hashes"]
        #: `[n]`: 1 / norm of each row of `vectors`.
        self.inverse_norms: npt.NDArray[np.float32] = arrays["inverse_norms"]

    @property
    def id(self) -> str:
        """The name of the segment."""
        return self._native.id

    @property
    def ids(self) -> list[str | None]:
        """`[n]`: the id of the document of each item."""
        return self._native.ids

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """`[n]`: whether that document is live."""
        return np.array(self._native.live, dtype=bool)

    def __len__(self) -> int:
        return len(self.docs)


class Batch(Sequence["dict[str, Any]"]):
    """Answers by position, each as `Index.query` gives it; of a query that failed, reading it raises its `Error`.

    `pyarrow.table(batch)`, `polars.DataFrame(batch)` and whatever reads the Arrow PyCapsule interface get a row for each hit.
    """

    def __init__(self, native: _native.Batch):
        self._native = native

    def __len__(self) -> int:
        return len(self._native)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(at, slice):
            return [self._native.answer(one) for one in range(*at.indices(len(self)))]
        place = at + len(self) if at < 0 else at
        if not 0 <= place < len(self):
            raise IndexError(f"query {at} of {len(self)}")
        return self._native.answer(place)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._native.answer(at) for at in range(len(self)))

    @property
    def failed(self) -> list[int]:
        """Positions of queries that failed, which have no rows in the table."""
        return self._native.failed()

    @property
    def took_ms(self) -> float:
        """Of all queries together."""
        return self._native.took_ms

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.arrow_c_stream()


class Index:
    """An index on disk, or several that answer as one. It answers from the commit that it was opened at, or last reloaded at."""

    def __init__(self, native: _native.Index, encode: Mapping[str, Encode] | None = None, built: dict[str, Any] | None = None):
        self._native = native
        self._encode = dict(encode or {})
        #: What `build` reported; None of an index that was opened.
        self.built = built

    @classmethod
    def open(
        cls,
        path: Path | Sequence[Path],
        *,
        bundle: Bundle | None = None,
        encoders: Mapping[str, Path | Encode] | None = None,
    ) -> Index:
        """Opens an index, or several that answer as one; `bundle` scores in place of the one inside.

        `encoders` say by media type what encodes query items: the name or folder of an encoder, or a function that makes the
        features `[d_in]` of what a query gives as `image` or `text`.
        """
        own = {media: encoder for media, encoder in (encoders or {}).items() if callable(encoder)}
        other = {media: encoder for media, encoder in (encoders or {}).items() if not callable(encoder)}
        native = None if bundle is None else bundle._native
        return cls(_native.Index.open(paths(path), native, named(other)), own)

    @classmethod
    def build(
        cls,
        out: Path,
        bundle: Bundle,
        corpus: Path | Sequence[Path] | None = None,
        *,
        documents: Iterable[Mapping[str, Any]] | None = None,
        features: Rows | None = None,
        pathway: str | Iterable[str] | None = None,
        schema: str | None = None,
        id_from: str | None = None,
        append: bool = False,
        force: bool = False,
        resume: bool = False,
        strict: bool = False,
        embed_encoders: bool = False,
        commit_every: int | None = None,
        memory: int = MEMORY,
        encoders: Mapping[str, Path] | None = None,
        media_keys: str | Iterable[str] | None = None,
        map: str | Iterable[str] | None = None,
        without: str | Iterable[str] | None = None,
        passages: int | str | None = None,
        features_cache: Path | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> Index:
        """Builds a new index at `out`, and opens it; `built` of the result is the report.

        What is indexed is one of
        - `corpus`: files or a folder, as for `Data.read`;
        - `documents`: dicts with the keys of a line of JSON Lines; pictures may be paths, bytes or of PIL;
        - `features`: arrays by media type, whose row i is document i, with `documents` for ids and fields;
        - `features` as a safetensors file, with `pathway` (`MEDIA=TENSOR`) and `corpus` for ids and fields. Training takes several such
          files; of each of them an index is built alone, and `Index.open` answers from all.

        Documents and arrays are held in memory, and nothing says later where they came from. A dict without `id` gets its
        position from 1, a row without a dict its number from 0; of files, `id_from` (`line`, `path`, `hash`) says what ids are
        made from. `schema` is the text of a schema file. `progress` gets `documents`, `items`, `warnings` and so on after each batch; what it raises ends the build.
        """
        what = _what(corpus, documents, features, pathway, strict, memory)
        what["reading"] = reading(media_keys, map, without, encoders, passages, features_cache)
        how: dict[str, Any] = dict(append=append, force=force, resume=resume, embed_encoders=embed_encoders, commit_every=commit_every)
        how.update(schema=schema, id_from=id_from)
        built = _native.Index.build(os.fspath(out), bundle._native, what, how, progress)
        return cls(_native.Index.open([os.fspath(out)], None, []), None, built)

    def add(
        self,
        corpus: Path | Sequence[Path] | None = None,
        *,
        documents: Iterable[Mapping[str, Any]] | None = None,
        features: Rows | None = None,
        pathway: str | Iterable[str] | None = None,
        strict: bool = False,
        memory: int = MEMORY,
        encoders: Mapping[str, Path] | None = None,
        media_keys: str | Iterable[str] | None = None,
        map: str | Iterable[str] | None = None,
        without: str | Iterable[str] | None = None,
        passages: int | str | None = None,
        features_cache: Path | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> dict[str, Any]:
        """Adds documents in one commit, and replaces those of equal id; returns the report. Sources are those of `build`."""
        what = _what(corpus, documents, features, pathway, strict, memory)
        what["reading"] = reading(media_keys, map, without, encoders, passages, features_cache)
        return self._native.add(what, progress)

    def delete(
        self,
        ids: str | int | Iterable[str | int] | None = None,
        *,
        filter: str | Iterable[str] | None = None,
        all: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Deletes documents by id, and those that all of `filter` match, in one commit; a filter that matches all needs `all`.

        Returns `documents` (how many went, or would) and `unknown` (ids that no document has).
        """
        gone = [str(ids)] if isinstance(ids, int) else strings(ids)  # type: ignore[arg-type]
        return self._native.delete(gone, strings(filter), all, dry_run)

    def query(
        self,
        *,
        text: Words | None = None,
        image: Pictures | None = None,
        not_text: Words | None = None,
        not_image: Pictures | None = None,
        like: str | int | None = None,
        not_like: Words | None = None,
        exclude: Words | None = None,
        features: Features | Path | None = None,
        pathway: Words | None = None,
        rows: str | None = None,
        keywords: str | None = None,
        words: str | None = None,
        operator: str | None = None,
        in_: Words | None = None,
        prefix: bool | None = None,
        typos: int | None = None,
        filter: Words | None = None,
        boost: Weights | None = None,
        media: str | None = None,
        k: int | None = None,
        offset: int | None = None,
        similarity: str | None = None,
        target: str | None = None,
        fusion: str | None = None,
        normalise: str | None = None,
        rrf_k: float | None = None,
        weight: Weights | None = None,
        window: int | None = None,
        min_probability: float | None = None,
        prior: float | None = None,
        recall: float | None = None,
        exact: bool | None = None,
        items: bool | None = None,
        facet: Words | None = None,
        aggregations: Mapping[str, Any] | str | None = None,
        facets_over: str | None = None,
        snippet: Words | None = None,
        fields: Words | None = None,
        sort: Words | None = None,
        collapse: str | None = None,
        explain: bool | None = None,
        time_budget: int | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Answers one query: a dict with `hits`, each of which has `id`, `score`, `probability`, `legs`, `items`, `fields`.

        Keyword arguments are the keys of a batch line of the command line (`in_` stands for `in`): sentences (`text`), pictures
        (`image`: paths, bytes or PIL), raw `features` by media type, `keywords` and `filter` in the grammar, `words` as people
        type them, and how all that ranks and what is shown.
        """
        given = {key: value for key, value in locals().items() if key not in ("self", "more") and value is not None}
        return self._native.query(self._request({**given, **more}))

    def batch(self, requests: Iterable[Request], **base: Any) -> Batch:
        """Answers many queries, each a dict of the keyword arguments of `query`; `base` is what a query says that says nothing.

        Media parts under one filter share one pass over the stored rows. A query that fails does not stop the others: see
        `Batch.failed`.
        """
        return Batch(self._native.batch([self._request({**base, **request}) for request in requests]))

    def _request(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The keys as the part in Rust takes them."""
        out = {key: value for key, value in given.items() if value is not None}
        if "in_" in out:
            out["in"] = out.pop("in_")
        rows: list[tuple[str, npt.NDArray[np.float32]]] = []
        files = []
        features = out.pop("features", [])
        for part in features if isinstance(features, (list, tuple)) else [features]:
            if isinstance(part, Mapping):
                rows += [(media, np.atleast_2d(np.asarray(values))) for media, values in part.items()]
            else:
                files.append(os.fspath(part))
        for media in ("image", "text"):
            encode = self._encode.get(media)
            if encode is None:
                continue
            if f"not_{media}" in out:
                raise TypeError(f"not_{media} needs an encoder of the bundle, not a function")
            items = out.pop(media, [])
            items = items if isinstance(items, (list, tuple)) else [items]
            rows += [(media, np.atleast_2d(np.asarray(encode(item)))) for item in items]
        for key in ("image", "not_image"):
            if key in out:
                out[key] = pictures(out[key])
        if files:
            out["features"] = files
        if rows:
            out["feature_rows"] = [(media, matrix(media, values)) for media, values in rows]
        return out

    def reload(self) -> bool:
        """Goes on to the last commit and the last attached bundle; whether there was something newer."""
        return self._native.reload()

    def vectors(self, media: str) -> list[Segment]:
        """The stored rows of a media type, segment by segment, in place."""
        return [Segment(segment) for segment in self._native.vectors(media)]

    def attach(self, bundle: Bundle) -> None:
        """Uses another bundle of the same space from now on, without a rebuild."""
        self._native.attach(bundle._native)

    def inspect(self) -> dict[str, Any]:
        """What it is made of: fields, segments, media types, sources."""
        return self._native.inspect()

    def verify(self) -> dict[str, Any]:
        """Reads every checksum and every row: `ok`, and each damage."""
        return self._native.verify()

    @property
    def paths(self) -> list[pathlib.Path]:
        """Where it is, or they are."""
        return [pathlib.Path(path) for path in self._native.paths]

    @property
    def bundle(self) -> Bundle:
        """The bundle that scores."""
        return Bundle(self._native.bundle())

    def __len__(self) -> int:
        return self._native.documents()

    def __bool__(self) -> bool:
        return True


def _what(
    corpus: Path | Sequence[Path] | None,
    documents: Iterable[Mapping[str, Any]] | None,
    features: Rows | None,
    pathway: str | Iterable[str] | None,
    strict: bool,
    memory: int,
) -> dict[str, Any]:
    """What is indexed, of one kind."""
    is_file = features is not None and not isinstance(features, Mapping)
    if pathway is not None and not is_file:
        raise TypeError("pathway belongs to a file of features")
    if is_file and documents is not None:
        raise TypeError("a file of features takes its fields from a corpus, not from documents")
    if isinstance(features, Mapping) and corpus is not None:
        raise TypeError("arrays of features take their fields from documents, not from a corpus")
    if documents is not None and corpus is not None:
        raise TypeError("give a corpus or documents, not both")
    if features is None and documents is None and corpus is None:
        raise TypeError("give a corpus, documents or features")
    return {
        "paths": paths(corpus),
        "features_files": None if features is None or isinstance(features, Mapping) else (paths(features), strings(pathway)),
        "documents": None if documents is None else [document(one) for one in documents],
        "rows": matrices(features) if isinstance(features, Mapping) else [],
        "strict": strict,
        "memory": memory,
    }
