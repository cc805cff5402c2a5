#include "worker/rate.h"

#include <math.h>

static double constant(double lr, int64_t step, int64_t warmup, int64_t all)
{
    (void)step, (void)warmup, (void)all;
    return lr;
}

static double cosine(double lr, int64_t step, int64_t warmup, int64_t all)
{
    if (step < warmup)
        return lr;
    double share = (double)(step - warmup) / (double)(all - warmup);
    return lr * (1 + cos(M_PI * share)) / 2;
}

static double thirds(double lr, int64_t step, int64_t warmup, int64_t all)
{
    (void)warmup;
    return 3 * step < all ? lr : 3 * step < 2 * all ? lr / 10 : lr / 100;
}

typedef double curve(double lr, int64_t step, int64_t warmup, int64_t all);

static curve *const curves[] = {
    [SCHEDULE_CONSTANT] = constant,
    [SCHEDULE_COSINE] = cosine,
    [SCHEDULE_STEP] = thirds,
};

double rate_at(const struct job *job, int64_t step, int64_t steps_per_epoch)
{
    int64_t warmup = job->train.warmup_epochs * steps_per_epoch;
    int64_t all = job->train.epochs * steps_per_epoch;
    double lr = curves[job->train.schedule](job->train.lr, step, warmup, all);

    return step < warmup ? lr * (double)(step + 1) / (double)warmup : lr;
}
