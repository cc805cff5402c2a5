/* cpu/optim.h: one optimizer step over all used parameters. */
#pragma once
#include "cpu/store.h"

void optim_step(struct store *s, double lr);
