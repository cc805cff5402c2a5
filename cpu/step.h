/* cpu/step.h: making a step. The two functions are the backend's (see
 * model/backend.h): submit does the whole step before it returns, collect
 * hands over what came out. */
#pragma once
#include "cpu/op.h"

int step_submit(struct plan *plan, int slot, enum mode mode, double lr,
                struct error *err);
int step_collect(struct plan *plan, struct result *out, struct error *err);
