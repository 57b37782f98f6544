"""Reads `.uvec` files with numpy alone, written from `../SPEC.md`.

`Uvec(path_or_bytes)` refuses with `ValueError` what the text says a reader must refuse when it opens a file. Then
`file.media["image"]["vectors"]` is `[n, d]`, in place in the mapped file. `codes.py` reads cells and codes, `verify.py` all bytes.
"""

import struct
import zlib
from collections import Counter, namedtuple

import numpy as np

NONE = 2**32 - 1
TYPES = tuple(map(np.dtype, ("u1", "<u4", "<f2", "<f4")))
MEDIA, STATUS = 1, 2
NAMES = {16: "vectors", 17: "docs", 18: "ordinals", 19: "spans", 20: "hashes", 21: "inverse_norms", 22: "halves", 23: "hubs"}
Section = namedtuple("Section", "kind media flags element offset length rows columns crc")


def need(holds, *what):
    if not holds:
        raise ValueError("expected " + " ".join(map(str, what)))


def up(position):
    return -(-position // 64) * 64


class Uvec:
    def __init__(self, file):
        self.data = np.frombuffer(file, "u1") if isinstance(file, bytes) else np.asarray(np.memmap(file, "u1", "r"))
        self._take_footer()
        need(len(self.data) >= 96 and bytes(self.data[:8]) == b"uvec\r\n\x1a\n", "a .uvec file of 96 bytes or more")
        version, length = struct.unpack("<II", bytes(self.data[8:16]))
        need(version == 0, "format version 0, got", version)
        self.space = bytes(self.data[16:48])
        self.table, count, self.documents, crc, reserved, magic = struct.unpack("<QIII4s8s", bytes(self.data[-32:]))
        need(magic == b"uvec-end", "the magic of the trailer at the end")
        need(self.table + 48 * count + 32 == len(self.data), "a table that ends at the trailer")
        need(self.table % 64 == 0 and self.table >= 64, "a table at a multiple of 64, got", self.table)
        frame = [self.data[:64], self.data[self.table : -16], self.data[-12:]]
        need(zlib.crc32(b"".join(map(bytes, frame))) == crc, "the checksum of header, table and trailer", crc)
        need(length == 64 and not any(self.data[48:64]) and not any(reserved), "header length 64, reserved bytes 0")
        table = bytes(self.data[self.table : -32])
        self.sections = [Section(*entry) for entry in struct.iter_unpack("<IIIIQQQII", table)]
        self._check_places()
        self._read_status(self._small(STATUS, 8, 1032))
        self._read_media(self._small(MEDIA, 64, 64))

    def _take_footer(self):
        """Leaves what is of the format; `footer` is the JSON of tantivy behind it, if the file is of an index."""
        self.footer, data = None, self.data
        length, magic = struct.unpack("<II", bytes(data[-8:])) if len(data) >= 8 else (0, 0)
        if magic == 1337:
            need(length <= 50000 and length + 8 <= len(data), "a footer of at most 50000 bytes, got", length)
            self.footer, self.data = bytes(data[len(data) - length - 8 : -8]), data[: len(data) - length - 8]

    def _check_places(self):
        end = 64
        for s in self.sections:
            need(s.offset == up(end) and s.offset + s.length <= self.table, "section", s.kind, "at", up(end), "whole")
            need(is_known(s) or not s.flags & 1, "no required section of an unknown kind, got", s.kind)
            end = s.offset + s.length
        need(self.table == up(end), "the table at", up(end), "got", self.table)

    def _small(self, kind, least, most):
        """The rows of MEDIA or STATUS, which are checked at open."""
        found = [s for s in self.sections if s.kind == kind]
        need(len(found) == 1 and found[0][1:4] == (NONE, 1, 0), "one section of kind", kind, "without a media type")
        s = found[0]
        need(least <= s.columns <= most and s.length == s.rows * s.columns, "the shape of kind", kind)
        need(s.rows == 1 if kind == STATUS else s.rows <= 256, "other rows of kind", kind)
        need(zlib.crc32(self.array(s)) == s.crc, "the checksum of the section of kind", kind)
        return self.array(s)

    def _read_status(self, rows):
        self.rejected, self.reason = int(rows[0, :8].view("<u8")[0]), bytes(rows[0, 8:]).decode()

    def _read_media(self, records):
        shapes, names = {}, []
        for at, record in enumerate(records):
            name, d, dtype, h, g, reserved = struct.unpack("<32sIIII16s", bytes(record))
            names.append(name.rstrip(b"\0").decode())
            need(names[-1] and "\0" not in names[-1] and names[-1] not in names[:-1], "a new name, got", names)
            need(1 <= d <= 65536 and dtype in (2, 3) and h <= 65536 and g <= 255, "sizes within limits", d, dtype, h, g)
            need(not any(reserved), "reserved bytes 0 in MEDIA")
            # Flags, element type and columns.
            fixed = {16: (1, dtype, d), 17: (1, 1, 1), 18: (1, 1, 1), 19: (1, 1, 2), 20: (1, 0, 16), 21: (1, 3, 1)}
            both = fixed | {22: (0, 2, h), 23: (0, 3, g)}
            shapes |= {(kind, at): shape for kind, shape in both.items() if shape[2]}
        found = {s[:2]: s for s in self.sections if s.kind in NAMES}
        times = Counter(s[:2] for s in self.sections if s.kind in NAMES)
        need(times == Counter(list(shapes)), "each section once, none of others; kind, media type, times:", times)
        self.media = {name: {} for name in names}
        for (kind, at), (flags, element, columns) in shapes.items():
            s, rows = found[kind, at], found[16, at].rows
            what = (flags, element, rows, columns)
            need((s.flags, s.element, s.rows, s.columns) == what, NAMES[kind], "of", names[at], "with", what)
            need(s.length == rows * columns * TYPES[element].itemsize, "the length of", NAMES[kind], "of", names[at])
            self.media[names[at]][NAMES[kind]] = self.array(s)[:, 0] if kind in (17, 18, 21) else self.array(s)

    def array(self, s):
        """The values `[rows, columns]` of a section whose shape was checked, in place."""
        return self.data[s.offset : s.offset + s.length].view(TYPES[s.element]).reshape(s.rows, s.columns)

    def derived(self, kind, media=None):
        """The values of a derived section of a media type or of the whole segment; `None` where there is none."""
        at = NONE if media is None else list(self.media).index(media)
        found = [s for s in self.sections if s[:2] == (kind, at) and is_derived(s)]
        need(len(found) < 2, "one section of kind", kind)
        if not found or found[0].element >= len(TYPES):
            return None
        need(has_shape(found[0]), "columns and the length of the rows in section", kind)
        return self.array(found[0])


def is_known(s):
    return s.kind in NAMES or s.kind in (MEDIA, STATUS)


def is_derived(s):
    return not is_known(s) and s.flags & 3 == 2


def has_shape(s):
    return s.columns > 0 and s.length == s.rows * s.columns * TYPES[s.element].itemsize
