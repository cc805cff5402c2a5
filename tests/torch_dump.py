#!/usr/bin/python3
"""Writes tests/dumps/parity_*.json: what PyTorch sees when it trains the nets.

Every case is a network, its first weights and its images by the counter-based
rule of docs/randomness.md, and a few training steps in float64; tests/
test_parity.c repeats them in C and compares. Needs Debian's python3-torch;
developers run it, users and tests only read its files.

    /usr/bin/python3 tests/torch_dump.py [CASE...]

A file holds, per step: the loss, the hits, the logits, and the L2 norms of
every layer's output, of the gradient there, and of every used parameter's
gradient. After the first step, and for weights and running statistics after the
last one, also projections: the dot product with a vector that the rule draws,
over the L2 norm. A norm is blind to signs and order, a projection is not. Last
comes the last batch again in evaluation mode.
"""
import json
import math
import os
import sys

import numpy as np
import torch
from torch import nn

G = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
INPUTS, LABELS, PROJECTION = 65536, 131072, 196608


# ---- the rule ------------------------------------------------------------

def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def bits(seed, stream, count):
    key = mix((seed + G * (stream + 1)) & MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.uint64(G) * np.arange(1, count + 1,
                                                      dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def unit(seed, stream, count):
    return (bits(seed, stream, count) >> np.uint64(40)) * 2.0 ** -23 - 1.0


def drawn(seed, stream, shape, bound):
    flat = (unit(seed, stream, int(np.prod(shape))) * bound).astype(np.float32)
    return torch.from_numpy(flat.reshape(tuple(shape))).double()


# ---- the networks, as the paper and torchvision have them ----------------

def conv_norm(inputs, outputs, k, stride, norm):
    conv = nn.Conv2d(inputs, outputs, k, stride, k // 2, bias=not norm)
    return conv, nn.BatchNorm2d(outputs) if norm else nn.Identity()


class Block(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck, skip, norm):
        super().__init__()
        self.skip, self.bottleneck = skip, bottleneck
        out = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1, self.bn1 = conv_norm(inputs, width, 1, 1, norm)
            self.conv2, self.bn2 = conv_norm(width, width, 3, stride, norm)
            self.conv3, self.bn3 = conv_norm(width, out, 1, 1, norm)
        else:
            self.conv1, self.bn1 = conv_norm(inputs, width, 3, stride, norm)
            self.conv2, self.bn2 = conv_norm(width, out, 3, 1, norm)
        self.downsample = None
        if stride != 1 or inputs != out:
            self.downsample = nn.Sequential(
                *conv_norm(inputs, out, 1, stride, norm))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(torch.relu(y)))
        if self.skip:
            y = y + (self.downsample(x) if self.downsample else x)
        return torch.relu(y)


class ResNet(nn.Module):
    DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}

    def __init__(self, case):
        super().__init__()
        bottleneck = case["arch"] == "resnet50"
        norm = case["norm"] == "batch"

        def scaled(channels):
            return max(8, math.floor(channels * case["width"] / 8 + 0.5) * 8)

        self.conv1, self.bn1 = conv_norm(3, scaled(64), 7, 2, norm)
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs = scaled(64)
        for stage, blocks in enumerate(self.DEPTHS[case["arch"]]):
            rows, width = [], scaled(64 << stage)
            for i in range(blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                rows.append(Block(inputs, width, stride, bottleneck,
                                  case["skip"][stage], norm))
                inputs = 4 * width if bottleneck else width
            setattr(self, "layer%d" % (stage + 1), nn.Sequential(*rows))
        self.fc = nn.Linear(inputs, case["classes"])

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class VGG(nn.Module):
    """torchvision's, without the pool to 7 x 7 and without dropout."""
    LAYERS = {"vgg11": (1, 1, 2, 2, 2), "vgg38": (7, 7, 7, 7, 7)}

    def __init__(self, case):
        super().__init__()

        def scaled(channels):
            return max(8, math.floor(channels * case["width"] / 8 + 0.5) * 8)

        rows, inputs = [], 3
        for layers, channels in zip(self.LAYERS[case["arch"]],
                                    (64, 128, 256, 512, 512)):
            for _ in range(layers):
                rows.append(nn.Conv2d(inputs, scaled(channels), 3, 1, 1))
                inputs = scaled(channels)
                if case["norm"] == "batch":
                    rows.append(nn.BatchNorm2d(inputs))
                rows.append(nn.ReLU())
            rows.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*rows)
        side, hidden = case["image_size"] // 32, scaled(4096)
        self.classifier = nn.Sequential(
            nn.Linear(inputs * side * side, hidden), nn.ReLU(), nn.Identity(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Identity(),
            nn.Linear(hidden, case["classes"]))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def fill(net, seed):
    modules = dict(net.named_modules())
    with torch.no_grad():
        for p, (name, w) in enumerate(net.named_parameters()):
            owner = modules[name.rpartition(".")[0]]
            if isinstance(owner, nn.BatchNorm2d):
                w.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                fan_in = owner.weight[0].numel()
                w.copy_(drawn(seed, p, w.shape, 1.0 / math.sqrt(fan_in)))


# ---- what is written -----------------------------------------------------

def norm(t):
    return float(t.detach().norm())


def projection(t, index):
    t = t.detach().flatten()
    along = torch.from_numpy(unit(0, PROJECTION + index, t.numel()))
    return float(t @ along / t.norm())


def batch_of(case, t):
    n, size, seed = case["batches"][t], case["image_size"], case["seed"]
    x = drawn(seed, INPUTS + t, (n, 3, size, size), math.sqrt(3.0))
    y = bits(seed, LABELS + t, n) % np.uint64(case["classes"])
    return x, torch.from_numpy(y.astype(np.int64))


def optimizer_of(case, net):
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW}[case["optimizer"]]
    options = {"lr": case["lr"], "weight_decay": case["weight_decay"]}
    if case["optimizer"] == "sgd":
        options["momentum"] = case["momentum"]
    return kind(net.parameters(), **options)


def train(case):
    net = (VGG if case["arch"] in VGG.LAYERS else ResNet)(case).double()
    fill(net, case["seed"])
    optimizer = optimizer_of(case, net)
    layers = [(n, m) for n, m in net.named_modules()
              if isinstance(m, (nn.Conv2d, nn.Linear))]
    outputs, steps = {}, []

    def keep(name):
        def hook(module, inputs, output):
            if output.requires_grad:
                output.retain_grad()
            outputs[name] = output
        return hook

    for name, module in layers:
        module.register_forward_hook(keep(name))

    for t in range(len(case["batches"])):
        x, y = batch_of(case, t)
        optimizer.zero_grad(set_to_none=True)
        logits = net(x)
        loss = nn.functional.cross_entropy(logits, y)
        loss.backward()
        used = [(n, p) for n, p in net.named_parameters() if p.grad is not None]
        layers = [(n, m) for n, m in layers if n in outputs]
        step = {"loss": float(loss),
                "correct": int((logits.argmax(1) == y).sum()),
                "logits": logits.detach().flatten().tolist(),
                "out": [norm(outputs[n]) for n, _ in layers],
                "grad_out": [norm(outputs[n].grad) for n, _ in layers],
                "grad_w": [norm(p.grad) for _, p in used]}
        if t == 0:
            step["project_grad_out"] = [projection(outputs[n].grad, i)
                                        for i, (n, _) in enumerate(layers)]
            step["project_grad_w"] = [projection(p.grad, i)
                                      for i, (_, p) in enumerate(used)]
        steps.append(step)
        optimizer.step()

    if "only" in case:
        return {"case": case, "torch": torch.__version__,
                "layers": [n for n, _ in layers],
                "steps": [{k: s[k] for k in case["only"]} for s in steps]}
    states = [(n, b) for n, b in net.named_buffers()
              if not n.endswith("num_batches_tracked")]
    result = {"case": case, "torch": torch.__version__,
              "layers": [n for n, _ in layers],
              "used": [n for n, _ in used],
              "weights": [n for n, _ in net.named_parameters()],
              "states": [n for n, _ in states],
              "steps": steps,
              "final": {
                  "weights": [norm(p) for p in net.parameters()],
                  "project_weights": [projection(p, i) if norm(p) else 0
                      for i, p in enumerate(net.parameters())],
                  "states": [norm(b) for _, b in states],
                  "project_states": [projection(b, i) if norm(b) else 0
                      for i, (_, b) in enumerate(states)]}}
    net.eval()
    with torch.no_grad():
        logits = net(x)
        result["eval"] = {"loss": float(nn.functional.cross_entropy(logits, y)),
                          "logits": logits.flatten().tolist()}
    return result


# ---- the cases -----------------------------------------------------------

def case(arch, skip, **other):
    if isinstance(skip, bool):
        skip = [skip] * 4
    return {"arch": arch, "skip": skip, "norm": "batch", "width": 1.0,
            "classes": 10, "image_size": 64, "batches": [2, 2, 2],
            "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0,
            "seed": 0, **other}


def physics(skip, norm):
    return case("resnet50", skip, norm=norm, classes=200, batches=[16],
                only=["loss", "grad_out"])


CASES = {
    "resnet50_skip": case("resnet50", True),
    "resnet50_plain": case("resnet50", False),
    "resnet18_skip": case("resnet18", True),
    "resnet18_plain": case("resnet18", False),
    "resnet18_skip_none": case("resnet18", True, norm="none"),
    "resnet18_plain_none": case("resnet18", False, norm="none"),
    "resnet18_stages": case("resnet18", [False, False, True, True],
                            weight_decay=5e-4),
    "resnet50_width": case("resnet50", True, width=0.125),
    "adam": case("resnet18", True, optimizer="adam", lr=0.001, width=0.25,
                 weight_decay=0.01),
    "adamw": case("resnet18", True, optimizer="adamw", lr=0.001, width=0.25,
                  weight_decay=0.01),
    # A last short batch: batch norm sees its images only.
    "short": case("resnet18", True, width=0.25, batches=[4, 4, 2]),
    # For float32: the first step, and three small ones.
    "first_skip": case("resnet50", True, batches=[4]),
    "first_plain": case("resnet50", False, batches=[4]),
    "slow_skip": case("resnet50", True, batches=[4, 4, 4], lr=1e-6),
    # 64 px: classifier.0 takes 2 x 2.
    "vgg11": case("vgg11", False, norm="none", width=0.125, lr=0.01),
    "vgg11_norm": case("vgg11", False, width=0.125, lr=0.01, batches=[4, 4, 3]),
    "vgg38": case("vgg38", False, width=0.125, lr=0.01, image_size=32,
                  batches=[8, 8, 8]),
    # For tests/test_physics.c: gradient norms of one larger step.
    "physics_plain": physics(False, "batch"),
    "physics_skip": physics(True, "batch"),
    "physics_plain_none": physics(False, "none"),
}


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dumps")
    for name in sys.argv[1:] or CASES:
        result = train(CASES[name])
        path = os.path.join(folder, "parity_%s.json" % name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(result, f, separators=(",", ":"))
            f.write("\n")
        print("%-20s losses %s  %d bytes" % (
            name, [round(s["loss"], 6) for s in result["steps"]],
            os.path.getsize(path)))


if __name__ == "__main__":
    main()
