"""What users give, made into what the part in Rust takes."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Path = Union[str, "os.PathLike[str]"]
Picture = Union[Path, bytes, "PilImage"]
Features = Mapping[str, npt.ArrayLike]
# Arrays, or files of features.
Rows = Union[Features, Path, Sequence[Path]]


def paths(given: Path | Sequence[Path] | None) -> list[str]:
    """One path or several, as strings."""
    if given is None:
        return []
    many = [given] if isinstance(given, (str, os.PathLike)) else given
    return [os.fspath(path) for path in many]


def strings(given: str | Iterable[str] | None) -> list[str]:
    """One string or several."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else [str(one) for one in given]


def matrix(media: str, given: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Rows `[n, columns]` of single precision, one after another: the array itself where it is so, else a copy."""
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"features of {media!r} are numbers, got an array of {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"features of {media!r} are [rows, columns], got {array.ndim} dimensions")
    return array


def matrices(given: Features | None) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Rows by media type, in the order of the mapping."""
    return [(media, matrix(media, rows)) for media, rows in (given or {}).items()]


def named(given: Mapping[str, Path] | None) -> list[tuple[str, str]]:
    """Encoders by media type."""
    return [(media, os.fspath(encoder)) for media, encoder in (given or {}).items()]


def is_picture(value: object) -> bool:
    """Whether it is a picture of PIL, which need not be installed."""
    return hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "tobytes")


def picture(value: Picture) -> str | bytes:
    """A path, or the bytes of a file; a picture of PIL becomes PNG, which loses nothing."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if not is_picture(value):
        raise TypeError(f"a picture is a path, bytes or a picture of PIL, got {type(value).__name__}")
    plain = value if value.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else value.convert("RGB")
    out = io.BytesIO()
    plain.save(out, "PNG")
    return out.getvalue()


def pictures(given: Picture | Sequence[Picture]) -> list[str | bytes]:
    """One picture or several."""
    many = cast("Sequence[Picture]", given if isinstance(given, (list, tuple)) else [given])
    return [picture(one) for one in many]


def document(given: Mapping[str, Any]) -> dict[str, Any]:
    """A document whose pictures in memory are `data:` addresses, which the corpus reader takes."""

    def value(one: Any) -> Any:
        if isinstance(one, (list, tuple)):
            return [value(each) for each in one]
        if isinstance(one, (bytes, bytearray, memoryview)) or is_picture(one):
            return "data:application/octet-stream;base64," + base64.b64encode(bytes(picture(one))).decode()  # type: ignore[arg-type]
        return one

    return {key: value(one) for key, one in given.items()}


def reading(
    media_keys: str | Iterable[str] | None,
    map: str | Iterable[str] | None,
    without: str | Iterable[str] | None,
    encoders: Mapping[str, Path] | None,
    passages: int | str | None,
    features_cache: Path | None,
) -> dict[str, Any]:
    """How a corpus is read."""
    return {
        "media_keys": strings(media_keys),
        "map": strings(map),
        "without": strings(without),
        "encoders": named(encoders),
        "passages": None if passages is None else str(passages),
        "features_cache": None if features_cache is None else os.fspath(features_cache),
    }
