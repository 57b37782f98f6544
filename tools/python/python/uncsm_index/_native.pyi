"""The part in Rust. Its face is the package; nothing here is meant to be called from outside."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

_Rows = Sequence[tuple[str, npt.NDArray[np.float32]]]
_Named = Sequence[tuple[str, str]]

class Error(Exception):
    """What went wrong. Attributes that do not apply are None."""

    #: A stable word, such as `not_found`, `bad_dimension`, `bad_query` or `damaged`.
    code: str
    #: One sentence without file, line and hint.
    message: str
    file: str | None
    #: From 1; of documents in memory their position.
    line: int | None
    offset: int | None
    expected: str | None
    got: str | None
    #: The way out.
    hint: str | None

class Data:
    @staticmethod
    def from_features(
        features: _Rows,
        labels: npt.NDArray[np.int64] | None,
        class_names: list[str] | None,
        label: str,
        split: list[str] | None,
        groups: npt.NDArray[np.uint64] | None,
        encoders: _Named,
        name: str,
        start: Bundle | None,
    ) -> Data: ...
    @staticmethod
    def from_files(
        paths: list[str],
        pathways: list[str],
        label: str | None,
        test_mask: str | None,
        group: str | None,
        encoders: _Named,
        start: Bundle | None,
    ) -> Data: ...
    @staticmethod
    def from_corpus(
        paths: list[str],
        reading: dict[str, Any],
        label: str | None,
        group: str | None,
        start: Bundle | None,
        new_classes_refused: bool,
        progress: Callable[[int], object] | None,
    ) -> Data: ...
    def summary(self) -> dict[str, Any]: ...
    @property
    def left_out(self) -> int: ...
    @property
    def reasons(self) -> list[str]: ...

class Bundle:
    @staticmethod
    def load(path: str) -> Bundle: ...
    def save(self, path: str, replace: bool) -> None: ...
    @staticmethod
    def check(config: dict[str, Any]) -> None: ...
    @staticmethod
    def train(
        data: Data,
        config: dict[str, Any],
        start: Bundle | None,
        pairs: str | None,
        progress: Callable[[dict[str, Any]], object] | None,
    ) -> Bundle: ...
    def evaluate(self, data: Data, split: str) -> dict[str, Any]: ...
    def calibrate(self, data: Data, prior: float | None) -> Bundle: ...
    def project(self, media: str, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
    def encode(self, media: str, items: Sequence[str | bytes], encoders: _Named) -> npt.NDArray[np.float32]: ...
    def inspect(self) -> dict[str, Any]: ...
    @property
    def report(self) -> dict[str, Any] | None: ...

class Index:
    @staticmethod
    def open(paths: list[str], bundle: Bundle | None, encoders: _Named) -> Index: ...
    @staticmethod
    def build(
        out: str,
        bundle: Bundle,
        what: dict[str, Any],
        how: dict[str, Any],
        progress: Callable[[dict[str, Any]], object] | None,
    ) -> dict[str, Any]: ...
    def add(self, what: dict[str, Any], progress: Callable[[dict[str, Any]], object] | None) -> dict[str, Any]: ...
    def delete(self, ids: list[str], filters: list[str], all: bool, dry_run: bool) -> dict[str, Any]: ...
    def reload(self) -> bool: ...
    def query(self, keys: dict[str, Any]) -> dict[str, Any]: ...
    def batch(self, queries: list[dict[str, Any]]) -> Batch: ...
    @property
    def paths(self) -> list[str]: ...
    def bundle(self) -> Bundle: ...
    def documents(self) -> int: ...
    def vectors(self, media: str) -> list[Segment]: ...
    def inspect(self) -> dict[str, Any]: ...
    def verify(self) -> dict[str, Any]: ...
    def attach(self, bundle: Bundle) -> None: ...

class Batch:
    def __len__(self) -> int: ...
    def answer(self, at: int) -> dict[str, Any]: ...
    def failed(self) -> list[int]: ...
    @property
    def took_ms(self) -> float: ...
    def arrow_c_stream(self) -> object: ...

class Segment:
    @property
    def id(self) -> str: ...
    @property
    def ids(self) -> list[str | None]: ...
    @property
    def live(self) -> list[bool]: ...
    def columns(self) -> dict[str, Column]: ...

class Column:
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
