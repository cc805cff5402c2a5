/* worker/rate.h: the learning rate of a step.
 *
 * constant  train.lr.
 * cosine    from train.lr down to 0 over the steps after the warm-up:
 *           lr * (1 + cos(pi * k / n)) / 2 at step k of these n.
 * step      lr, lr / 10 after a third of all steps, lr / 100 after two thirds:
 *           epochs 30 and 60 of 90, as in the usual ImageNet recipe.
 *
 * During the first train.warmup_epochs epochs a fraction of that is used which
 * grows by the same amount each step and is whole at their last step: the
 * k-th of w steps has k / w. The rate depends on the step alone, so that a
 * resumed run goes on with it.
 */
#pragma once
#include <stdint.h>
#include "common/job.h"

// step: of the whole run, from 0.
double rate_at(const struct job *job, int64_t step, int64_t steps_per_epoch);
