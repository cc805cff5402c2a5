/* gpu/optim.h: the update of all parameters in use, while the backward pass
 * goes on: the convolutions' weights in a few parts, from the last ones, on a
 * stream of their own as soon as nobody reads them any more; then the rest. */
#pragma once
#include "gpu/op.h"

// What the next update is made of, for the slot that carries it.
struct optim_step optim_next(const struct store *s, double lr);

// While a step is captured: before it, behind each backward stage, and at the
// end, when all is updated.
void optim_begin(struct gpu_plan *p);
void optim_after(struct gpu_plan *p, int stage);
int  optim_finish(struct gpu_plan *p, struct error *err);
