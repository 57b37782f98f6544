"""Tests of convert_pth.py, with files that they write by hand: python3 -m unittest test_convert.py"""

import io
import json
import pickle
import struct
import tempfile
import unittest
from pathlib import Path

import convert_pth
from convert_pth import Refused




def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def name(module, function):
    return f"c{module}\n{function}\n".encode()


def numbers(values):
    return b"(" + b"".join(number(v) for v in values) + b"t"


def tensor(kind, key, count, offset, shape, strides):
    storage = b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count) + b"NtQ"
    hooks = name("collections", "OrderedDict") + b")R"
    parts = storage + number(offset) + numbers(shape) + numbers(strides) + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + parts + b"tR"


def table(entries):
    """An ordered dictionary with what PyTorch attaches to it."""
    body = b"".join(text(key) + value for key, value in entries)
    attached = b"}" + text("_metadata") + b"}s"
    return b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + body + b"u" + attached + b"b."


def checkpoint(entries, storages, magic=convert_pth.MAGIC, little=True):
    head = [magic, convert_pth.PROTOCOL, {"little_endian": little}]
    out = b"".join(pickle.dumps(part, protocol=2) for part in head) + table(entries)
    out += pickle.dumps([key for key, _, _ in storages], protocol=2)
    return out + b"".join(struct.pack("<q", count) + data for _, count, data in storages)


FLOATS = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
LONG = struct.pack("<q", 7)
ENTRIES = [
    ("w", tensor("FloatStorage", "10", 6, 0, (2, 3), (3, 1))),
    ("turned", tensor("FloatStorage", "10", 6, 0, (3, 2), (1, 3))),
    ("tail", tensor("FloatStorage", "10", 6, 4, (2,), (1,))),
    ("seen", tensor("LongStorage", "11", 1, 0, (), ())),
]
STORAGES = [("10", 6, FLOATS), ("11", 1, LONG)]


def read(data):
    return convert_pth.read(io.BytesIO(data))


class Convert(unittest.TestCase):
    def refused(self, data, part):
        with self.assertRaises(Refused) as caught:
            read(data)
        self.assertIn(part, str(caught.exception))

    def test_tensors_are_read(self):
        tensors = read(checkpoint(ENTRIES, STORAGES))
        self.assertEqual(list(tensors), ["w", "turned", "tail", "seen"])
        self.assertEqual(tensors["w"].data(), FLOATS)
        self.assertEqual(tensors["turned"].data(), struct.pack("<6f", 1, 4, 2, 5, 3, 6))
        self.assertEqual(tensors["tail"].data(), struct.pack("<2f", 5, 6))
        self.assertEqual((tensors["seen"].shape, tensors["seen"].data()), ((), LONG))

    def test_the_file_is_safetensors(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "a.pth"), Path(folder, "a.safetensors")
            source.write_bytes(checkpoint(ENTRIES, STORAGES))
            self.assertEqual(convert_pth.convert(source, target), 4)
            data = target.read_bytes()
            self.assertEqual(sorted(p.name for p in Path(folder).iterdir()), ["a.pth", "a.safetensors"])
        length = struct.unpack("<Q", data[:8])[0]
        self.assertEqual(length % 8, 0)
        header = json.loads(data[8 : 8 + length])
        self.assertEqual(list(header), ["seen", "tail", "turned", "w"])
        self.assertEqual(header["w"], {"dtype": "F32", "shape": [2, 3], "data_offsets": [40, 64]})
        self.assertEqual(data[8 + length :][40:64], FLOATS)
        self.assertEqual(len(data), 8 + length + 64)

    def test_a_program_is_not_run(self):
        class Evil:
            def __reduce__(self):
                return (print, ("run",))

        evil = pickle.dumps(Evil(), protocol=2)
        self.refused(evil, "print")
        for module, function in [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "x")]:
            entry = name(module, function) + b"(" + text("x") + b"tR"
            self.refused(checkpoint([("w", entry)], []), f"{module}.{function}")

    def test_tensors_and_storages_are_not_changed(self):
        state = b"}" + text("offset") + number(1 << 20) + b"sb"
        self.refused(checkpoint([("w", ENTRIES[0][1] + state)], STORAGES[:1]), "a tensor that the table changes")
        storage = b"(" + text("storage") + name("torch", "FloatStorage") + text("10") + text("cpu") + number(6) + b"NtQ"
        self.refused(checkpoint([("w", storage + state)], STORAGES[:1]), "a storage that the table changes")

    def test_a_length_beyond_the_file_takes_no_memory(self):
        most = b"\x8a\x08" + struct.pack("<q", 1 << 60)
        entry = tensor("FloatStorage", "10", 6, 0, (6,), (1,)).replace(number(6) + b"NtQ", most + b"NtQ")
        self.refused(checkpoint([("w", entry)], [("10", 1 << 60, FLOATS)]), "ends inside")
        # A string of 2^63 bytes.
        self.refused(b"\x80\x04\x8d" + struct.pack("<Q", 1 << 63) + b".", "legacy format")

    def test_damage_is_refused(self):
        good = checkpoint(ENTRIES, STORAGES)
        self.refused(good[:-1], "ends inside")
        self.refused(good + b"x", "after the last")
        self.refused(good[:40], "legacy format")
        self.refused(b"", "legacy format")
        self.refused(b"PK\x03\x04", "legacy format")
        self.refused(checkpoint(ENTRIES, STORAGES, magic=1), "legacy format")
        self.refused(checkpoint(ENTRIES, STORAGES, little=False), "little endian")
        self.refused(checkpoint(ENTRIES, STORAGES[:1]), "does not fit")
        self.refused(checkpoint(ENTRIES, [("10", 5, FLOATS), STORAGES[1]]), "another length")
        self.refused(checkpoint([("w", text("words"))], []), "no tensor")
        self.refused(checkpoint([], []), "no table")

    def test_tensors_stay_inside_their_storage(self):
        for offset, shape, strides in [(1, (2, 3), (3, 1)), (0, (7,), (1,)), (0, (2, 2), (4, 2)), (-1, (2,), (1,))]:
            entry = tensor("FloatStorage", "10", 6, offset, shape, strides)
            with self.assertRaises(Refused):
                read(checkpoint([("w", entry)], STORAGES[:1]))
        self.refused(checkpoint([("w", tensor("FloatStorage", "10", 6, 0, (2,), (1, 1)))], STORAGES[:1]), "do not fit")

    def test_what_is_not_finite_is_refused(self):
        nan = [("10", 6, struct.pack("<6f", 1, 2, 3, float("nan"), 5, 6))]
        tensors = read(checkpoint(ENTRIES[:1], nan))
        with self.assertRaises(Refused):
            convert_pth.check_finite(tensors)


if __name__ == "__main__":
    unittest.main()
