"""Cells and codes of a media type in a `.uvec` file, written from "Cells and codes" of `../SPEC.md`."""

from collections import namedtuple

import numpy as np

from uvec import NONE, is_derived, need

# A code of each element in a byte; `short`, `long` and `norms` in the order of `rows`, cell after cell.
Codes = namedtuple("Codes", "mean directions steps centres ends short long rows norms model curves")
KINDS = range(48, 59)


def parts(d):
    """Fine, finer, coarse and long elements of vectors of `d` values."""
    m = min(d, 192)
    f = min(m, 24)
    return f, min(f, 8), min(m - f, 96), m


def shapes(n, d, cells, curves):
    """Element type, rows and columns of each kind."""
    f, b, o, m = parts(d)
    w, l = 64 * (up(f + b, 8) + up(o, 16)), 32 * up(m, 64)
    bytes_, u4, f4 = "u1", "<u4", "<f4"
    fixed = [(f4, 1, d), (f4, m, d), (f4, 1, f + b + o + m), (bytes_, up(cells, 16), w), (u4, cells, 1)]
    of_rows = [(bytes_, up(n, 16), w), (bytes_, n, l), (u4, n, 1), (f4, n, 1)]
    return fixed + of_rows + [(bytes_, 1, 32), (f4, curves, 27)]


def up(a, b):
    return -(-a // b)


def groups(section, fine, coarse):
    """Codes `[rows, fine + coarse]` of groups of 16 rows, all rows of all groups, and whether the others are 0."""
    blocks, cut = section.reshape(len(section), -1, 16, 4), up(fine, 8)
    out, clean = [], True
    for part, bits, count in ((blocks[:, :cut], 4, fine), (blocks[:, cut:], 2, coarse)):
        shifts = np.arange(0, 8, bits, dtype="u1")[:, None]
        codes = part[..., None, :] >> shifts & (2**bits - 1)
        codes = codes.transpose(0, 2, 1, 3, 4).reshape(16 * len(section), -1)
        out.append(codes[:, :count])
        clean &= not codes[:, count:].any()
    return np.concatenate(out, 1), clean


def longs(section, m):
    """Long codes `[n, m]`, and whether the elements from `m` on are 0."""
    blocks = section.reshape(len(section), -1, 32)
    codes = np.stack([blocks & 15, blocks >> 4], 2).reshape(len(section), -1)
    return codes[:, :m], not codes[:, m:].any()


def read(file, media):
    """The codes of a media type, `None` where it has none, and what is wrong with their values, as text.

    `ValueError` where a section is missing or has another shape.
    """
    found = [file.derived(kind, media) for kind in KINDS]
    has = [section is not None for section in found]
    if not any(has):
        return None, []
    need(all(has[:9]) and has[9] == has[10], "all kinds 48 to 56, and 57 and 58 both or neither, got", has)
    n, d = file.media[media]["vectors"].shape
    wanted = shapes(n, d, len(found[4]), len(found[10]) if has[10] else 0)
    for kind, section, (element, rows, columns) in zip(KINDS, found, wanted):
        if section is not None:
            same = (section.dtype, *section.shape) == (np.dtype(element), rows, columns)
            need(same, "section", kind, "as", (element, rows, columns), "got", section.dtype, section.shape)
    need(len(found[4]) or not n, "a cell for the items")
    f, b, o, m = parts(d)
    mean, directions, steps, centres, ends, short, long, rows, norms, model, curves = found
    centres, clean = groups(centres, f + b, o)
    short, clean2 = groups(short, f + b, o)
    long, clean3 = longs(long, m)
    bad = ["codes beyond the last element are not 0"] * (not (clean and clean2 and clean3))
    bad += ["codes beyond the last row are not 0"] * bool(centres[len(ends) :].any() or short[n:].any())
    ends, rows, norms = ends[:, 0], rows[:, 0], norms[:, 0]
    sound = (ends[1:] >= ends[:-1]).all() and (not len(ends) or ends[-1] == n)
    bad += ["ends descend or do not end with n"] * (not sound)
    once = (np.sort(rows) == np.arange(n)).all()
    bad += ["rows are not named once"] * (not once)
    if sound and once:
        starts = np.zeros(n + 1, bool)
        starts[ends] = True
        bad += ["rows descend in a cell"] * (not (starts[1:n] | (rows[1:] > rows[:-1])).all())
        own = file.media[media]["inverse_norms"][rows]
        bad += ["norms are not those of the items"] * (not (own.view("<u4") == norms.view("<u4")).all())
    for name, values in (("means", mean), ("directions", directions), ("steps", steps), ("curves", curves)):
        bad += [f"{name} are not finite"] * (values is not None and not np.isfinite(values).all())
    bad += ["steps are not above 0"] * (not (steps > 0).all())
    bad += ["curves below 0"] * (curves is not None and bool((curves < 0).any()))
    model = None if model is None else bytes(model[0])
    return Codes(mean[0], directions, steps[0], centres[: len(ends)], ends, short[:n], long, rows, norms, model, curves), bad


def verify(file):
    """Every damage of cells and codes of a file, as text."""
    out = ["cells of no media type" for s in file.sections if s.kind in KINDS and is_derived(s) and s.media == NONE][:1]
    for media in file.media:
        try:
            out += [f"{media}: {what}" for what in read(file, media)[1]]
        except ValueError as error:
            out.append(f"{media}: {error}")
    return out
