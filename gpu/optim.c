#include "gpu/optim.h"

#include <math.h>
#include "gpu/check.h"
#include "gpu/feed.h"

enum { PARTS = 4 };

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

// Of convolutions' weights [from, to), or of all others.
static struct optim_block low_part(const struct store *s, size_t from,
                                   size_t to)
{
    size_t bytes = elem_bytes(s->elem);

    return (struct optim_block){
        .w = s->w + from, .m = s->m + from, .v = s->v ? s->v + from : NULL,
        .low_grad = (char *)s->low_grad + from * bytes, .low = s->elem,
        .copy = s->copy ? (char *)s->copy + from * bytes : NULL,
        .n_low = to - from, .n = to - from };
}

static struct optim_block rest(const struct store *s)
{
    return (struct optim_block){
        .w = s->w + s->n_low, .m = s->m + s->n_low,
        .v = s->v ? s->v + s->n_low : NULL, .low = s->elem,
        .grad = s->grad, .n = s->n_used - s->n_low };
}

void optim_begin(struct gpu_plan *p)
{
    p->updated = p->store->n_low;
}

// A convolution's stage behind it, nobody reads its weight any more in this
// step, nor those that lie behind it, which belong to the nodes behind it.
void optim_after(struct gpu_plan *p, int stage)
{
    struct store *s = p->store;
    const struct group *g = &p->groups[p->schedule.stages[stage].node];
    const struct node *n = plan_node(p, g);
    int rc = 0;
    struct error *err = &p->err;

    if (p->mode != MODE_TRAIN || n->op != OP_CONV)
        return;
    size_t from = s->rows[n->param[0]].offset;
    if (p->updated - from < s->n_low / PARTS)
        return;
    CUDA_TRY(cudaEventRecord(s->ready, s->main));
    CUDA_TRY(cudaStreamWaitEvent(s->updating, s->ready, 0));
    launch_optim(low_part(s, from, p->updated), feed_step(p), s->updating);
    p->updated = from;
out:
    (void)rc;                           // sticks in the plan
}

int optim_finish(struct gpu_plan *p, struct error *err)
{
    struct store *s = p->store;
    int rc = 0;

    if (p->updated > 0)
        launch_optim(low_part(s, 0, p->updated), feed_step(p), s->main);
    if (s->n_used > s->n_low)
        launch_optim(rest(s), feed_step(p), s->main);
    if (p->updated < s->n_low) {
        CUDA_TRY(cudaEventRecord(s->updated, s->updating));
        CUDA_TRY(cudaStreamWaitEvent(s->main, s->updated, 0));
    }
out:
    return rc;
}
