"""Writes resample.json beside this file: what Pillow makes of pictures that a formula draws.

    python3 tests/library/efficientnet/resample.py     # needs pillow and numpy
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos3": Image.LANCZOS}
# From width x height to width x height: down, up, one direction alone, both ways at once, to one pixel.
SIZES = [((37, 23), (11, 9)), ((5, 4), (13, 9)), ((90, 6), (8, 6)), ((6, 50), (6, 7)), ((40, 3), (7, 8)), ((33, 33), (1, 1))]


def picture(width, height):
    """Noise with hard edges; the test in src/encode/resample.rs draws the same."""
    out = np.zeros((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = (x * x * 31 + y * y * 17 + x * y * 7 + c * 101) % 256
                out[y, x, c] = 255 * ((x + y + c) // 3 % 2) if (x // 5 + y // 3) % 3 == 0 else value
    return Image.fromarray(out)


cases = [
    {"filter": name, "from": source, "to": target, "samples": np.asarray(picture(*source).resize(target, kernel)).reshape(-1).tolist()}
    for name, kernel in FILTERS.items()
    for source, target in SIZES
]
text = "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n"
Path(__file__).with_name("resample.json").write_text(text)
