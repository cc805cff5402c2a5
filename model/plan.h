/* model/plan.h: what every backend refuses, in the same words whoever computes.
 *
 * Each returns 0, or ERR_ with *err filled. They look at what the seam shows of
 * a plan (backend.h), never behind it.
 */
#pragma once
#include "model/backend.h"

int plan_check_slots(const struct plan_opts *o, struct error *err);
// Whether a plan of `mine` for g can have the parameters of share, which is a
// plan of the same backend for the same network at another batch size. NULL is
// fine.
int plan_check_share(const struct backend *mine, const struct graph *g,
                     const struct plan *share, struct error *err);
// Whether a step can be made of this slot while so many wait to be collected.
int plan_check_step(struct plan *p, int slot, int waiting, enum mode mode,
                    struct error *err);

int plan_check_value(const struct plan *p, val v, struct error *err);
// As plan_check_value(), and whether a caller may set that side of it.
int plan_check_write(const struct plan *p, val v, enum side side,
                     struct error *err);
// Whether a plan holds what an activation was: under keep_all all of them, else
// the logits.
int plan_check_kept(const struct plan *p, val v, enum side side,
                    struct error *err);
// Always an error: there is no such side of v.
int plan_lacks(const struct graph *g, val v, enum side side, struct error *err);
