#!/usr/bin/env python3
"""Icons as a corpus: the outlines of the npm package @tabler/icons with its tags, and @mdi/svg with its aliases."""

import json
import sys
from collections import Counter, defaultdict

import packages
from common import Candidate, Failure, Found, clean, main, parser, text_of, unique

# Pinned: another version is another corpus.
TABLER_VERSION = "3.52.0"
MDI_VERSION = "7.4.47"
SIDE = 224
# Last words of a name that tell apart the variants of one icon: `home-plus-outline` is a `home`.
VARIANTS = frozenset(
    """outline filled fill off on plus minus remove multiple variant check alert lock edit clock settings search star sync
    cog refresh question exclamation cancel heart key bold thick thin dashed dotted small x open closed close pause play
    share pin spark sparkle flame dollar euro pound bitcoin bolt code user account network marker badge eye up down left
    right top bottom vertical horizontal half full empty text discount ai circle square box rounded slash download upload
    arrow wireless auto music percent scan percentage dot send medium large low high ascending descending""".split()
)
# The classes of both sets under one name; a category that says nothing of what is shown has none.
TABLER_CLASSES = {
    "Arrows": "arrows", "Animals": "animals", "Badges": "badges", "Brand": "brands", "Buildings": "buildings",
    "Charts": "charts", "Communication": "communication", "Computers": "devices", "Currencies": "money",
    "Database": "database", "Design": "design", "Development": "development", "Devices": "devices",
    "Document": "documents", "E-commerce": "money", "Electrical": "electrical", "Extensions": "documents", "Food": "food",
    "Games": "games", "Gender": "gender", "Gestures": "gestures", "Health": "health", "Laundry": "laundry",
    "Letters": "letters and numbers", "Logic": "logic", "Map": "maps", "Math": "math", "Media": "media", "Mood": "mood",
    "Nature": "nature", "Numbers": "letters and numbers", "Photography": "photography", "Shapes": "shapes",
    "Sport": "sport", "Symbols": "symbols", "System": None, "Text": "text", "Vehicles": "vehicles",
    "Version control": "development", "Weather": "weather", "Zodiac": "zodiac",
}  # fmt: skip
MDI_CLASSES = {
    "Account / User": "people", "Agriculture": "nature", "Alert / Error": "alerts",
    "Alpha / Numeric": "letters and numbers", "Animal": "animals", "Arrange": "design", "Arrow": "arrows",
    "Audio": "media", "Automotive": "vehicles", "Banking": "money", "Battery": "electrical", "Brand / Logo": "brands",
    "Cellphone / Phone": "devices", "Clothing": "clothing", "Cloud": "cloud", "Color": "design", "Currency": "money",
    "Database": "database", "Date / Time": "time", "Developer / Languages": "development", "Device / Tech": "devices",
    "Drawing / Art": "design", "Edit / Modify": "edit", "Emoji": "mood", "Files / Folders": "documents",
    "Food / Drink": "food", "Form": "forms", "Gaming / RPG": "games", "Geographic Information System": "maps",
    "Hardware / Tools": "tools", "Health / Beauty": "health", "Holiday": "holidays", "Home Automation": "home",
    "Lock": "locks", "Math": "math", "Medical / Hospital": "health", "Music": "media", "Nature": "nature",
    "Navigation": "maps", "Notification": "alerts", "People / Family": "people", "Photography": "photography",
    "Places": "buildings", "Printer": "printers", "Religion": "religion", "Science": "science", "Settings": "settings",
    "Shape": "shapes", "Shopping": "money", "Social Media": "brands", "Sport": "sport",
    "Text / Content / Format": "text", "Tooltip": "tooltips", "Transportation + Flying": "vehicles",
    "Transportation + Other": "vehicles", "Transportation + Road": "vehicles", "Transportation + Water": "vehicles",
    "Vector": "design", "Video / Movie": "media", "View": "views", "Weather": "weather",
}  # fmt: skip


def series(name):
    """The name of an icon without the words at its end that name a variant or a number; one word stays."""
    words = name.split("-")
    while len(words) > 1 and (words[-1] in VARIANTS or not words[-1].isalpha() or len(words[-1]) < 2):
        words.pop()
    return " ".join(words)


