#!/usr/bin/python3
"""Writes tests/dumps/probe_*.json: how the images of a batch agree, by PyTorch.

The networks, weights and images are those of torch_dump.py, in float64. The
whole batch goes forward in training mode; then the loss of each image alone goes
backward. Of every convolution's and linear layer's weight the file holds the
mean cosine of two images' gradients (Balduzzi et al. 2017), the least one
(Sankararaman et al. 2020), and signal over noise of the batch's gradient from
those of its halves (docs/quantities.md). Needs Debian's python3-torch;
developers run it, tests/test_probe.c only reads its files.

    /usr/bin/python3 tests/torch_probe.py
"""
import itertools
import json
import os

import torch
from torch import nn

from torch_dump import VGG, ResNet, batch_of, case, fill

CASES = {
    "norm": case("resnet18", True, width=0.125, batches=[6]),
    "plain": case("vgg11", False, norm="none", width=0.125, image_size=32,
                  batches=[5]),
}


def numbers(grads):
    cosines = [float(torch.dot(a, b) / a.norm() / b.norm())
               for a, b in itertools.combinations(grads, 2)]
    half = len(grads) // 2
    a = torch.stack(grads[:half]).mean(0)
    b = torch.stack(grads[half:2 * half]).mean(0)
    noise = float((a - b).norm() ** 2) / 4
    return [sum(cosines) / len(cosines), min(cosines),
            float(torch.dot(a, b)) / noise]


def probe(about):
    net = (VGG if about["arch"] in VGG.LAYERS else ResNet)(about).double()
    fill(net, about["seed"])
    x, y = batch_of(about, 0)
    losses = nn.functional.cross_entropy(net(x), y, reduction="none")
    weights = [(n + ".weight", m.weight) for n, m in net.named_modules()
               if isinstance(m, (nn.Conv2d, nn.Linear))]
    rows = [torch.autograd.grad(loss, [w for _, w in weights],
                                retain_graph=True) for loss in losses]
    return {"case": about, "torch": torch.__version__,
            "loss": float(losses.mean()),
            "layers": {name: numbers([row[i].flatten() for row in rows])
                       for i, (name, _) in enumerate(weights)}}


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, about in CASES.items():
        path = os.path.join(folder, "dumps", "probe_%s.json" % name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(probe(about), f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
