"""A small drawn corpus with captions, some of which mean harm, and an index of it."""

import json
import random
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (214, 48, 49), "green": (39, 150, 72), "blue": (46, 84, 214), "yellow": (240, 196, 25), "purple": (130, 60, 170)}
SHAPES = ("circle", "square", "triangle", "stripes")
EVIL = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script>"
CONFIG = """dim = 48
hidden = 96
half = 16
least_steps = 0
epochs_contrastive = 40
epochs_double_triplet = 15
epochs_metric = 20
patience = 40
pair_weight = 1.0
softmax_weight = 1.0
refit = "off"
"""


def draw(shape, colour, seed, size=(240, 180)):
    rng = random.Random(seed)
    image = Image.new("RGB", size, (250, 249, 246))
    pen = ImageDraw.Draw(image)
    r = rng.randint(34, 62)
    x, y = rng.randint(r, size[0] - r), rng.randint(r, size[1] - r)
    box = (x - r, y - r, x + r, y + r)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    else:
        for at in range(-size[1], size[0], 34):
            pen.line([(at, size[1]), (at + size[1], 0)], fill=colour, width=12)
    return image


def write(folder, rounds=12):
    """Draws pictures and writes corpus.jsonl; gives its path."""
    folder = Path(folder)
    (folder / "img").mkdir(parents=True, exist_ok=True)
    lines, n = [], 0
    for turn in range(rounds):
        for colour, rgb in COLOURS.items():
            for shape in SHAPES:
                name = f"img/{n:04}.png"
                draw(shape, rgb, n, [(240, 180), (180, 240), (220, 220), (320, 140)][n % 4]).save(folder / name)
                text = [f"a {colour} {shape} on a light ground", f"here we see a {shape} that is {colour}",
                        f"{shape}, painted in {colour}", f"the {colour} {shape}"][turn % 4]
                split = "train" if turn < rounds * 2 // 3 else "val" if turn < rounds * 5 // 6 else "test"
                lines.append({"id": f"doc-{n:04}", "title": f"{colour.title()} {shape}, no. {n}", "text": text, "image": name,
                              "colour": colour, "shape": shape, "year": 2000 + turn % 5, "split": split})
                n += 1
    # What wants to be markup, in every place where a text may stand.
    evil_name = "img/\"><script>window.pwned=3<x>.png".replace("/script", "script")
    draw("circle", COLOURS["red"], 1).save(folder / evil_name)
    lines.append({"id": EVIL, "title": EVIL, "text": f"zebra {EVIL} javascript:window.pwned=4", "image": evil_name,
                  "colour": "red", "shape": "circle\"><script>window.pwned=5</script>", "year": 2001, "split": "test"})
    lines.append({"id": "a/b?c#d%2f", "title": "zebra without a picture", "text": "zebra &lt;b&gt; </b><i>not bold</i>",
                  "colour": "red", "shape": "circle", "year": 2001, "split": "test"})
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def build(binary, folder):
    """Trains and builds where that is not done already; gives the index."""
    folder = Path(folder)
    index = folder / "pictures.index"
    if index.exists():
        return index
    corpus = write(folder)
    config = folder / "train.toml"
    config.write_text(CONFIG)
    run = lambda *args: subprocess.run([binary, *map(str, args), "--quiet", "--json"], check=True, stdout=subprocess.DEVNULL)
    run("train", corpus, "--label", "shape", "--config", config, "--out", folder / "bundle")
    run("build", corpus, "--bundle", folder / "bundle", "--out", index)
    return index
