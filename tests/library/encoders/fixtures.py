"""Writes the picture files of tests/library/encoders/fixtures, at most 2 KB each, that the test cannot make by itself.

    python3 tests/library/encoders/fixtures.py     # needs pillow and numpy

The picture is 24 x 16 pixels: left third red, middle third white, right third blue.
"""

from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).with_name("fixtures")
RED, WHITE, BLUE = (255, 0, 0), (255, 255, 255), (0, 0, 255)


def thirds(colours=(RED, WHITE, BLUE), width=24, height=16):
    out = np.zeros((height, width, len(colours[0])), np.uint8)
    for i, colour in enumerate(colours):
        out[:, i * width // 3 : (i + 1) * width // 3] = colour
    return out


def save(name, image, **options):
    image.save(OUT / name, **options)


OUT.mkdir(exist_ok=True)
plain = Image.fromarray(thirds())
# Ink: magenta and yellow, none, cyan and magenta.
ink = Image.fromarray(thirds(((0, 255, 255, 0), (0, 0, 0, 0), (255, 255, 0, 0))), "CMYK")
save("cmyk.jpg", ink, quality=90)
save("cmyk.tif", ink)

# YCCK: luma and chroma of the ink as if it were light. Pillow writes every plane inverted; byte 11 of APP14 says YCCK.
ycc = np.asarray(Image.fromarray(255 - thirds()).convert("YCbCr"))
stored = np.dstack([255 - ycc, np.zeros(ycc.shape[:2], np.uint8)])
save("ycck.jpg", Image.fromarray(stored, "CMYK"), quality=90)
data = bytearray((OUT / "ycck.jpg").read_bytes())
data[data.index(b"Adobe") + 11] = 2
(OUT / "ycck.jpg").write_bytes(data)

# Turned: shown as it is stored, the picture lies on its side.
exif = Image.Exif()
exif[0x0112] = 6
save("turned.png", plain.rotate(90, expand=True), exif=exif)
save("turned.webp", plain.rotate(90, expand=True), exif=exif, lossless=True)
save("turned.tif", plain.rotate(90, expand=True), tiffinfo={0x0112: 6})

save("palette.bmp", plain.quantize(4))
save("palette.png", plain.quantize(4), bits=2)
save("palette.tif", plain.resize((12, 8)).quantize(4))
save("bits.png", plain.convert("1", dither=0))
save("lzw.tif", plain, compression="tiff_lzw")
save("deflate.tif", plain, compression="tiff_adobe_deflate")
save("grey-float.tif", Image.fromarray(np.full((16, 24), 0.5, np.float32)))
save("progressive.jpg", plain, quality=90, progressive=True)

# First frame with a hole in the middle; a second one that is black.
clear = Image.fromarray(thirds(((*RED, 255), (0, 0, 0, 0), (*BLUE, 255))))
save("animated.gif", clear, save_all=True, append_images=[Image.new("RGBA", clear.size, (0, 0, 0, 255))], duration=100)
save("interlaced.gif", plain, interlace=1)
