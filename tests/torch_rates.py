#!/usr/bin/python3
"""Writes tests/dumps/torch_rates.json: learning rates by PyTorch's schedulers.

Warm-up is LinearLR, then comes ConstantLR, CosineAnnealingLR or MultiStepLR,
joined by SequentialLR. Needs Debian's python3-torch; developers run it,
tests/test_rate.c only reads its file. Usage: /usr/bin/python3 tests/torch_rates.py
"""
import json
import os

import torch
from torch.optim import lr_scheduler as lr

LR = 0.1


def after(optimizer, schedule, warmup, steps):
    if schedule == "cosine":
        return lr.CosineAnnealingLR(optimizer, steps - warmup)
    if schedule == "step":          # a tenth at each third of the whole run
        thirds = [-(-steps * k // 3) - warmup for k in (1, 2)]
        return lr.MultiStepLR(optimizer, thirds, 0.1)
    return lr.ConstantLR(optimizer, 1.0)


def rates(schedule, epochs, warmup_epochs, per_epoch):
    steps, warmup = epochs * per_epoch, warmup_epochs * per_epoch
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], LR)
    scheduler = after(optimizer, schedule, warmup, steps) if not warmup else \
        lr.SequentialLR(optimizer, [
            lr.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1),
            after(optimizer, schedule, warmup, steps)], [warmup])
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


def main():
    cases = []
    for schedule in ("constant", "cosine", "step"):
        for epochs, warmup, per_epoch in ((6, 0, 5), (6, 1, 5), (7, 2, 3)):
            cases.append({"schedule": schedule, "lr": LR, "epochs": epochs,
                          "warmup_epochs": warmup, "steps_per_epoch": per_epoch,
                          "rates": rates(schedule, epochs, warmup, per_epoch)})
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "dumps", "torch_rates.json"), "w") as f:
        json.dump({"torch": torch.__version__, "cases": cases}, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
