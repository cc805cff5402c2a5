#!/usr/bin/python3
"""Writes tests/dumps/augment_*.bin: images as torchvision moves and flips them.

Images and offsets are drawn by the rule of docs/randomness.md; what is done with
them is torchvision's: pad() with black by an eighth of the side, crop() at the
offset, hflip(). Needs Debian's python3-torchvision; developers run it,
tests/test_augment.c only reads its files.

    /usr/bin/python3 tests/torch_augment.py
"""
import os

import numpy as np
import torch
from torchvision.transforms import functional as F

from torch_dump import bits

SEED, EPOCH, IMAGES, SIDE = 5, 3, 12, 16
PIXELS, AUGMENT = 65536, (3 << 32) + EPOCH


def offset(draw, pad):
    return ((int(draw) >> 32) * (2 * pad + 1) >> 32) - pad


def moved(image, number, crop):
    draws = bits(SEED, AUGMENT, 4 * number + 3)[-3:]
    pad = SIDE // 8 if crop else 0
    image = F.pad(image, [pad] * 4, fill=0)
    image = F.crop(image, pad + offset(draws[2], pad),
                   pad + offset(draws[1], pad), SIDE, SIDE)
    return F.hflip(image) if int(draws[0]) >> 63 else image


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dumps")
    size = SIDE * SIDE * 3
    pixels = (bits(0, PIXELS, IMAGES * size) & np.uint64(255)).astype(np.uint8)
    images = torch.from_numpy(pixels.reshape(IMAGES, SIDE, SIDE, 3))
    for name, crop in (("flip", False), ("crop-flip", True)):
        with open(os.path.join(folder, "augment_%s.bin" % name), "wb") as f:
            for i, image in enumerate(images):
                out = moved(image.permute(2, 0, 1), i, crop)
                f.write(out.permute(1, 2, 0).contiguous().numpy().tobytes())


if __name__ == "__main__":
    main()
