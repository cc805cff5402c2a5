#!/usr/bin/python3
"""Writes tests/dumps/measures_*.json: what PyTorch sees of activations, updates
and skips.

The networks, weights and images are those of torch_dump.py, in float64. A step
holds, for every ReLU in the order it is called, mean, standard deviation and
share of zeros of its output; for every layer, in the order they are called, the
sum over the images of the L2 norm of the gradient at its output; and for every used parameter the L2 norm of what
the optimizer's step changes. For every block whose skip is the identity it holds
the L2 norms of the gradient's two parts at the block's input: what comes through
the branch, and what comes by the skip. Needs Debian's python3-torch; developers run it,
tests/test_measures.c only reads its files.

    /usr/bin/python3 tests/torch_measures.py
"""
import json
import os

import torch
from torch import nn

from torch_dump import VGG, Block, ResNet, batch_of, case, fill, optimizer_of

CASES = {
    "sgd": case("resnet18", True, width=0.125, batches=[4, 4, 3],
                weight_decay=5e-4),
    "adamw": case("resnet50", False, width=0.125, optimizer="adamw", lr=0.001,
                  weight_decay=0.01),
    "bottleneck": case("resnet50", [True, False, True, True], width=0.125,
                       norm="none", lr=0.001, batches=[4, 4, 3]),
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


class Parted(nn.Module):
    """A block with an identity skip whose input goes two ways, each with a
    gradient of its own."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        block, (by_branch, by_skip) = self.block, (x.clone(), x.clone())
        self.ways = by_branch, by_skip
        for way in self.ways:
            way.retain_grad()
        y = torch.relu(block.bn1(block.conv1(by_branch)))
        y = block.bn2(block.conv2(y))
        if block.bottleneck:
            y = block.bn3(block.conv3(torch.relu(y)))
        return torch.relu(y + by_skip)


def part(net):
    """Replaces such blocks; gives (name, Parted) of each."""
    rows = []
    for name, module in list(net.named_modules()):
        if isinstance(module, Block) and module.skip and not module.downsample:
            stage, _, i = name.rpartition(".")
            parted = Parted(module)
            net.get_submodule(stage)[int(i)] = parted
            rows.append((name, parted))
    return rows


def watch_outputs(net):
    """The outputs of the layers that run, by name, as they are made."""
    outputs = {}

    def hook(name):
        def keep(module, inputs, output):
            output.retain_grad()
            outputs[name] = output
        return keep
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(hook(name))
    return outputs


def measures(about, seen):
    net = (VGG if about["arch"] in VGG.LAYERS else ResNet)(about).double()
    fill(net, about["seed"])
    blocks = part(net)
    outputs = watch_outputs(net)
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
            "samples": [float(y.grad.flatten(1).norm(dim=1).sum())
                        for y in outputs.values()],
            "branch": {name: [float(w.grad.norm()) for w in b.ways]
                       for name, b in blocks},
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
