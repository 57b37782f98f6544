"""Looks at every byte of `.uvec` files, as "What a reader MUST refuse" of `../SPEC.md` says: `python3 verify.py FILE..`"""

import json
import sys
import zlib

import numpy as np

import codes
from uvec import NONE, TYPES, Uvec, has_shape, is_derived


def verify(file):
    """Every damage that is found in an open file, as text; none means that it is sound."""
    out = footer(file) + sections(file)
    for name, of in file.media.items():
        out += [f"{name}: {what}" for what in items(of, file.documents)]
    return out + codes.verify(file)


def footer(file):
    if file.footer is None:
        return []
    try:
        crc = json.loads(file.footer)["crc"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ["the footer names no checksum"]
    return ["the footer has another checksum"] * (crc != zlib.crc32(file.data))


def sections(file):
    """Checksums, padding, and the rules of derived sections."""
    out, end, seen = [], 64, set()
    for s in file.sections:
        out += ["padding is not zero"] * bool(file.data[end : s.offset].any())
        end = s.offset + s.length
        out += [f"section {s.kind}: another checksum"] * (zlib.crc32(file.data[s.offset : end]) != s.crc)
        if is_derived(s):
            out += [f"section {s.kind}: stands twice"] * (s[:2] in seen)
            out += [f"section {s.kind}: of no media type"] * (len(file.media) <= s.media != NONE)
            out += [f"section {s.kind}: another length"] * (s.element < len(TYPES) and not has_shape(s))
            seen.add(s[:2])
    return out + ["padding is not zero"] * bool(file.data[end : file.table].any())


def items(of, documents):
    """The values of a media type."""
    docs, (first, last) = of["docs"], of["spans"].T
    whole = (first == NONE) & (last == NONE)
    with np.errstate(all="ignore"):
        squares = np.square(of["vectors"].astype("f8")).sum(1)
        norms = np.where(squares > 0, 1 / np.sqrt(squares), 0).astype("f4").astype("f8")
        norms[np.isinf(norms)] = 0
        near = np.abs(of["inverse_norms"].astype("f8") - norms) <= norms * 2.0**-20 + 2.0**-126
    out = ["documents descend"] * bool((docs[1:] < docs[:-1]).any())
    out += ["no such document"] * bool((docs >= documents).any())
    out += ["a span is none"] * (not (whole | (first <= last) & (last != NONE)).all())
    out += ["inverse norms do not agree"] * (not near.all())
    values = [key for key in ("vectors", "halves", "hubs") if key in of and not np.isfinite(of[key]).all()]
    return out + [f"{key} are not finite" for key in values]


if __name__ == "__main__":
    damaged = False
    for path in sys.argv[1:]:
        opened = Uvec(path)
        damage = verify(opened)
        damaged |= bool(damage)
        counts = ", ".join(f"{len(of['docs'])} of {name}" for name, of in opened.media.items())
        print(f"{path}: {opened.documents} documents, items: {counts}:", *damage or ["sound"])
    sys.exit(2 if damaged else 0)
