#!/usr/bin/env python3
"""Converts a checkpoint of PyTorch in its legacy format (no zip) to safetensors, with the standard library alone.

    convert_pth.py WEIGHTS.pth OUT.safetensors

A pickle is a program. This one runs only the four things that a table of tensors needs: an ordered dictionary, the
function that describes a tensor, and the names of storages; anything else is refused before it is looked up.

The legacy format is a row of pickles, then raw numbers: a magic number, the protocol, facts about the machine, the table,
the keys of the storages in order, and for each storage its number of elements (8 bytes, little endian) and its elements.
"""

import io
import json
import pickle
import struct
import sys
from pathlib import Path

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# Name of a storage: name in safetensors, bytes of an element.
STORAGES = {
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
MOST_DIMENSIONS = 8
# What a broken pickle raises.
BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class Refused(Exception):
    """The file is not what it should be."""


class Table(dict):
    """Stands for an ordered dictionary; what is attached to it beside its entries is dropped."""

    def __setstate__(self, state):
        pass


class Storage:
    """A row of numbers that tensors are cut from."""

    def __init__(self, kind, key, count):
        self.kind, self.key, self.count = kind, key, count
        self.data = None

    def __setstate__(self, state):
        raise Refused("a storage that the table changes")


class Tensor:
    """A tensor as the table describes it."""

    def __init__(self, storage, offset, shape, strides, *_):
        if not isinstance(storage, Storage):
            raise Refused("a tensor without storage")
        whole = lambda values: isinstance(values, tuple) and all(type(v) is int and v >= 0 for v in values)
        if not whole((offset,)) or not whole(shape) or not whole(strides) or len(shape) != len(strides):
            raise Refused("a tensor whose shape and strides do not fit")
        if len(shape) > MOST_DIMENSIONS:
            raise Refused("a tensor of too many dimensions")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
        if 0 not in shape and last >= storage.count:
            raise Refused("a tensor that reaches beyond its storage")

    def __setstate__(self, state):
        raise Refused("a tensor that the table changes")

    def elements(self):
        count = 1
        for n in self.shape:
            count *= n
        return count

    def data(self):
        """The elements in row-major order."""
        size = STORAGES[self.storage.kind][1]
        raw, expected = self.storage.data, 1
        contiguous = True
        for n, stride in zip(reversed(self.shape), reversed(self.strides)):
            contiguous &= n == 1 or stride == expected
            expected *= n
        count = self.elements()
        if contiguous:
            return raw[self.offset * size : (self.offset + count) * size]
        if count > self.storage.count:
            raise Refused("a tensor with more elements than its storage")
        out = bytearray()
        position = [0] * len(self.shape)
        for _ in range(count):
            at = self.offset + sum(p * s for p, s in zip(position, self.strides))
            out += raw[at * size : (at + 1) * size]
            for d in reversed(range(len(position))):
                position[d] += 1
                if position[d] < self.shape[d]:
                    break
                position[d] = 0
        return bytes(out)


class Reader(pickle.Unpickler):
    """An unpickler that knows the names of a table of tensors, and no others."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return Table
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return Tensor
        if module == "torch" and name in STORAGES:
            return name
        raise Refused(f"the file asks for {module}.{name}, which no table of tensors needs")

    def persistent_load(self, what):
        if not isinstance(what, tuple) or len(what) not in (5, 6) or what[0] != "storage":
            raise Refused("a reference that is no storage")
        kind, key, _place, count = what[1:5]
        if len(what) == 6 and what[5] is not None:
            raise Refused("a storage that is a view of another")
        if kind not in STORAGES or not isinstance(key, str) or type(count) is not int or count < 0:
            raise Refused("a storage that is described wrongly")
        known = self.storages.setdefault(key, Storage(kind, key, count))
        if (known.kind, known.count) != (kind, count):
            raise Refused(f"the storage {key} is described twice, and differently")
        return known


def plain(file):
    """The next pickle, which holds plain values."""
    reader = Reader(file)
    value = reader.load()
    if reader.storages:
        raise Refused("a storage where none belongs")
    return value


def read(file):
    """The tensors of a legacy checkpoint by name."""
    try:
        if plain(file) != MAGIC:
            raise Refused("not a checkpoint in the legacy format")
        if plain(file) != PROTOCOL:
            raise Refused("another protocol of the legacy format")
        machine = plain(file)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise Refused("numbers that are not little endian")
        reader = Reader(file)
        table = reader.load()
        keys = plain(file)
    except BROKEN as error:
        raise Refused(f"not a checkpoint in the legacy format: {error}") from error
    if isinstance(table, dict) and isinstance(table.get("state_dict"), dict):
        table = table["state_dict"]
    if not isinstance(table, dict) or not table:
        raise Refused("no table of tensors")
    for name, tensor in table.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise Refused(f"the entry {name!r} is no tensor")
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(reader.storages):
        raise Refused("the list of storages does not fit the table")
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    for key in keys:
        storage = reader.storages[key]
        count = file.read(8)
        if len(count) != 8 or struct.unpack("<q", count)[0] != storage.count:
            raise Refused(f"the storage {key} has another length than the table says")
        size = storage.count * STORAGES[storage.kind][1]
        # Before memory is taken for it.
        if size > end - file.tell():
            raise Refused(f"the file ends inside the storage {key}")
        storage.data = file.read(size)
    if file.read(1):
        raise Refused("bytes after the last storage")
    return dict(table)


def safetensors(tensors):
    """The bytes of a safetensors file: widest elements first, then in order of name."""
    size = lambda tensor: STORAGES[tensor.storage.kind][1]
    order = sorted(tensors, key=lambda name: (-size(tensors[name]), name))
    header, parts, at = {}, [], 0
    for name in order:
        tensor = tensors[name]
        data = tensor.data()
        kind = STORAGES[tensor.storage.kind][0]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def check_finite(tensors):
    """Refuses weights that are NaN or infinite: all bits of the exponent are set."""
    masks = {"FloatStorage": ("<I", 0x7F800000), "DoubleStorage": ("<Q", 0x7FF << 52)}
    for name, tensor in tensors.items():
        form, mask = masks.get(tensor.storage.kind, (None, None))
        if form and any(bits & mask == mask for (bits,) in struct.iter_unpack(form, tensor.data())):
            raise Refused(f"the tensor {name} holds NaN or infinity")


def convert(source, target):
    """Converts the file `source` to `target`, which is complete or not there; gives the number of tensors."""
    with open(source, "rb") as file:
        tensors = read(file)
    check_finite(tensors)
    partial = Path(str(target) + ".partial")
    partial.write_bytes(safetensors(tensors))
    partial.replace(target)
    return len(tensors)


def main(args):
    if len(args) != 2:
        sys.exit(__doc__.strip())
    try:
        count = convert(args[0], args[1])
    except (Refused, OSError) as error:
        sys.exit(f"{args[0]}: {error}")
    print(f"{args[1]}: {count} tensors")


if __name__ == "__main__":
    main(sys.argv[1:])
