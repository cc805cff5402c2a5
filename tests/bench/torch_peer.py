#!/usr/bin/python3
"""The peer of bench_step: PyTorch training the same network on the same
machine, input resident, at the best setting found for it; one line of JSON.

    tests/bench/torch_peer.py [--skip] [--size 64] [--batch 16] [--steps 30]
                              [--warmup 5] [--threads 0] [--layout best]

Needs Debian's python3-torch and python3-torchvision. Both memory layouts are
tried with a few steps and the faster one is measured; PyTorch's own kernels
are told to use AVX-512 (Debian's build stops at AVX2 otherwise), its
convolutions are oneDNN's, and the optimizer works on lists of tensors.
"""
import argparse
import json
import os
import time

os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx512")

import torch                                                    # noqa: E402
import torch.nn.functional as F                                 # noqa: E402
import torchvision                                              # noqa: E402

LAYOUTS = {"contiguous": torch.contiguous_format,
           "channels_last": torch.channels_last}


def without_skip(block, x):
    y = block.relu(block.bn1(block.conv1(x)))
    y = block.relu(block.bn2(block.conv2(y)))
    return block.relu(block.bn3(block.conv3(y)))


class Trainer:
    def __init__(self, args, layout):
        torch.manual_seed(0)
        self.net = torchvision.models.resnet50(num_classes=200)
        if not args.skip:
            for module in self.net.modules():
                if isinstance(module, torchvision.models.resnet.Bottleneck):
                    module.downsample = None
                    module.forward = without_skip.__get__(module)
        self.net.to(memory_format=LAYOUTS[layout]).train()
        self.x = torch.randn(args.batch, 3, args.size, args.size).to(
            memory_format=LAYOUTS[layout])
        self.y = torch.randint(0, 200, (args.batch,))
        self.optimizer = torch.optim.SGD(self.net.parameters(), 1e-4,
                                         momentum=0.9, foreach=True)

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss = F.cross_entropy(self.net(self.x), self.y)
        self.loss.backward()
        self.optimizer.step()
        loss = self.loss.item()
        return time.perf_counter() - start, loss


def median(seconds):
    return sorted(seconds)[len(seconds) // 2]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--skip", action="store_true")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--steps", type=int, default=30)
    p.add_argument("--warmup", type=int, default=5)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--layout", choices=["best", *LAYOUTS], default="best")
    args = p.parse_args()

    torch.set_num_threads(args.threads or len(os.sched_getaffinity(0)))
    names = list(LAYOUTS) if args.layout == "best" else [args.layout]
    trainers = {name: Trainer(args, name) for name in names}
    tried = {}
    for name, trainer in trainers.items():
        seconds = [trainer.step()[0] for _ in range(args.warmup + 5)]
        tried[name] = median(seconds[args.warmup:])
    best = min(tried, key=tried.get)
    measured = [trainers[best].step() for _ in range(args.steps)]
    seconds = [s for s, _ in measured]
    print(json.dumps({
        "program": "pytorch " + torch.__version__, "arch": "resnet50",
        "skip": args.skip, "size": args.size, "batch": args.batch,
        "threads": torch.get_num_threads(), "layout": best,
        "tried": {k: round(args.batch / v, 2) for k, v in tried.items()},
        "images_per_second": round(args.batch / median(seconds), 2),
        "mean_images_per_second":
            round(args.batch * len(seconds) / sum(seconds), 2),
        "step_millis": round(1e3 * median(seconds), 2),
        "loss": round(measured[-1][1], 4)}))


main()
