"""Training, and the trained model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from . import _native
from ._values import Features, Path, Picture, Rows, matrices, matrix, named, paths, picture, reading, strings

Source = Union["Data", Features, Path, Sequence[Path]]


class Data:
    """Rows of features with classes, groups and splits: of numpy arrays (`Data.of`), of features files (`Data.open`) or of an
    encoded corpus (`Data.read`).

    `Bundle.train` and its like take one in place of a source, so that several of them share the encoding.
    """

    def __init__(self, native: _native.Data):
        self._native = native

    @classmethod
    def of(
        cls,
        features: Features,
        *,
        label: npt.ArrayLike | None = None,
        group: npt.ArrayLike | None = None,
        split: Iterable[str] | None = None,
        test_mask: npt.ArrayLike | None = None,
        encoders: Mapping[str, Path] | None = None,
        label_name: str | None = None,
        name: str = "numpy arrays",
        start: Bundle | None = None,
    ) -> Data:
        """Row i of each array `[n, d_in]` is one document; a row of zeros is no item.

        `label` has the class of each row: integers from 0 (negative for none), or anything else that `np.unique` sorts, whose
        values become the names. Rows of equal `group` stay on one side of the validation split. `split` says `train`, `val` or
        `test` of each row, `test_mask` which are test rows. `encoders` name what made the arrays, so that queries are encoded.
        The arrays are read in place, and copied once, into what is learned from.
        """
        rows = matrices(features)
        n = len(rows[0][1]) if rows else 0
        classes, names = _classes(label)
        if split is not None and test_mask is not None:
            raise ValueError("give split or test_mask, not both")
        words = None if split is None else [str(word) for word in split]
        if test_mask is not None:
            words = ["test" if is_test else "train" for is_test in np.asarray(test_mask, dtype=bool).tolist()]
        if words is not None and len(words) != n:
            raise ValueError(f"the splits are of {len(words)} rows, the features of {n}")
        groups = None if group is None else np.unique(np.asarray(group), return_inverse=True)[1].reshape(-1).astype(np.uint64)
        native = None if start is None else start._native
        made = (named(encoders), name, native)
        return cls(_native.Data.from_features(rows, classes, names, label_name or "label", words, groups, *made))

    @classmethod
    def open(
        cls,
        features: Path | Sequence[Path],
        *,
        pathway: str | Iterable[str],
        label: str | None = None,
        group: str | None = None,
        test_mask: str | None = None,
        encoders: Mapping[str, Path] | None = None,
        start: Bundle | None = None,
    ) -> Data:
        """Opens safetensors files: row i of every tensor is one document, and the rows of several files follow each other.

        A file may also be a folder of such files, or a pattern (`part-*.safetensors`). `pathway` says which tensor has the features
        of a media type (`MEDIA=TENSOR`); `label` (numbers of classes, negative for none), `group` and `test_mask` are tensors too. A
        row of zeros is no item. `encoders` name what made the features, as for `Data.of`.

        Features stay in their files and are read as they are needed, so they may be more than memory. The files must stay as they
        are as long as this is used.
        """
        native = None if start is None else start._native
        made = _native.Data.from_files(paths(features), strings(pathway), label, test_mask, group, named(encoders), native)
        return cls(made)

    @classmethod
    def read(
        cls,
        corpus: Path | Sequence[Path],
        *,
        label: str | None = None,
        group: str | None = None,
        encoders: Mapping[str, Path] | None = None,
        media_keys: str | Iterable[str] | None = None,
        map: str | Iterable[str] | None = None,
        without: str | Iterable[str] | None = None,
        passages: int | str | None = None,
        features_cache: Path | None = None,
        start: Bundle | None = None,
        refuse_new_classes: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Data:
        """Reads and encodes a corpus: JSON Lines, CSV, Parquet, a folder of pictures and the like.

        `label` and `group` are keys. `start` is a bundle whose encoders and classes are used. `progress` gets the number of
        documents so far.
        """
        how = reading(media_keys, map, without, encoders, passages, features_cache)
        native = None if start is None else start._native
        return cls(_native.Data.from_corpus(paths(corpus), how, label, group, native, refuse_new_classes, progress))

    def summary(self) -> dict[str, Any]:
        """Rows by split, items by media type, classes."""
        return self._native.summary()

    @property
    def left_out(self) -> int:
        """Documents, items and parts of them that do not read."""
        return self._native.left_out

    @property
    def reasons(self) -> list[str]:
        """Why, of the first hundred."""
        return self._native.reasons


def _classes(label: npt.ArrayLike | None) -> tuple[npt.NDArray[np.int64] | None, list[str] | None]:
    """Numbers of classes, and their names where they have some."""
    if label is None:
        return None, None
    given = np.asarray(label)
    if given.ndim != 1:
        raise ValueError(f"labels have one dimension, got {given.ndim}")
    if given.dtype.kind in "iu":
        return np.ascontiguousarray(given, dtype=np.int64), None
    if given.dtype.kind == "f":
        raise TypeError("labels are integers or names, got numbers with a fraction")
    absent = np.array([one is None for one in given.tolist()], dtype=bool)
    words = given[~absent].astype(str)
    names, numbers = np.unique(words, return_inverse=True)
    classes = np.full(len(given), -1, dtype=np.int64)
    classes[~absent] = numbers.reshape(-1)
    return classes, [str(name) for name in names]


class Bundle:
    """A trained model: pathways into one shared space, the metric network on it, and its calibration."""

    def __init__(self, native: _native.Bundle):
        self._native = native

    @classmethod
    def train(
        cls,
        source: Source | None = None,
        *,
        features: Rows | None = None,
        pathway: str | Iterable[str] | None = None,
        label: Any = None,
        group: Any = None,
        split: Iterable[str] | None = None,
        test_mask: npt.ArrayLike | str | None = None,
        encoders: Mapping[str, Path] | None = None,
        label_name: str | None = None,
        media_keys: str | Iterable[str] | None = None,
        map: str | Iterable[str] | None = None,
        without: str | Iterable[str] | None = None,
        passages: int | str | None = None,
        features_cache: Path | None = None,
        pairs: Path | None = None,
        start: Bundle | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
        **config: Any,
    ) -> Bundle:
        """Trains on arrays by media type, on a corpus, on `Data`, or on files of `features`.

        `features` are one or several safetensors files whose rows follow each other, with `pathway` (`MEDIA=TENSOR`); they are read
        as they are needed. Arrays may be given so as well. `label` is the class of each row, or the key of a corpus or the tensor
        that holds it; without one the model learns from the pairs alone. See `Data.of`, `Data.open` and `Data.read` for the rest of
        a source. `pairs` is a file of graded pairs, `start` a bundle to train
        further. All other keyword arguments are settings, as in a file of settings: `dim`, `seed`, `epochs_metric` and so on.

        `progress` is called after each epoch, in the thread that called, with `run`, `runs`, `stage`, `epoch`, `epochs`, `loss`
        and `score`; what it raises ends the training, as Ctrl-C does, after the epoch that runs.
        """
        _native.Bundle.check(config)
        data = _data(
            source,
            (features, pathway),
            dict(label=label, group=group, encoders=encoders, start=start),
            dict(split=split, test_mask=test_mask, label_name=label_name),
            dict(media_keys=media_keys, map=map, without=without, passages=passages, features_cache=features_cache),
            refuse_new_classes=start is not None,
        )
        native = None if start is None else start._native
        pairs = None if pairs is None else os.fspath(pairs)
        return cls(_native.Bundle.train(data._native, config, native, pairs, progress))

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Reads a bundle's folder."""
        return cls(_native.Bundle.load(os.fspath(path)))

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Writes it to a folder: complete, or not at all."""
        self._native.save(os.fspath(path), replace)

    def evaluate(
        self,
        source: Source | None = None,
        *,
        features: Rows | None = None,
        on: str = "test",
        **how: Any,
    ) -> dict[str, Any]:
        """MAP, recall and calibration on the rows of a split.

        `features` are files, as for `train`; `how` are keyword arguments of `Data.of`, `Data.open` or `Data.read`.
        """
        return self._native.evaluate(self._own(source, features, how)._native, on)

    def calibrate(
        self,
        source: Source | None = None,
        *,
        features: Rows | None = None,
        prior: float | None = None,
        **how: Any,
    ) -> Bundle:
        """The same model with probabilities fitted on other rows, for a rate of matches `prior`; sources are those of `evaluate`."""
        return Bundle(self._native.calibrate(self._own(source, features, how)._native, prior))

    def _own(self, source: Source | None, features: Rows | None, how: dict[str, Any]) -> Data:
        source, files = _one(source, features)
        if files is not None:
            return Data.open(files, start=self, **how)
        if isinstance(source, Data):
            return source
        if isinstance(source, Mapping):
            return Data.of(source, start=self, **how)
        return Data.read(source, start=self, **how)

    def project(self, media: str, features: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Shared vectors `[n, d]` of features `[n, d_in]`; the result is the memory that Rust filled."""
        return self._native.project(media, matrix(media, features))

    def encode(self, media: str, items: Sequence[str | Picture], *, encoders: Mapping[str, Path] | None = None) -> npt.NDArray[np.float32]:
        """Features `[n, d_in]` by the bundle's own encoder: of pictures (paths, bytes, PIL) for `image`, else of texts or bytes."""
        read = [item if isinstance(item, str) and media != "image" else _bytes(item) for item in items]
        return self._native.encode(media, read, named(encoders))

    def inspect(self) -> dict[str, Any]:
        """Fingerprints, media types, sizes, classes."""
        return self._native.inspect()

    @property
    def report(self) -> dict[str, Any] | None:
        """What training said: its data, and validation measures of each stage. None of a bundle that was loaded."""
        return self._native.report

    @property
    def space(self) -> str:
        """The fingerprint that an index belongs to."""
        return str(self.inspect()["fingerprint"]["space"])

    def __repr__(self) -> str:
        about = self.inspect()
        return f"Bundle({', '.join(about['media'])}; {about['shared_dim']} elements, space {about['fingerprint']['space'][:12]})"


