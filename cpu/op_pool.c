/* cpu/op_pool.c: max pooling, which remembers where its maxima were, and the
 * mean of a plane. */
#include "cpu/op.h"

#include "common/mem.h"

struct state { struct chain forward, backward; };

static void setup(struct cpu_plan *p, struct group *g, enum pool kind,
                  struct window at)
{
    struct state *st = g->state = xcalloc(1, sizeof *st);
    struct tensor *x = p->value[g->in[0]];
    struct prim *pool = dnn_pool(&p->dnn, kind, x->layout,
        dnn_any(graph_shape(p->base.graph, g->out)), at);
    struct tensor *y = plan_output(p, g, dnn_asks(&p->dnn, pool, DNNL_ARG_DST));
    struct tensor *workspace = NULL;

    if (kind == POOL_MAX)
        workspace = plan_tensor(p, dnn_asks(&p->dnn, pool, DNNL_ARG_WORKSPACE),
                                ROOM_KEEP);
    dnn_arg(pool, DNNL_ARG_SRC, x);
    dnn_arg(pool, DNNL_ARG_DST, y);
    if (workspace)
        dnn_arg(pool, DNNL_ARG_WORKSPACE, workspace);
    chain_push(&st->forward, pool);
    if (!p->grad[g->in[0]])
        return;

    struct prim *back = dnn_pool_dx(&p->dnn, kind, x->layout, y->layout, at);
    dnn_arg(back, DNNL_ARG_DIFF_DST, p->grad[g->out]);
    if (workspace)
        dnn_arg(back, DNNL_ARG_WORKSPACE, workspace);
    chain_push(&st->backward, back);
    dnn_arg(back, DNNL_ARG_DIFF_SRC,
            chain_drain_grad(p, &st->backward, x->layout, g, 0));
}

static void maxpool_setup(struct cpu_plan *p, struct group *g)
{
    struct maxpool at = plan_node(p, g)->at.maxpool;

    setup(p, g, POOL_MAX, (struct window){
        .k_h = at.k, .k_w = at.k, .stride = at.stride, .pad = at.pad });
}

static void avgpool_setup(struct cpu_plan *p, struct group *g)
{
    struct shape s = graph_shape(p->base.graph, g->in[0]);

    setup(p, g, POOL_AVERAGE, (struct window){
        .k_h = s.h, .k_w = s.w, .stride = 1 });
}

static void forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->forward);
}

static void backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->backward);
}

const struct cpu_op cpu_op_maxpool = {
    .setup = maxpool_setup,
    .forward = forward,
    .backward = backward,
};

const struct cpu_op cpu_op_avgpool = {
    .setup = avgpool_setup,
    .forward = forward,
    .backward = backward,
};
