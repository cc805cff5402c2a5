/* cpu/optim.c: PyTorch's formulas (model/backend.h), one pass over blocks. The
 * padding inside is zero and stays so. */
#include "cpu/optim.h"

#include <math.h>
#include <string.h>
#include "cpu/loop.h"

static void sgd(struct store *s, double lr)
{
    struct loop_sgd how = { .lr = (float)lr,
                            .momentum = (float)s->optim.momentum,
                            .weight_decay = (float)s->optim.weight_decay };

    // The first step starts from v = 0, whatever was there.
    if (s->steps == 0)
        memset(s->block[BLOCK_OPTIM], 0, s->used_bytes);
    loop_sgd(s->block[BLOCK_WEIGHT], s->block[BLOCK_OPTIM],
             s->block[BLOCK_GRAD], how, s->used_bytes / sizeof(float));
}

static void adam(struct store *s, double lr)
{
    const struct optim *o = &s->optim;
    double t = (double)s->steps + 1;
    struct loop_adam how = {
        .lr = (float)lr, .weight_decay = (float)o->weight_decay,
        .beta1 = (float)o->beta1, .beta2 = (float)o->beta2,
        .rest1 = (float)(1 - o->beta1), .rest2 = (float)(1 - o->beta2),
        .eps = (float)o->eps,
        .step = (float)(lr / (1 - pow(o->beta1, t))),
        .root = (float)sqrt(1 - pow(o->beta2, t)),
        .decoupled = o->kind == OPTIM_ADAMW,
    };

    loop_adam(s->block[BLOCK_WEIGHT], s->block[BLOCK_OPTIM],
              s->block[BLOCK_OPTIM2], s->block[BLOCK_GRAD], how,
              s->used_bytes / sizeof(float));
}

void optim_step(struct store *s, double lr)
{
    if (s->used_bytes && s->optim.kind == OPTIM_SGD)
        sgd(s, lr);
    else if (s->used_bytes)
        adam(s, lr);
    s->steps++;
}
