/* gpu/capture.h: whole steps as CUDA graphs: one by slot, mode and source of
 * the images, captured when it is first needed. */
#pragma once
#include "gpu/op.h"

struct captures;

void capture_open(struct gpu_plan *p, struct captures **out);
void capture_close(struct captures *c);                 // NULL is fine
// Enqueues the step. Its times can be asked when it is over.
int  capture_launch(struct gpu_plan *p, struct captures *c, int slot,
                    enum mode mode, enum source source, struct error *err);
// Behind the slot's step, once it was launched.
cudaEvent_t capture_end(const struct captures *c, int slot);
int  capture_times(struct captures *c, int slot, float *millis,
                   float *tap_millis, struct error *err);
