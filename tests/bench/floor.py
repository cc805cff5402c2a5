"""The least time that a training step of ResNet-50 can take on a card, from
the layers' shapes alone: every kernel is bound by its arithmetic or by the
memory it must read and write, and kernels follow each other.

Fused as far as today's libraries go: batch norm's statistics are made where a
convolution writes, normalising and relu where the next one reads, relu's
backward and batch norm's sums where a gradient is written; one kernel per norm
makes the gradient at the convolution's output, one per block adds the shortcut.
Caches are ignored. Figures of the card: dense arithmetic in TFLOP/s that real
matrices reach, and bandwidth that a copy reaches, in TB/s.
"""
CLASSES = 200
SIX = ["conv1", "layer1.0.conv1", "layer2.0.conv2", "layer3.5.conv3",
       "layer4.2.conv1", "fc"]          # that the notebook records
CARDS = {"H200": {"bf16": 790.0, "tf32": 395.0, "f32": 53.5, "tb": 4.3},
         "H100": {"bf16": 790.0, "tf32": 395.0, "f32": 53.5, "tb": 3.0},
         "A100": {"bf16": 270.0, "tf32": 135.0, "f32": 19.0, "tb": 1.75}}


def card_of(name):
    for key, card in CARDS.items():
        if key in name:
            return card
    return None


class Conv:
    def __init__(self, kind, c, out, k, stride, side):
        self.kind, self.weights = kind, c * out * k * k
        after = (side + 2 * (k // 2) - k) // stride + 1
        self.side, self.reads, self.writes = after, side * side * c, \
            after * after * out
        self.macs = after * after * self.weights
        self.out = out


def network(size, skip):
    stem = Conv("stem", 3, 64, 7, 2, size)
    side = (stem.side - 1) // 2 + 1
    blocks, c = [], 64
    for planes, n, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2),
                              (512, 3, 2)):
        for i in range(n):
            s = stride if i == 0 else 1
            one = Conv("first", c, planes, 1, 1, side)
            two = Conv("second", planes, planes, 3, s, side)
            three = Conv("third", planes, 4 * planes, 1, 1, two.side)
            block = [one, two, three]
            if skip and i == 0:
                block.append(Conv("down", c, 4 * planes, 1, s, side))
            blocks.append(block)
            c, side = 4 * planes, two.side
    return stem, blocks


def seconds(size, batch, skip, precision, card):
    """The floor of one step; card: a row of CARDS."""
    byte = 2 if precision == "bf16" else 4
    math, bandwidth = card[precision] * 1e12, card["tb"] * 1e12
    stem, blocks = network(size, skip)
    convs = [stem] + [c for b in blocks for c in b]
    total = 0.0

    def kernel(flops, numbers, rest=0):
        nonlocal total
        total += max(flops / math, (batch * numbers * byte + rest) / bandwidth)

    pooled = 64 * ((stem.side - 1) // 2 + 1) ** 2
    last = blocks[-1][2].writes
    kernel(0, 3 * size * size, batch * 3 * size * size)         # input
    for c in convs:
        flops = 2.0 * batch * c.macs
        weights = c.weights * byte
        kernel(flops, c.reads + c.writes, weights)              # forward
        kernel(0, 0, 40 * c.out)                                # statistics
        kernel(0, 3 * c.writes)                                 # norm's dx
        kernel(flops, c.reads + c.writes, 4 * c.weights)        # dw
        if c is stem:
            continue
        extra = c.reads                 # the raw output below, for relu
        if c.kind == "first" and skip:
            extra = 3 * c.reads         # and the other branch's gradient
        if c is blocks[0][0]:           # the pooling lies below
            extra = c.reads if skip else 0
        if c.kind == "down":
            extra = 0
        kernel(flops, c.reads + c.writes + extra, weights)      # dx
    for b in blocks if skip else []:
        kernel(0, 3 * b[2].writes)                              # add, relu
    kernel(0, stem.writes + pooled, batch * pooled)             # pooling
    kernel(0, pooled + 2 * stem.writes, batch * pooled)
    kernel(0, last + 2048)
    kernel(0, last + 2048)
    fc = 2048 * CLASSES
    for _ in range(3):
        kernel(2.0 * batch * fc, 2048, batch * CLASSES * 4 + fc * 4)
    parameters = sum(c.weights + 2 * c.out for c in convs) + fc + CLASSES
    kernel(0, 0, parameters * (20 + (2 if precision == "bf16" else 0)))
    return total
