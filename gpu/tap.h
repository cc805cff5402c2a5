/* gpu/tap.h: what a step is asked about its tensors, without a wait: partial
 * sums where the numbers are complete, one launch at the end that makes norms,
 * means, deviations and shares of them. */
#pragma once
#include "gpu/op.h"

void tap_open(struct gpu_plan *p);      // before the ops' setup
// For setup: the row of a norm of this side of v that the caller's own kernel
// makes `count` partial sums for, or -1 when there is none.
int  tap_claim(struct gpu_plan *p, val v, enum side side, int count);
// Where the row's partial sums go, NULL for -1. Once there is memory.
double *tap_squares(const struct gpu_plan *p, int row);

// Bytes of device memory; then places for them, and the tables copied there.
size_t tap_bytes(struct gpu_plan *p);
int  tap_place(struct gpu_plan *p, void *memory, struct error *err);
void tap_free(struct tap_plan *t);      // NULL is fine

// While a step is captured: taps whose numbers are complete when this stage
// begins, or ends; those of the weights, before everything, of their gradients,
// behind it, and when all is updated the changes, if any are asked for; the
// results, into a row: the score, and the norms behind it.
void tap_begin(struct gpu_plan *p, int stage);
void tap_after(struct gpu_plan *p, int stage);
void tap_weights(struct gpu_plan *p);
void tap_grads(struct gpu_plan *p);
bool tap_changes(const struct gpu_plan *p);
void tap_updated(struct gpu_plan *p);
void tap_finish(struct gpu_plan *p, struct score *row);
// Puts in what needs no kernel: of the loss and of its gradient, 1.
void tap_constants(const struct gpu_plan *p, double loss, double *out);
