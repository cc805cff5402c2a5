#!/usr/bin/env python3
"""Writes what Pillow makes of small images into tests/dumps.

Run by developers, not by the tests: Debian's python3-pil is enough.

resize_*.bin holds little-endian int32 source width, height, wanted width,
height, then the source's RGB bytes and the result's.

image_*.png and image_*.jpg are files of every kind, NAME.rgb beside each
what convert("RGB") makes of it: int32 width, height, then RGB bytes. Of 16
bit files, which Pillow clips, the upper bytes stand there.
"""
import io
import os
import random
import struct
import sys
import zlib

from PIL import Image, __version__

# Source w, h, wanted w, h: up, down, odd, one axis only, extremes, no-op.
CASES = [
    (8, 8, 16, 16), (6, 6, 48, 48), (16, 16, 8, 8), (48, 48, 32, 32),
    (31, 17, 13, 29), (37, 23, 8, 8), (5, 7, 33, 11), (20, 20, 20, 9),
    (20, 20, 9, 20), (1, 1, 5, 3), (64, 3, 2, 9), (100, 1, 7, 7),
    (12, 12, 12, 12), (2, 90, 8, 8),
]


def pixels(w, h, seed):
    """Noise, with hard black and white edges, which try the rounding."""
    rng = random.Random(seed)
    return bytes(rng.choice((0, 255, rng.randrange(256)))
                 for _ in range(w * h * 3))


def smooth(w, h):
    """Soft colours with a step: what a JPEG is made for."""
    return Image.frombytes("RGB", (w, h), bytes(
        v for y in range(h) for x in range(w)
        for v in (x * 255 // (w - 1), y * 255 // (h - 1),
                  40 if x + y < w else 200)))


def file_of(image, kind, **options):
    f = io.BytesIO()
    image.save(f, kind, **options)
    return f.getvalue()


def png16(w, h, channels, values):
    """A 16 bit PNG, which Pillow cannot write for colour images."""
    def chunk(kind, data):
        body = kind + data
        return (struct.pack(">I", len(data)) + body +
                struct.pack(">I", zlib.crc32(body)))
    line = w * channels
    rows = b"".join(b"\0" + struct.pack(f">{line}H",
                                        *values[y * line:(y + 1) * line])
                    for y in range(h))
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, kind, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def rgb_of(file):
    image = Image.open(io.BytesIO(file))
    return image.size, image.convert("RGB").tobytes()


def images():
    """Name, bytes of the file, (size, RGB bytes) or None where none is due."""
    w, h = 19, 13
    rng = random.Random(7)
    rgb = Image.frombytes("RGB", (w, h), pixels(w, h, 1))
    alpha = Image.frombytes("L", (w, h), bytes(
        rng.randrange(256) for _ in range(w * h)))
    grey = rgb.convert("L")
    rgba, la = rgb.copy(), Image.merge("LA", (grey, alpha))
    rgba.putalpha(alpha)
    palette = rgb.quantize(17)
    for name, image, options in (
            ("rgb", rgb, {}), ("rgba", rgba, {}), ("grey", grey, {}),
            ("grey-alpha", la, {}), ("palette", palette, {}),
            ("palette-alpha", palette, {"transparency": 3}),
            ("one-bit", rgb.convert("1"), {})):
        file = file_of(image, "PNG", **options)
        yield f"{name}.png", file, rgb_of(file)
    for name, channels in (("rgb16", 3), ("grey16", 1), ("rgba16", 4)):
        values = [rng.randrange(65536) for _ in range(w * h * channels)]
        high = [v >> 8 for v in values]
        wanted = bytes(
            high[i * channels + (c if channels > 2 else 0)]
            for i in range(w * h) for c in range(3))
        yield (f"{name}.png", png16(w, h, channels, values),
               ((w, h), wanted))
    soft = smooth(40, 24)
    for name, image, options in (
            ("444", soft, {"quality": 90, "subsampling": 0}),
            ("420", soft, {"quality": 90, "subsampling": 2}),
            ("progressive", soft, {"quality": 90, "progressive": True}),
            ("grey", soft.convert("L"), {"quality": 90})):
        file = file_of(image, "JPEG", **options)
        yield f"{name}.jpg", file, rgb_of(file)
    yield "cmyk.jpg", file_of(soft.convert("CMYK"), "JPEG"), None


def main():
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dumps")
    for name, file, wanted in images():
        with open(os.path.join(out, f"image_{name}"), "wb") as f:
            f.write(file)
        if wanted:
            (w, h), rgb = wanted
            with open(os.path.join(out, f"image_{name}.rgb"), "wb") as f:
                f.write(struct.pack("<2i", w, h) + rgb)
    for seed, (sw, sh, dw, dh) in enumerate(CASES):
        src = pixels(sw, sh, seed)
        image = Image.frombytes("RGB", (sw, sh), src)
        dst = image.resize((dw, dh), Image.BILINEAR).tobytes()
        name = f"resize_{sw}x{sh}_{dw}x{dh}.bin"
        with open(os.path.join(out, name), "wb") as f:
            f.write(struct.pack("<4i", sw, sh, dw, dh) + src + dst)
    print(f"Pillow {__version__}: {len(CASES)} files in {out}",
          file=sys.stderr)


if __name__ == "__main__":
    main()
