/* tests/parity_bounds.h: how far from PyTorch's float64 a case of test_parity.c
 * may be, and why. */
#pragma once

// What is compared, each relative to PyTorch's value: logits to the largest
// one; PROJECT, the dot product with a drawn vector over the norm, as it is.
enum what { LOSS, LOGITS, OUT, GRAD_OUT, GRAD_W, PROJECT,
            WEIGHT, STATE, PROJECT_END, EVAL, WHATS };

// By row: the first step, and everything later. 0 = not held to a bound; later
// steps are not made where nothing holds them.
enum { FIRST, LATER, ROWS };
struct bounds { double row[ROWS][WHATS]; };

// Both compute in double; they differ by the order of their sums, 1e-14 a sum,
// and fifty batch norms amplify that. What is read, not tapped, went through
// float32: half a unit in the last place is 6e-8 of an element.
static const struct bounds in_double = { {
    [FIRST] = { [LOSS] = 1e-9, [LOGITS] = 1e-7, [OUT] = 1e-9,
                [GRAD_OUT] = 1e-9, [GRAD_W] = 1e-9, [PROJECT] = 1e-6 },
    [LATER] = { [LOSS] = 1e-6, [LOGITS] = 1e-6, [OUT] = 1e-6,
                [GRAD_OUT] = 1e-6, [GRAD_W] = 1e-6, [WEIGHT] = 1e-6,
                [STATE] = 1e-6, [PROJECT_END] = 1e-6, [EVAL] = 1e-6 },
} };

// Float32 from here on, where networks with norm are chaotic: relu masks flip
// and every norm amplifies what that makes of it. The bounds of ResNet-50 are
// about what PyTorch's own float32 is off its float64, at 64 px and batch 4,
// and that moves with the number of threads; nothing honest can be said of the
// steps that follow at a rate of 0.1.
static const struct bounds skip_in_float = { {
    [FIRST] = { [LOSS] = 5e-5, [LOGITS] = 5e-4, [OUT] = 2e-5,
                [GRAD_OUT] = 3e-3, [GRAD_W] = 2e-2 },
} };
static const struct bounds plain_in_float = { {
    [FIRST] = { [LOSS] = 2e-3, [LOGITS] = 2e-2, [OUT] = 1e-3,
                [GRAD_OUT] = 5e-2, [GRAD_W] = 2e-1 },
} };
// At a rate of 1e-6 the chaos grows slowly enough for three steps.
static const struct bounds slow_in_float = { {
    [FIRST] = { [LOSS] = 5e-5, [LOGITS] = 5e-4, [OUT] = 2e-5,
                [GRAD_OUT] = 3e-3, [GRAD_W] = 2e-2 },
    [LATER] = { [LOSS] = 1e-3, [OUT] = 1e-3, [GRAD_OUT] = 2e-2,
                [GRAD_W] = 1e-1 },
} };
// A third of the depth: rounding of 1e-7, a hundred times amplified.
static const struct bounds short_in_float = { {
    [FIRST] = { [LOSS] = 1e-5, [LOGITS] = 1e-4, [OUT] = 1e-5,
                [GRAD_OUT] = 1e-4, [GRAD_W] = 1e-4 },
} };
// The same; a bias in front of a norm has the rounding errors of 16384 terms
// for a gradient, 1e-7 of each, and a thousandth of its weight's as a measure.
static const struct bounds biased_in_float = { {
    [FIRST] = { [LOSS] = 1e-5, [LOGITS] = 1e-4, [OUT] = 1e-5,
                [GRAD_OUT] = 1e-4, [GRAD_W] = 2e-3 },
} };
// Without norm nothing amplifies: rounding of 1e-7 and a few dozen layers; now
// and then a mask flips in a layer of few values.
static const struct bounds calm_in_float = { {
    [FIRST] = { [LOSS] = 1e-6, [LOGITS] = 1e-5, [OUT] = 1e-6,
                [GRAD_OUT] = 1e-5, [GRAD_W] = 1e-5 },
    [LATER] = { [LOSS] = 1e-6, [LOGITS] = 1e-5, [OUT] = 1e-5,
                [GRAD_OUT] = 1e-3, [GRAD_W] = 1e-3, [WEIGHT] = 1e-6,
                [PROJECT_END] = 1e-6, [EVAL] = 1e-5 },
} };
