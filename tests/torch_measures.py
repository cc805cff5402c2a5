#!/usr/bin/python3
"""Writes tests/dumps/measures_*.json: activations and updates as PyTorch sees them.

The networks, weights and images are those of torch_dump.py, in float64. A step
holds, for every ReLU in the order it is called, mean, standard deviation and
share of zeros of its output; and for every used parameter the L2 norm of what
the optimizer's step changes. Needs Debian's python3-torch; developers run it,
tests/test_measures.c only reads its files.

    /usr/bin/python3 tests/torch_measures.py
"""
import json
import os

import torch
from torch import nn

from torch_dump import VGG, ResNet, batch_of, case, fill, optimizer_of

CASES = {
    "sgd": case("resnet18", True, width=0.125, batches=[4, 4, 3],
                weight_decay=5e-4),
    "adamw": case("resnet50", False, width=0.125, optimizer="adamw", lr=0.001,
                  weight_decay=0.01),
    "vgg": case("vgg11", False, norm="none", width=0.125, lr=0.01,
                image_size=32),
}


def watch_relus(seen):
    """Every way to call a ReLU that the networks use."""
    plain = torch.relu

    def relu(x):
        y = plain(x)
        seen.append(y.detach())
        return y
    torch.relu = relu
    nn.ReLU.forward = lambda self, x: relu(x)


def measures(about, seen):
    net = (VGG if about["arch"] in VGG.LAYERS else ResNet)(about).double()
    fill(net, about["seed"])
    optimizer, steps = optimizer_of(about, net), []
    for t in range(len(about["batches"])):
        x, y = batch_of(about, t)
        seen.clear()
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x), y).backward()
        used = [p for p in net.parameters() if p.grad is not None]
        before = [p.detach().clone() for p in used]
        optimizer.step()
        steps.append({
            "act": [[float(a.mean()), float(a.std(unbiased=False)),
                     float((a == 0).double().mean())] for a in seen],
            "change": [float((p.detach() - b).norm())
                       for p, b in zip(used, before)]})
    return {"case": about, "torch": torch.__version__, "steps": steps}


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    seen = []
    watch_relus(seen)
    for name, about in CASES.items():
        path = os.path.join(folder, "dumps", "measures_%s.json" % name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(measures(about, seen), f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
