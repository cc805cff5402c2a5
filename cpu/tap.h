/* cpu/tap.h: norms and the like, each taken at the stage where its numbers are
 * complete and still in the caches. */
#pragma once
#include "cpu/op.h"

// After the plan's tensors are made; caller frees with tap_free().
struct tap_plan *tap_new(struct cpu_plan *p);
void tap_free(struct tap_plan *t);

// Taps whose numbers are complete when this stage begins, or ends: the
// parameters' with their group's backward stage. tap_end: the rest.
void tap_before(struct cpu_plan *p, int stage);
void tap_after(struct cpu_plan *p, int stage);
void tap_end(struct cpu_plan *p);
// Updates the parameters of this stage's group; those that are tapped are
// measured in the same pass over memory.
void tap_update(struct cpu_plan *p, int stage);
