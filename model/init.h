/* model/init.h: first weights by seed: the same bits on every machine.
 *
 * Parameter p (its position in named_parameters()) draws from stream p:
 * (float)(rng_unit(seed, p, i) * scale) for FILL_UNIFORM; FILL_NORMAL is
 * Box-Muller on pairs of draws. Rule and check values: docs/randomness.md.
 */
#pragma once
#include "model/backend.h"

void init_fill(const struct graph *g, val v, uint64_t seed, float *dst);
// Fills and writes every PARAM and STATE of the plan's graph.
int  init_plan(struct plan *p, uint64_t seed, struct error *err);
