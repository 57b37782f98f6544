"""Reads `.uvec` files, as `format/SPEC.md` says: sections as arrays, for figures beside those of the engine."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADER, TRAILER, ENTRY = b"uvec\r\n\x1a\n", b"uvec-end", 48
# What follows a file that tantivy wrote.
FOOTER = 1337
# Section kinds.
MEDIA, VECTORS, DOCS, HUBS = 1, 16, 17, 23
TYPES = {0: np.uint8, 1: np.uint32, 2: np.float16, 3: np.float32}
NONE = 2**32 - 1


@dataclass
class Section:
    """A section: its array `[rows, columns]`, still in the mapped file, its flags, and its length in bytes."""

    values: np.ndarray
    flags: int
    length: int

    @property
    def derived(self):
        """Whether it can be made again from others."""
        return bool(self.flags & 2)


class Uvec:
    """An open file: names of its media types, sections by (kind, position of the media type), documents."""

    def __init__(self, path):
        self.path = Path(path)
        bytes_ = np.memmap(path, np.uint8, "r")
        bytes_ = bytes_[: len(bytes_) - _footer(bytes_)]
        if len(bytes_) < 96 or bytes(bytes_[:8]) != HEADER or bytes(bytes_[-8:]) != TRAILER:
            raise ValueError(f"{path}: expected a .uvec file")
        version, _ = struct.unpack("<II", bytes(bytes_[8:16]))
        if version != 0:
            raise ValueError(f"{path}: expected format version 0, got {version}")
        table, count, self.documents = struct.unpack("<QII", bytes(bytes_[-32:-16]))
        if table + ENTRY * count + 32 != len(bytes_):
            raise ValueError(f"{path}: the table does not end at the trailer")
        self.sections = {}
        for at in range(count):
            entry = bytes(bytes_[table + ENTRY * at :][:ENTRY])
            kind, media, flags, element, offset, length, rows, columns, _ = struct.unpack("<IIIIQQQII", entry)
            if element not in TYPES:
                continue
            type_ = np.dtype(TYPES[element])
            if offset + length > table or rows * columns * type_.itemsize != length:
                raise ValueError(f"{path}: section {kind} of media type {media} does not fit its rows")
            values = np.frombuffer(bytes_, type_, rows * columns, offset).reshape(rows, columns) if length else np.empty((rows, columns), type_)
            self.sections[kind, media] = Section(values, flags, length)
        names = self.sections[MEDIA, NONE].values
        self.media = [bytes(row[:32]).rstrip(b"\0").decode() for row in names]

    def of(self, kind, media):
        """The array of a section of the media type `media`."""
        return self.sections[kind, self.media.index(media)].values

    def bytes_per_item(self, media):
        """Bytes per item of a media type: of all sections, and of those that are not derived; `None` without items."""
        at = self.media.index(media)
        items = len(self.sections[VECTORS, at].values)
        if items == 0:
            return None
        lengths = [(section.length, section.derived) for (_, of), section in self.sections.items() if of == at]
        return tuple(sum(n for n, derived in lengths if not derived or all_) / items for all_ in (True, False))


def _footer(bytes_):
    """Length of what tantivy appended: 0 where the file is bare."""
    length, magic = struct.unpack("<II", bytes(bytes_[-8:])) if len(bytes_) >= 8 else (0, 0)
    return length + 8 if magic == FOOTER and length + 8 <= len(bytes_) else 0


def items(index, segments, media):
    """Items of a media type over segments, in their order: vectors `[n, d]` f16, hubs `[n, g]`, and positions `[n]` of their documents.

    `segments` are `(id, documents)`; a position counts the documents of all segments before.
    """
    vectors, hubs, positions, base = [], [], [], 0
    for name, documents in segments:
        file = Uvec(Path(index) / f"{name}.uvec")
        if file.documents != documents:
            raise ValueError(f"{file.path}: expected {documents} documents, got {file.documents}")
        rows = file.of(VECTORS, media)
        at = file.media.index(media)
        vectors.append(rows)
        hubs.append(file.sections[HUBS, at].values if (HUBS, at) in file.sections else np.zeros((len(rows), 0), np.float32))
        positions.append(file.of(DOCS, media)[:, 0].astype(np.int64) + base)
        base += documents
    return np.concatenate(vectors), np.concatenate(hubs), np.concatenate(positions)
