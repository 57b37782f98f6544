"""Pictures: to one form (RGB over white, at most 256 px), and when two of them are nearly equal."""

import io
import warnings

from PIL import Image

from failure import Failure

MAX_SIDE = 256
MAX_PIXELS = 200_000_000
# Cells per side of the grid that the hash is taken from.
GRID = 16
# Difference of neighbouring cells (of 255) that counts as an edge. Below it lies the noise of resizing.
EDGE = 10
# Two pictures are nearly equal where at most this share of their edges is not common to both.
NEAR = 0.25
# Pictures without an edge are equal where each mean colour component differs by at most this.
FLAT = 12
# A component from here on is white.
WHITE = 250

# The limit of this module is MAX_PIXELS, checked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


def load(source):
    """A picture file (path or bytes) as RGB over white, its longer side at most 256 px, aspect kept.

    # Failure
    The file is no picture, is damaged, is over 200 megapixels, or is blank: white all over once it lies on white.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Failure(f"over {MAX_PIXELS // 1_000_000} megapixels")
                flat = _flatten(image)
        except Failure:
            raise
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise Failure(f"no readable picture ({type(error).__name__})") from error
    if all(low >= WHITE for low, _ in flat.getextrema()):
        raise Failure("blank on white")
    return flat


def _flatten(image):
    if image.mode.startswith("I"):
        # 16 bits per sample: Pillow clips instead of scaling when it converts.
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    rgba = image.convert("RGBA")
    scale = MAX_SIDE / max(rgba.size)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in rgba.size)
        # Pillow weighs colours by alpha here, so transparent pixels do not bleed into the rim.
        rgba = rgba.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def png(image):
    """The bytes of a picture as PNG."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


class Look:
    """What a picture looks like: its edges on a 16 x 16 grid, with direction and sign, and its mean colour.

    A difference hash, but of three values: brighter, darker, or no edge. The usual one of two values takes noise on
    flat ground for edges, and clip art is mostly flat ground. White margins are cropped first and the rest is
    stretched to the grid, so that place, scale and margin do not matter; colour does not matter either beyond its
    brightness, so that a drawing in other colours is nearly equal.
    """

    __slots__ = ("edges", "count", "mean")

    def __init__(self, edges, mean):
        self.edges = edges
        self.count = edges.bit_count()
        self.mean = mean

    @classmethod
    def of(cls, image):
        grey = image.convert("L")
        box = grey.point(lambda value: 0 if value >= WHITE else 255).getbbox()
        if box:
            image, grey = image.crop(box), grey.crop(box)
        cells = list(grey.resize((GRID + 1, GRID + 1), Image.Resampling.BOX).tobytes())
        edges = 0
        side = GRID + 1
        for row in range(GRID):
            for column in range(GRID):
                here = row * side + column
                for step in (1, side):
                    change = cells[here + step] - cells[here]
                    edges = edges << 2 | (2 if change > EDGE else 1 if change < -EDGE else 0)
        return cls(edges, tuple(image.resize((1, 1), Image.Resampling.BOX).tobytes()))

    def near(self, other):
        """Whether the two pictures count as one for the split."""
        if self.edges == 0 or other.edges == 0:
            return self.edges == other.edges and all(abs(a - b) <= FLAT for a, b in zip(self.mean, other.mean))
        differing = (self.edges ^ other.edges).bit_count()
        # |A or B| = (|A| + |B| + |A xor B|) / 2
        return differing * 2 <= NEAR * (self.count + other.count + differing)


def near_pairs(looks):
    """Pairs `(i, j)`, i < j, of nearly equal pictures. Cost: n^2 / 2 in the worst case, 0.2 us each."""
    order = sorted(range(len(looks)), key=lambda i: (looks[i].count, i))
    for position, i in enumerate(order):
        look = looks[i]
        # Sets whose sizes differ by more than the allowed share cannot be near; the order makes the rest a run.
        limit = look.count / (1 - NEAR)
        for j in order[position + 1 :]:
            if looks[j].count > limit:
                break
            if look.near(looks[j]):
                yield (i, j) if i < j else (j, i)