def class_of(categories, table, package):
    """The class of the first category, or a Failure where the table does not know it: another version came."""
    for category in categories:
        if category not in table:
            raise Failure(f"{package} has a category {category!r} that this script does not know", "remove it from the cache")
    return table[categories[0]] if categories else None


def read(file, what):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"{what} is not laid out as expected ({error!r})", "remove it from the cache") from error


def tabler(folder):
    """(name, search words, class, series, SVG) of each icon of Tabler; of two drawings the outline."""
    what = f"@tabler/icons {TABLER_VERSION}"
    for name, icon in sorted(read(folder / "icons.json", what).items()):
        class_name = class_of([icon["category"]], TABLER_CLASSES, what)
        tags = unique(clean(str(tag)).replace("-", " ") for tag in icon.get("tags") or [])
        yield name, tags, class_name, series(name), folder / "icons" / "outline" / f"{name}.svg"


def mdi(folder):
    """The same of each icon of Material Design Icons that its makers have not withdrawn.

    The series is the icon that it varies by their word. An icon without a category takes that of this icon, or the
    commonest of the other variants.
    """
    what = f"@mdi/svg {MDI_VERSION}"
    icons = [icon for icon in read(folder / "meta.json", what) if not icon["deprecated"]]
    names = {icon["id"]: icon["name"] for icon in icons}
    classes = {icon["id"]: class_of(icon["tags"], MDI_CLASSES, what) for icon in icons}
    family = defaultdict(Counter)
    for icon in icons:
        if classes[icon["id"]]:
            family[icon["baseIconId"]][classes[icon["id"]]] += 1
    for icon in sorted(icons, key=lambda icon: icon["name"]):
        base, votes = icon["baseIconId"], family[icon["baseIconId"]]
        common = min(votes, key=lambda name: (-votes[name], name)) if votes else None
        aliases = unique(clean(alias).replace("-", " ") for alias in icon["aliases"])
        yield (
            icon["name"],
            aliases,
            classes[icon["id"]] or classes.get(base) or common,
            series(names.get(base, icon["name"])),
            folder / "svg" / f"{icon['name']}.svg",
        )


def renderer():
    """The function that draws an SVG, black on white, or a Failure where its package is not there."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise Failure("the Python package resvg_py is not installed", "run `pip install -r requirements.txt`") from error
    return svg_to_bytes


def render(file, draw):
    """The bytes of an SVG as PNG, 224 px high and wide, or a Failure."""
    try:
        svg = file.read_text(encoding="utf-8")
        return bytes(draw(svg_string=svg, width=SIDE, height=SIDE, background="#ffffff", skip_system_fonts=True))
    except (OSError, ValueError) as error:
        raise Failure("the SVG cannot be drawn") from error


def gather(sets, draw):
    """The candidates of `(prefix, icons)` in turn, and what was left out. Of equal names the first stays."""
    candidates, skipped, names = [], [], set()
    for prefix, icons in sets:
        for name, tags, class_name, base, file in icons:
            title, place = clean(name.replace("-", " ")), f"{prefix}/{name}"
            if class_name is None:
                skipped.append((place, "no category that says what is shown"))
                continue
            if title in names:
                skipped.append((place, "a name that the other set has"))
                continue
            try:
                picture = render(file, draw)
            except Failure as error:
                skipped.append((place, str(error)))
                continue
            names.add(title)
            candidates.append(
                Candidate(
                    id=place,
                    title=title,
                    text=text_of(title, tags, ""),
                    picture=picture,
                    class_name=class_name,
                    keywords=tags,
                    series=base,
                )
            )
    return candidates, skipped


def find(options, scratch, cache):
    draw = renderer()
    tabler_file = packages.npm("@tabler/icons", TABLER_VERSION, cache)
    mdi_file = packages.npm("@mdi/svg", MDI_VERSION, cache)
    packages.unpack_npm(tabler_file, scratch / "tabler", lambda path: path == "icons.json" or path.startswith("icons/outline/"))
    packages.unpack_npm(mdi_file, scratch / "mdi", lambda path: path == "meta.json" or path.startswith("svg/"))
    candidates, skipped = gather([("tabler", tabler(scratch / "tabler")), ("mdi", mdi(scratch / "mdi"))], draw)
    return Found(candidates, {"@tabler/icons": TABLER_VERSION, "@mdi/svg": MDI_VERSION}, skipped)


if __name__ == "__main__":
    sys.exit(main(parser(__doc__), find))
