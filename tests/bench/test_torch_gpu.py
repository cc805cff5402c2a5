#!/usr/bin/python3
"""The norms that torch_gpu.py records: those of the hooks that people write are
those that its best variant makes where they can be compiled, and both are what
autograd says of a layer's output. Ends with 77 (skipped) without torch.
"""
import argparse
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torch_gpu as peer                                        # noqa: E402
from torch_gpu import torch                                     # noqa: E402

SIZE, BATCH = 32, 4


def network(skip):
    torch.manual_seed(0)
    return peer.network(argparse.Namespace(skip=skip, device="cpu")).double()


def backward(net):
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(BATCH, 3, SIZE, SIZE, generator=draw, dtype=torch.double)
    loss = peer.F.cross_entropy(net(x - 0.5), torch.arange(BATCH))
    loss.backward()
    return float(loss)


def by_autograd(net, record):
    """The same numbers in another way: gradients that outputs retain."""
    kept = {}

    def keep(name, out):
        out.retain_grad()
        kept[name] = out

    for name, module in peer.recorded(net, record):
        module.register_forward_hook(
            lambda m, a, out, name=name: keep(name, out))
    loss = backward(net)
    return loss, {n: float(out.grad.norm()) for n, out in kept.items()}


class Norms(unittest.TestCase):
    def compare(self, skip, layers):
        loss, expected = by_autograd(network(skip), "all")
        self.assertEqual(len(expected), layers)
        hooked, noted = network(skip), network(skip)
        by_hooks = peer.hook_with_item(hooked, "all")
        by_tensors = peer.note_on_card(noted, "all", "cpu")
        for net, norms in ((hooked, by_hooks), (noted, by_tensors)):
            self.assertEqual(backward(net), loss)
            self.assertEqual(list(norms) if net is noted else
                             sorted(norms, key=list(expected).index),
                             list(expected))
        for name, norm in expected.items():
            self.assertAlmostEqual(by_hooks[name] / norm, 1, 12)
            # These are sums in float, of up to 65,536 squares.
            self.assertAlmostEqual(float(by_tensors[name].grad) / norm, 1, 3)

    def test_with_skips(self):
        self.compare(True, 54)

    def test_without_skips(self):
        self.compare(False, 50)         # and no convolutions beside blocks

    def test_the_notebooks_six(self):
        self.assertEqual([n for n, _ in peer.recorded(network(True), "six")],
                         peer.SIX)


if __name__ == "__main__":
    unittest.main()
