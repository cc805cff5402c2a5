#!/usr/bin/env python3
"""PyTorch on a card, the peer of bench_gpu: one line of JSON.

    tests/bench/torch_gpu.py --mode notebook|eager|best [--skip] [--size 224]
        [--batch 16] [--steps 200] [--warmup 20] [--record none|six|all]
        [--files DIR] [--workers 4] [--images 4096] [--device cuda|cpu]

notebook  what people write: images decoded and resized by PIL in a DataLoader,
          NCHW, TF32, SGD, a backward hook per recorded layer that asks for its
          norm with .item() at every step
eager     the same without the loader: images lie on the card
best      channels_last, bf16, fused optimizer, torch.compile(max-autotune),
          whose CUDA graphs replay the step; norms are part of what is compiled,
          stay on the card and are read once at the end. Where torch cannot
          compile them, "record" of the result says none.
"notes" of the result say what was done in another way than that. On the CPU the
programs can be tried, nothing can be measured: there is no TF32, no graph, and
nothing is compiled. Exit 77: no torch, or no card. Whoever knows how to make it
faster: please do.
"""
import argparse
import json
import sys
import time

try:
    import torch
    import torch.nn.functional as F
    import torchvision
    from torchvision.models.resnet import Bottleneck
except ImportError as e:
    print(e, file=sys.stderr)
    sys.exit(77)

SIX = ["conv1", "layer1.0.conv1", "layer2.0.conv2", "layer3.5.conv3",
       "layer4.2.conv1", "fc"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 200


class WithoutSkip(Bottleneck):
    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)))


class Noted(torch.autograd.Function):
    """The identity, whose gradient for `norm`, a scalar, is the norm of what
    comes back: nothing but tensors, so that it can be compiled."""
    @staticmethod
    def forward(ctx, x, norm):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g, g.float().norm()


def network(args):
    net = torchvision.models.resnet50(num_classes=CLASSES)
    for module in net.modules() if not args.skip else ():
        if isinstance(module, Bottleneck):
            module.downsample = None
            module.__class__ = WithoutSkip
    return net.to(args.device).train()


def recorded(net, record):
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return [(n, m) for n, m in net.named_modules() if isinstance(m, kinds) and
            (record == "all" or record == "six" and n in SIX)]


def hook_with_item(net, record):
    """A dict that has the norms, by layer, after each step."""
    norms = {}
    for name, module in recorded(net, record):
        module.register_full_backward_hook(
            lambda m, gi, go, name=name: norms.__setitem__(
                name, go[0].norm().item()))
    return norms


def note_on_card(net, record, device):
    """Scalars, by layer, whose .grad is the norm after each step."""
    norms = {}
    for name, module in recorded(net, record):
        norm = norms[name] = torch.zeros((), device=device, requires_grad=True)
        module.register_forward_hook(
            lambda m, a, out, norm=norm: Noted.apply(out, norm))
    return norms


