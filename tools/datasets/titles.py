"""Texts: cleaning them, and when two titles count as one for the split."""

import html
import re
import unicodedata

# Words that tell apart the members of a series rather than what is shown.
COLOURS = """red green blue yellow orange purple violet pink brown black white grey gray gold golden silver cyan magenta
indigo turquoise teal beige maroon navy lime olive dark light colour color coloured colored bw rouge vert bleu jaune noir
blanc rosso verde blu giallo nero bianco""".split()
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty first second third fourth fifth half number version""".split()
SIDES = """left right up down top bottom upper lower north south east west front back side facing upward downward
vertical horizontal clockwise counterclockwise""".split()
SIZES = "small medium large big tiny little mini huge simple full empty".split()
ARTICLES = "the an of in on and with to for by from at or il la le les der die das di de".split()
SERIES_WORDS = frozenset(COLOURS + NUMBERS + SIDES + SIZES + ARTICLES)

# Titles shorter than this have to be equal: one letter makes another word of them.
NEAR_LENGTH = 8


def clean(text):
    """A text without entities (also those escaped twice), markup, control characters and runs of white space."""
    text = html.unescape(html.unescape(text or ""))
    text = re.sub(r"<[^>]{0,200}>", " ", text)
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def words_of_stem(stem):
    """The words of a file name: `folder_red-open2` and `FolderRedOpen2` become `folder red open 2`."""
    text = re.sub(r"[_\-.+]+", " ", stem)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = re.sub(r"(?<=[A-Za-z]{2})(?=\d)", " ", text)
    return " ".join(text.split()).lower()


def normal(text, also=frozenset()):
    """What of a text counts for the split: its words in order of name, each once.

    Lower case, no accents; left out are digits, single letters, plural endings, and words for colour, number, side and
    size (and those in `also`). Where nothing is left, the text itself in lower case.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    kept = set()
    for word in re.findall(r"[^\W\d_]+", plain):
        if len(word) < 2 or word in SERIES_WORDS or word in also:
            continue
        if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            word = word[:-1]
        if word not in SERIES_WORDS and word not in also:
            kept.add(word)
    return " ".join(sorted(kept)) or " ".join(plain.split())


def near_keys(title):
    """Keys of a normalised title: two titles are nearly equal where they share one.

    These are the title and, from 8 characters on, the title without any one of its characters: what an insertion, a
    deletion, a replaced or two swapped characters leave equal.
    """
    keys = {title}
    if len(title) >= NEAR_LENGTH:
        keys.update(title[:i] + title[i + 1 :] for i in range(len(title)))
    return keys
