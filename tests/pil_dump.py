#!/usr/bin/env python3
"""Writes tests/dumps/resize_*.bin: what Pillow makes of small images.

Run by developers, not by the tests: Debian's python3-pil is enough.
Each file holds little-endian int32 source width, height, wanted width,
height, then the source's RGB bytes and the result's.
"""
import os
import random
import struct
import sys

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


def main():
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dumps")
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