def cached(args, layout):
    x = torch.randint(0, 256, (args.images, 3, args.size, args.size),
                      dtype=torch.uint8, device=args.device)
    mean = torch.tensor(MEAN, device=args.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(STD, device=args.device).view(1, 3, 1, 1) * 255
    y = torch.randint(0, CLASSES, (args.images,), device=args.device)
    return x.contiguous(memory_format=layout), y, mean, std


def some(args):
    return torch.randint(0, args.images, (args.batch,), device=args.device)


def batches_on_card(args):
    x, y, mean, std = cached(args, torch.contiguous_format)
    while True:
        at = some(args)
        yield (x[at].float() - mean) / std, y[at]


def batches_from_files(args):
    t = torchvision.transforms
    data = torchvision.datasets.ImageFolder(args.files, t.Compose([
        t.Resize((args.size, args.size)), t.ToTensor(),
        t.Normalize(MEAN, STD)]))
    loader = torch.utils.data.DataLoader(
        data, batch_size=args.batch, shuffle=True, drop_last=True,
        num_workers=args.workers, pin_memory=args.device == "cuda")
    while len(loader):
        for x, y in loader:
            yield (x.to(args.device, non_blocking=True),
                   y.to(args.device, non_blocking=True))


def plain(args, record):
    """notebook and eager."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = args.mode == "eager"
    net = network(args)
    norms = hook_with_item(net, record)
    optimizer = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9)
    batches = batches_from_files(args) if args.mode == "notebook" \
        else batches_on_card(args)

    def step():
        x, y = next(batches)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item() if args.mode == "notebook" else loss
    return step, lambda: norms


def best(args, record):
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    layout = torch.channels_last
    net = network(args).to(memory_format=layout)
    norms = note_on_card(net, record, args.device)
    on_card = {"fused": True} if args.device == "cuda" else {}
    optimizer = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9,
                                **on_card)
    x_all, y_all, mean, std = cached(args, layout)

    def forward(at):
        x = ((x_all[at].float() - mean) / std).contiguous(memory_format=layout)
        with torch.autocast(args.device, torch.bfloat16):
            out = net(x)
        return F.cross_entropy(out.float(), y_all[at])

    if args.device == "cuda":
        forward = torch.compile(forward, mode="max-autotune")

    def step():
        optimizer.zero_grad(set_to_none=True)
        for norm in norms.values():
            norm.grad = None
        loss = forward(some(args))
        loss.backward()
        optimizer.step()
        return loss
    return step, lambda: {n: float(v.grad) for n, v in norms.items()}


def wait(args):
    if args.device == "cuda":
        torch.cuda.synchronize()


def measure(args, made):
    step, norms = made
    for _ in range(args.warmup):
        step()
    wait(args)
    start = time.perf_counter()
    for _ in range(args.steps):
        loss = step()
    wait(args)
    return time.perf_counter() - start, float(loss), norms()


def measure_best(args, notes):
    """What is recorded, and the measurement."""
    if args.device != "cuda":
        notes.append("not compiled, no graphs, no fused optimizer: on the CPU")
    try:
        return args.record, measure(args, best(args, args.record))
    except Exception as e:                          # torch's many kinds
        if args.record == "none" or args.device != "cuda":
            raise
        notes.append("not recorded, because: %s" % str(e)[:200])
        torch._dynamo.reset()
        return "none", measure(args, best(args, "none"))


def parse(argv):
    p = argparse.ArgumentParser()
    p.add_argument("--mode", choices=["notebook", "eager", "best"],
                   required=True)
    p.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--skip", action="store_true")
    p.add_argument("--record", choices=["none", "six", "all"], default="six")
    for name, value in (("size", 224), ("batch", 16), ("steps", 200),
                        ("warmup", 20), ("workers", 4), ("images", 4096)):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--files")
    args = p.parse_args(argv)
    if args.mode == "notebook" and not args.files:
        p.error("the notebook reads --files")
    return args


def main(argv=None):
    args, notes = parse(argv), []
    if args.device == "cuda" and not torch.cuda.is_available():
        print("no GPU answers", file=sys.stderr)
        sys.exit(77)
    torch.manual_seed(0)
    record = args.record
    if args.mode == "best":
        record, (seconds, loss, norms) = measure_best(args, notes)
    else:
        seconds, loss, norms = measure(args, plain(args, record))
    print(json.dumps({
        "program": "pytorch " + torch.__version__, "mode": args.mode,
        "device": torch.cuda.get_device_name() if args.device == "cuda"
        else "the CPU", "notes": notes, "cudnn":
        torch.backends.cudnn.version(), "skip": args.skip,
        "size": args.size, "batch": args.batch, "record": record,
        "images_per_second": round(args.batch * args.steps / seconds, 1),
        "step_millis": round(1e3 * seconds / args.steps, 4),
        "norms": norms, "loss": round(loss, 4)}))


if __name__ == "__main__":
    main()
