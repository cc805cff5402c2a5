/* gpu/step.h: submit and collect of the backend's table. */
#pragma once
#include "gpu/op.h"

struct steps;                           // what is on its way

void step_open(struct gpu_plan *p);
void step_close(struct gpu_plan *p);
int  step_submit(struct gpu_plan *p, int slot, enum mode mode, double lr,
                 struct error *err);
int  step_collect(struct gpu_plan *p, struct result *out, struct error *err);
// Of the newest step that was collected.
double step_loss(const struct gpu_plan *p);
