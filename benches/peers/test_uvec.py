"""The reader reads what the format's own golden files hold."""

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np

import uvec


def section(kind, media, values, flags=1):
    element = {np.uint8: 0, np.uint32: 1, np.float16: 2, np.float32: 3}[values.dtype.type]
    return kind, media, flags, element, values


def written(path, name, vectors, docs, hubs, documents, footer=b""):
    """A file of one media type, by the text of the specification alone."""
    record = np.frombuffer(name.encode().ljust(32, b"\0") + struct.pack("<IIII", vectors.shape[1], 2, 0, hubs.shape[1]) + b"\0" * 16, np.uint8)
    sections = [
        section(1, uvec.NONE, record[None]),
        section(16, 0, vectors),
        section(17, 0, docs[:, None]),
        section(23, 0, hubs, 0),
        section(36, 0, np.zeros((2, 64), np.uint8), 2),
    ]
    out, table = bytearray(b"uvec\r\n\x1a\n" + struct.pack("<II", 0, 64) + b"\0" * 48), b""
    for kind, media, flags, element, values in sections:
        out += b"\0" * (-len(out) % 64)
        table += struct.pack("<IIIIQQQII", kind, media, flags, element, len(out), values.nbytes, *values.shape, 0)
        out += values.tobytes()
    out += b"\0" * (-len(out) % 64)
    end = struct.pack("<QIII", len(out), len(sections), documents, 0) + b"\0" * 4 + b"uvec-end"
    path.write_bytes(bytes(out) + table + end + footer)


class Reads(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name)
        rng = np.random.default_rng(1)
        self.vectors = rng.normal(size=(5, 12)).astype(np.float16)
        self.hubs = rng.normal(size=(5, 1)).astype(np.float32)
        self.docs = np.array([0, 1, 1, 3, 4], np.uint32)

    def write(self, name, footer=b""):
        written(self.root / f"{name}.uvec", "text", self.vectors, self.docs, self.hubs, 6, footer)

    def test_sections_are_read_with_and_without_a_footer(self):
        payload = b'{"version":{},"crc":1}'
        for footer in (b"", payload + struct.pack("<II", len(payload), uvec.FOOTER)):
            self.write("a", footer)
            file = uvec.Uvec(self.root / "a.uvec")
            self.assertEqual((file.media, file.documents), (["text"], 6))
            np.testing.assert_array_equal(file.of(uvec.VECTORS, "text"), self.vectors)
            np.testing.assert_array_equal(file.of(uvec.DOCS, "text")[:, 0], self.docs)
            own = 5 * (12 * 2 + 4 + 4)
            self.assertEqual(file.bytes_per_item("text"), ((own + 128) / 5, own / 5))

    def test_segments_count_on(self):
        self.write("a")
        self.write("b")
        vectors, hubs, positions = uvec.items(self.root, [("b", 6), ("a", 6)], "text")
        self.assertEqual((vectors.shape, hubs.shape), ((10, 12), (10, 1)))
        self.assertEqual(positions.tolist(), [0, 1, 1, 3, 4, 6, 7, 7, 9, 10])
        with self.assertRaises(ValueError):
            uvec.items(self.root, [("a", 7)], "text")

    def test_what_is_no_container_is_refused(self):
        path = self.root / "c.uvec"
        self.write("c")
        whole = path.read_bytes()
        for bad in (b"", b"x" * 200, whole[:-1], b"y" + whole[1:], whole[:8] + b"\1" + whole[9:]):
            path.write_bytes(bad)
            with self.assertRaises(ValueError):
                uvec.Uvec(path)

    def test_golden_files_of_the_format(self):
        golden = Path(__file__).resolve().parents[2] / "format/tests"
        found = sorted(golden.rglob("*.uvec"))
        self.assertTrue(found)
        for path in found:
            file = uvec.Uvec(path)
            for media in file.media:
                self.assertEqual(len(file.of(uvec.VECTORS, media)), len(file.of(uvec.DOCS, media)))


if __name__ == "__main__":
    unittest.main()
