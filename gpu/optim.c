#include "gpu/optim.h"

#include <math.h>

struct optim_step optim_next(const struct store *s, double lr)
{
    const struct optim *o = &s->optim;
    double t = (double)s->steps + 1;
    struct optim_step step = {
        .lr = (float)lr, .momentum = (float)o->momentum,
        .weight_decay = (float)o->weight_decay,
        .beta1 = (float)o->beta1, .beta2 = (float)o->beta2,
        .rest1 = (float)(1 - o->beta1), .rest2 = (float)(1 - o->beta2),
        .eps = (float)o->eps, .kind = (int32_t)o->kind,
        .first = s->steps == 0,
    };

    if (o->kind != OPTIM_SGD) {
        step.step_size = (float)(lr / (1 - pow(o->beta1, t)));
        step.root = (float)sqrt(1 - pow(o->beta2, t));
    }
    return step;
}

void optim_run(const struct store *s, const struct optim_step *step)
{
    struct optim_block b = { .w = s->w, .m = s->m, .v = s->v,
        .low_grad = s->low_grad, .low = s->elem, .copy = s->copy,
        .grad = s->grad, .n_low = s->n_low, .n = s->n_used };

    if (s->n_used)
        launch_optim(b, step, s->main);
}
