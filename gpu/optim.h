/* gpu/optim.h: the update of all parameters in use, in one launch. */
#pragma once
#include "gpu/store.h"

// What the next update is made of, for the slot that carries it.
struct optim_step optim_next(const struct store *s, double lr);
// While a step is captured.
void optim_run(const struct store *s, const struct optim_step *step);