def _bytes(item: str | Picture) -> bytes:
    given = picture(item)
    if isinstance(given, bytes):
        return given
    with open(given, "rb") as file:
        return file.read()


def _one(source: Source | None, features: Rows | None) -> tuple[Source, Path | Sequence[Path] | None]:
    """The one source that is given, and the files of features where it is that."""
    if (source is None) == (features is None):
        raise TypeError("give a source or features, and not both")
    if source is not None:
        return source, None
    if isinstance(features, Mapping):
        return features, None
    return [], features


def _data(
    source: Source | None,
    of_files: tuple[Rows | None, str | Iterable[str] | None],
    both: dict[str, Any],
    of_arrays: dict[str, Any],
    of_corpora: dict[str, Any],
    *,
    refuse_new_classes: bool,
) -> Data:
    """The data of a source; what does not belong to its kind is refused."""

    def refuse(others: dict[str, Any], kind: str) -> None:
        given = [key for key, value in others.items() if value is not None]
        if given:
            raise TypeError(f"{', '.join(given)}: not for {kind}")

    source, files = _one(source, of_files[0])
    if files is not None:
        test_mask = of_arrays.pop("test_mask")
        refuse({**of_arrays, **of_corpora}, "files of features")
        return Data.open(files, pathway=of_files[1] or [], test_mask=test_mask, **both)
    refuse({"pathway": of_files[1]}, "another source than files of features")
    if isinstance(source, Data):
        refuse({**both, **of_arrays, **of_corpora, "start": None}, "Data, which has it already")
        return source
    if isinstance(source, Mapping):
        refuse(of_corpora, "arrays")
        return Data.of(source, **both, **of_arrays)
    refuse(of_arrays, "a corpus")
    return Data.read(source, **both, **of_corpora, refuse_new_classes=refuse_new_classes)
