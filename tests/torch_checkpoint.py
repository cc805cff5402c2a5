#!/usr/bin/python3
"""A checkpoint loads into torchvision's resnet50, strictly: every name, shape
and type, num_batches_tracked included. Optimizer state is under "optim.".

Usage: tests/torch_checkpoint.py GRADWATCH_TRAIN. Ends with 77 (skipped) without
Debian's python3-torch and python3-torchvision. Reads the file by the format's
own rules: the safetensors package is not in Debian.
"""
import json
import os
import subprocess
import sys
import tempfile
try:
    import torch
    import torchvision
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

TYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
SPEC = {
    "model": {"skip": True, "classes": 1000}, "device": "cpu",
    "data": {"image_size": 32, "synthetic": {"images": 4, "size": 16}},
    "train": {"epochs": 1, "batch": 2, "lr": 0.001},
    "record": {"layers": []},
}


def read(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    out = {}
    for name, row in header.items():
        if name != "__metadata__":
            begin, end = row["data_offsets"]
            out[name] = torch.frombuffer(
                data, dtype=TYPES[row["dtype"]], offset=begin,
                count=(end - begin) // (8 if "64" in row["dtype"] else 4)
            ).reshape(row["shape"])
    return out


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], "--checkpoints", folder], check=True,
                   input=json.dumps(SPEC).encode(), stdout=subprocess.DEVNULL)
    tensors = read(os.path.join(folder, "epoch-000001.safetensors"))
state = {k: v for k, v in tensors.items() if not k.startswith("optim.")}
net = torchvision.models.resnet50()
print(net.load_state_dict(state, strict=True))
assert state["bn1.num_batches_tracked"] == 2
assert all(torch.isfinite(v).all() for v in state.values())
# With the optimizer's state left in, nothing is missing either.
answer = net.load_state_dict(tensors, strict=False)
assert not answer.missing_keys
assert all(k.startswith("optim.") for k in answer.unexpected_keys)
