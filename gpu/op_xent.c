/* gpu/op_xent.c: the loss, the hits, and the first gradient of a step, in one
 * launch where the backward stage stands; evaluation has only the forward
 * one. */
#include "common/mem.h"
#include "gpu/feed.h"

struct state { struct buffer *rows, *score; };

static void xent_setup(struct gpu_plan *p, struct group *g)
{
    const struct buffer *x = p->value[g->in[0]];
    struct state *st = g->state = xcalloc(1, sizeof *st);

    if (x->elem != ELEM_F32 && !p->err.code)
        fail(&p->err, ERR_SPEC, "bf16 wants a linear layer before the loss");
    st->rows = plan_bytes(p, (size_t)x->shape.n * sizeof(struct score),
                          ROOM_KEEP);
    st->score = plan_bytes(p, sizeof(struct score), ROOM_KEEP);
    plan_counters(p, 1);
}

static void run(struct gpu_plan *p, struct group *g, const struct buffer *dx)
{
    const struct buffer *x = p->value[g->in[0]];
    const struct state *st = g->state;
    struct xent to = {
        .score = st->score->data, .row = st->rows->data,
        .counter = p->counters, .dx = data_of(dx),
        .adds = dx && plan_adds(p, g, 0),
    };

    p->score = st->score->data;
    launch_xent(to, x->data, feed_labels(p), x->shape.n, x->c, plan_stream(p));
}

static void xent_forward(struct gpu_plan *p, struct group *g)
{
    if (p->mode == MODE_EVAL || !p->grad[g->in[0]])
        run(p, g, NULL);
}

static void xent_backward(struct gpu_plan *p, struct group *g)
{
    run(p, g, p->grad[g->in[0]]);
}

const struct gpu_op gpu_op_xent = {
    .reads_in = true,
    .setup = xent_setup,
    .forward = xent_forward,
    .backward = xent_backward,
};
