#!/usr/bin/env python3
"""OpenClipart as a corpus: the pictures of the Debian package openclipart-png, the texts of openclipart-svg."""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict

import packages
from common import Candidate, Failure, Found, clean, main, parser, text_of, unique
from titles import words_of_stem

# Folders that say nothing of what is shown.
NO_CLASS = {"unsorted"}
# Keywords that the old upload form put in by itself.
NO_KEYWORD = {"hash", "unsorted"}
# A title that at least so many files share names a collection; the file name says more.
SHARED_TITLE = 3


def metadata(file):
    """Title, keywords and description of an SVG's RDF; empty where it has none."""
    try:
        root = ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, OSError, ValueError, LookupError):
        return "", [], ""
    work = next((node for node in root.iter() if isinstance(node.tag, str) and node.tag.endswith("}Work")), None)
    if work is None:
        return "", [], ""
    said = {"title": "", "description": ""}
    keywords = []
    for node in work:
        name = node.tag.rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""
        if name in said and not said[name]:
            said[name] = clean(node.text)
        elif name == "subject":
            keywords += [clean(entry.text) for entry in node.iter() if str(entry.tag).endswith("}li")]
    keywords = unique(word for word in keywords if word.lower() not in NO_KEYWORD)
    return said["title"], keywords, clean(re.sub(r"\S+@\S+|\b(?:https?://|www\.)\S+", " ", said["description"]))


def short_title(title):
    """A title without the name of who made it and the date of its collection."""
    title = re.sub(r"^Clipart by [^-]+ - ", "", title)
    title = re.sub(r"^Part of the (.*?) *\(\w{3} \w{3} .*\)$", r"\1", title)
    return "" if re.fullmatch(r"\S+@\S+", title) else title


def find(options, scratch, cache):
    roots, versions = {}, {}
    for kind in ("png", "svg"):
        name = f"openclipart-{kind}"
        file, versions[name] = packages.debian(name, cache)
        packages.unpack_debian(file, scratch / kind)
        roots[kind] = scratch / kind / "usr" / "share" / "openclipart" / kind
        if not roots[kind].is_dir():
            raise Failure(f"{file} has no folder usr/share/openclipart/{kind}", "is it the package that it should be?")
    entries, skipped = [], []
    for picture in sorted(roots["png"].rglob("*.png")):
        stem = picture.relative_to(roots["png"]).with_suffix("")
        if picture.is_symlink():
            skipped.append((f"openclipart/{stem.as_posix()}", "a link to a picture that is there already"))
            continue
        entries.append((stem, picture, *metadata(roots["svg"] / f"{stem}.svg")))
    shared = defaultdict(int)
    for _, _, title, _, _ in entries:
        shared[short_title(title).lower()] += 1

    def candidate(stem, picture, full_title, keywords, description):
        title, collection = short_title(full_title), None
        from_name = words_of_stem(stem.name)
        compact = re.sub(r"[\W_]+", "", title.lower())
        says_less = not re.sub(r"[\W_]+", "", stem.name.lower()).startswith(compact)
        guessed = full_title.startswith("Clipart by Nicu Buculei")
        if not title or (says_less and (guessed or shared[title.lower()] >= SHARED_TITLE)):
            collection = None if guessed else title or None
            title = from_name
        top = stem.parts[0]
        return Candidate(
            id=f"openclipart/{stem.as_posix()}",
            title=title,
            text=text_of(title, keywords, description),
            picture=picture,
            class_name=None if top in NO_CLASS or len(stem.parts) < 2 else top,
            keywords=keywords,
            description=description,
            more={"collection": collection, "folder": stem.parent.as_posix()},
        )

    return Found([candidate(*entry) for entry in entries], versions, skipped)


if __name__ == "__main__":
    sys.exit(main(parser(__doc__), find))
