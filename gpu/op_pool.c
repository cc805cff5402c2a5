/* gpu/op_pool.c: max pooling, which remembers where its maxima were, and the
 * mean of a plane. */
#include "common/mem.h"
#include "gpu/op.h"

struct state {
    struct pool    pool;
    struct buffer *place;
};

enum { MAX_WINDOW = 15 };               // a place in it fits a byte

static struct pool pool_of(const struct gpu_plan *p, const struct group *g,
                           struct maxpool at)
{
    const struct buffer *x = p->value[g->in[0]], *y = p->value[g->out];

    return (struct pool){ .elem = x->elem, .n = x->shape.n, .h = x->shape.h,
        .w = x->shape.w, .c = x->c, .rows = y->shape.h, .cols = y->shape.w,
        .k = at.k, .stride = at.stride, .pad = at.pad };
}

static void maxpool_setup(struct gpu_plan *p, struct group *g)
{
    struct maxpool at = plan_node(p, g)->at.maxpool;
    struct state *st = g->state = xcalloc(1, sizeof *st);
    const struct buffer *y = plan_output(p, g);

    if (at.k > MAX_WINDOW && !p->err.code)
        fail(&p->err, ERR_SPEC, "window is %d, must be at most %d", at.k,
             MAX_WINDOW);
    st->pool = pool_of(p, g, at);
    st->place = plan_bytes(p, y->n, ROOM_KEEP);
}

static void maxpool_forward(struct gpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    launch_maxpool(p->value[g->out]->data, st->place->data,
                   p->value[g->in[0]]->data, st->pool, plan_stream(p));
}

static void maxpool_backward(struct gpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    const struct buffer *dx = p->grad[g->in[0]];

    if (dx)
        launch_maxpool_back(dx->data, plan_adds(p, g, 0),
                            p->grad[g->out]->data, st->place->data, st->pool,
                            plan_stream(p));
}

const struct gpu_op gpu_op_maxpool = {
    .setup = maxpool_setup,
    .forward = maxpool_forward,
    .backward = maxpool_backward,
};

static void avgpool_setup(struct gpu_plan *p, struct group *g)
{
    struct state *st = g->state = xcalloc(1, sizeof *st);

    plan_output(p, g);
    st->pool = pool_of(p, g, (struct maxpool){ 0 });
}

static void avgpool_forward(struct gpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    launch_avgpool(p->value[g->out]->data, p->value[g->in[0]]->data, st->pool,
                   plan_stream(p));
}

static void avgpool_backward(struct gpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    const struct buffer *dx = p->grad[g->in[0]];

    if (dx)
        launch_avgpool_back(dx->data, plan_adds(p, g, 0),
                            p->grad[g->out]->data, st->pool, plan_stream(p));
}

const struct gpu_op gpu_op_avgpool = {
    .setup = avgpool_setup,
    .forward = avgpool_forward,
    .backward = avgpool_backward,
};
