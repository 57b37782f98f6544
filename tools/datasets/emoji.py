#!/usr/bin/env python3
"""Emoji as a corpus: pictures of the npm package emoji-datasource-VENDOR, labels and tags of emojibase-data."""

import json
import sys

import packages
from common import Candidate, Failure, Found, clean, main, parser, text_of, unique

# Pinned: another version is another corpus.
PICTURES_VERSION = "16.0.0"
LABELS_VERSION = "17.0.0"
VENDORS = ("google", "twitter")
# One gesture or profession comes in up to three of these, and the pictures differ little.
PEOPLE = frozenset("man men woman women person people boy girl male female mr mrs ms guy lady".split())


def label_rows(folder):
    """The emoji of emojibase-data, and the messages of its groups and subgroups by number."""
    try:
        rows = json.loads((folder / "en" / "data.json").read_text(encoding="utf-8"))
        messages = json.loads((folder / "en" / "messages.json").read_text(encoding="utf-8"))
        names = [{entry["order"]: entry["key"] for entry in messages[key]} for key in ("groups", "subgroups")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(
            f"emojibase-data {LABELS_VERSION} is not laid out as expected ({error!r})", "remove it from the cache"
        ) from error
    return rows, *names


def find(options, scratch, cache):
    pictures_name = f"emoji-datasource-{options.vendor}"
    prefix = f"img/{options.vendor}/64/"
    labels_file = packages.npm("emojibase-data", LABELS_VERSION, cache)
    pictures_file = packages.npm(pictures_name, PICTURES_VERSION, cache)
    packages.unpack_npm(labels_file, scratch / "labels", lambda path: path in ("en/data.json", "en/messages.json"))
    packages.unpack_npm(pictures_file, scratch / "pictures", lambda path: path.startswith(prefix) and path.endswith(".png"))
    rows, groups, subgroups = label_rows(scratch / "labels")
    # File names have the variation selector FE0F where a code point is text by default; the labels' codes have none.
    by_code = {}
    for picture in sorted((scratch / "pictures").rglob("*.png")):
        code = "-".join(part for part in picture.stem.upper().split("-") if part != "FE0F")
        by_code.setdefault(code, picture)
    if not by_code:
        raise Failure(f"{pictures_file} has no pictures in {prefix}", "remove it from the cache")
    candidates, skipped = [], []
    # Skin tones are below "skins" of their emoji: they are never reached here.
    for row in rows:
        code = "-".join(part for part in row["hexcode"].split("-") if part != "FE0F")
        name = f"emoji/{code.lower()}"
        group = groups.get(row.get("group"))
        if group is None or group == "component":
            skipped.append((name, "a component of other emoji"))
            continue
        if code not in by_code:
            skipped.append((name, "no picture"))
            continue
        label = clean(row["label"])
        tags = unique(clean(tag) for tag in row.get("tags", []))
        candidates.append(
            Candidate(
                id=name,
                title=label,
                text=text_of(label, tags, ""),
                picture=by_code[code],
                class_name=group,
                keywords=tags,
                more={"emoji": row["emoji"], "subgroup": subgroups.get(row.get("subgroup"))},
            )
        )
    versions = {"emojibase-data": LABELS_VERSION, pictures_name: PICTURES_VERSION}
    return Found(candidates, versions, skipped, PEOPLE)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--vendor", choices=VENDORS, default="google", help="whose pictures (default google: Noto)")
    sys.exit(main(arguments, find))
