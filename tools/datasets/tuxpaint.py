#!/usr/bin/env python3
"""The stamps of Tux Paint as a corpus: pictures and one-line texts of the Debian package tuxpaint-stamps-default."""

import re
import subprocess
import sys

import packages
from common import Candidate, Failure, Found, clean, main, parser, unique
from pictures import MAX_SIDE
from titles import words_of_stem

NAME = "tuxpaint-stamps-default"
# Folders that say how a stamp was made, not what it shows.
NO_KEYWORD = {"cartoon", "photo", "misc"}


def render(file, renderer):
    """The bytes of an SVG as PNG, 256 px on its longer side, or a Failure."""
    side = str(MAX_SIDE)
    done = subprocess.run(
        [renderer, "--keep-aspect-ratio", "--width", side, "--height", side, str(file)], capture_output=True, check=False
    )
    if done.returncode != 0 or not done.stdout:
        raise Failure("the SVG cannot be drawn")
    return done.stdout


def english(file):
    """The first line of a stamp's text: the English one."""
    with open(file, encoding="utf-8", errors="replace") as lines:
        return clean(lines.readline())


def find(options, scratch, cache):
    renderer = None
    if not options.no_svg:
        hint = "install the package librsvg2-bin, or give --no-svg to go without the stamps that are SVG alone"
        renderer = packages.tool("rsvg-convert", hint)
    file, version = packages.debian(NAME, cache)
    packages.unpack_debian(file, scratch)
    root = scratch / "usr" / "share" / "tuxpaint" / "stamps"
    if not root.is_dir():
        raise Failure(f"{file} has no folder usr/share/tuxpaint/stamps", "is it the package that it should be?")
    candidates, skipped = [], []
    for picture in sorted([*root.rglob("*.png"), *root.rglob("*.svg")]):
        stem = picture.relative_to(root).with_suffix("")
        text_file = picture.with_suffix(".txt")
        name = f"tuxpaint/{stem.as_posix()}"
        source = picture
        if stem.name.endswith(("_mirror", "_flip")):
            skipped.append((name, "a mirrored form of another stamp"))
            continue
        if picture.suffix == ".svg":
            if picture.with_suffix(".png").exists():
                skipped.append((f"{name}.svg", "there is a PNG of the same stamp"))
                continue
            if renderer is None:
                skipped.append((name, "SVG, with --no-svg"))
                continue
        if not text_file.is_file() or not english(text_file):
            skipped.append((name, "no text"))
            continue
        if picture.suffix == ".svg":
            try:
                source = render(picture, renderer)
            except Failure as error:
                skipped.append((name, str(error)))
                continue
        text = english(text_file)
        folders = [words_of_stem(re.sub(r"^\d+_", "", part)) for part in stem.parts[1:-1] if part not in NO_KEYWORD]
        candidates.append(
            Candidate(
                id=name,
                title=text.rstrip(". "),
                text=text,
                picture=source,
                class_name=stem.parts[0] if len(stem.parts) > 1 else None,
                keywords=unique(folders),
                more={"folder": stem.parent.as_posix()},
            )
        )
    return Found(candidates, {NAME: version}, skipped)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--no-svg", action="store_true", help="leave out stamps that are SVG alone")
    sys.exit(main(arguments, find))
