/* cpu/optim.c: PyTorch's formulas (model/backend.h) over pieces of blocks. The
 * padding inside is zero and stays so. */
#include "cpu/optim.h"

#include <math.h>
#include <string.h>

void optim_begin(struct store *s, double lr)
{
    const struct optim *o = &s->optim;
    double t = (double)s->steps + 1;

    s->sgd = (struct loop_sgd){
        .lr = (float)lr, .momentum = (float)o->momentum,
        .weight_decay = (float)o->weight_decay,
    };
    s->adam = (struct loop_adam){
        .lr = (float)lr, .weight_decay = (float)o->weight_decay,
        .beta1 = (float)o->beta1, .beta2 = (float)o->beta2,
        .rest1 = (float)(1 - o->beta1), .rest2 = (float)(1 - o->beta2),
        .eps = (float)o->eps,
        .step = (float)(lr / (1 - pow(o->beta1, t))),
        .root = (float)sqrt(1 - pow(o->beta2, t)),
        .decoupled = o->kind == OPTIM_ADAMW,
    };
    // SGD's first step starts from v = 0, whatever was there.
    if (s->steps == 0 && o->kind == OPTIM_SGD && s->used_bytes)
        memset(s->block[BLOCK_OPTIM], 0, s->used_bytes);
}

struct piece { float *w, *g, *m, *m2; size_t n; };

static struct piece piece_of(const struct store *s, size_t from, size_t bytes)
{
    size_t at = from / sizeof(float);
    bool adam = s->optim.kind != OPTIM_SGD;

    return (struct piece){
        .w = (float *)s->block[BLOCK_WEIGHT] + at,
        .g = (float *)s->block[BLOCK_GRAD] + at,
        .m = (float *)s->block[BLOCK_OPTIM] + at,
        .m2 = adam ? (float *)s->block[BLOCK_OPTIM2] + at : NULL,
        .n = bytes / sizeof(float),
    };
}

void optim_update(struct store *s, size_t from, size_t bytes)
{
    struct piece p = piece_of(s, from, bytes);

    if (p.m2)
        loop_adam(p.w, p.m, p.m2, p.g, s->adam, p.n);
    else
        loop_sgd(p.w, p.m, p.g, s->sgd, p.n);
}

void optim_watch(struct store *s, size_t from, size_t bytes,
                 struct loop_watch *out)
{
    struct piece p = piece_of(s, from, bytes);

    if (p.m2)
        loop_adam_watched(p.w, p.m, p.m2, p.g, s->adam, p.n, out);
    else
        loop_sgd_watched(p.w, p.m, p.g, s->sgd, p.n, out);
}

void optim_end(struct store *s)
{
    s->steps++;
}
