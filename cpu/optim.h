/* cpu/optim.h: one optimizer step, a piece at a time: each parameter as soon
 * as its gradient is complete and its weights have done their work, while both
 * are in the caches. */
#pragma once
#include "cpu/store.h"

void optim_begin(struct store *s, double lr);
// The parameters in these bytes of the blocks.
void optim_update(struct store *s, size_t from, size_t bytes);
// The same of one parameter, with its norms.
void optim_watch(struct store *s, size_t from, size_t bytes,
                 struct loop_watch *out);
void optim_end(struct store *s);
