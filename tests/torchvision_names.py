#!/usr/bin/python3
"""Writes tests/dumps/*.names: what torchvision calls things.

For each ResNet and VGG, in the order of its state_dict:
    param NAME SIZE...      a parameter
    buffer NAME SIZE...     a running mean or variance
and in the order in which a forward pass at 64 x 64 pixels meets them:
    output NAME C H W       a convolution, linear or pooling layer

VGGs are run at 224 x 224 pixels, where the pool in front of the classifier does
nothing; it is left out.

Needs Debian's python3-torch and python3-torchvision; developers run it, the
tests only read its files. Usage: /usr/bin/python3 tests/torchvision_names.py
"""
import os
import torch
import torchvision

LAYERS = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.MaxPool2d,
          torch.nn.AdaptiveAvgPool2d)


def lines_of(net, side=64):
    params = dict(net.named_parameters())
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            kind = "param" if name in params else "buffer"
            yield " ".join(map(str, [kind, name, *tensor.shape]))

    outputs = []
    for name, module in net.named_modules():
        if isinstance(module, LAYERS) and (side, name) != (224, "avgpool"):
            module.register_forward_hook(
                lambda _m, _i, out, name=name: outputs.append(
                    " ".join(map(str, ["output", name, *out.shape[1:]]))))
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, side, side))
    yield from outputs


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dumps")
    os.makedirs(folder, exist_ok=True)
    for depth in (18, 34, 50, 101, 152):
        arch = "resnet%d" % depth
        net = getattr(torchvision.models, arch)(weights=None)
        with open(os.path.join(folder, arch + ".names"), "w") as f:
            f.write("\n".join(lines_of(net)) + "\n")
    for arch in ("vgg11", "vgg16", "vgg19_bn", "vgg13_bn", "vgg16_bn"):
        net = getattr(torchvision.models, arch)(weights=None)
        with open(os.path.join(folder, arch + ".names"), "w") as f:
            f.write("\n".join(lines_of(net, 224)) + "\n")


if __name__ == "__main__":
    main()
