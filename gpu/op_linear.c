/* gpu/op_linear.c: a fully connected layer, in f32 whatever the precision. */
#include "common/mem.h"
#include "gpu/op.h"

struct state {
    const struct blas_plan *forward, *dx, *dw;
    struct buffer *workspace, *partial;
};

static void linear_setup(struct gpu_plan *p, struct group *g)
{
    struct state *st = g->state = xcalloc(1, sizeof *st);
    const struct buffer *x = p->value[g->in[0]], *y = plan_output(p, g);
    struct blas_linear at = { .pass = BLAS_FORWARD, .tf32 = p->store->tf32,
        .n = x->shape.n, .in = x->c, .out = y->c };

    if (x->elem != ELEM_F32 && !p->err.code)
        fail(&p->err, ERR_SPEC, "bf16 wants an average pooling before a "
             "linear layer");
    if (p->err.code || blas_choose(p->store->blas, at, &st->forward, &p->err))
        return;
    at.pass = BLAS_DW;
    if (blas_choose(p->store->blas, at, &st->dw, &p->err))
        return;
    at.pass = BLAS_DX;
    at.adds = plan_adds(p, g, 0);
    if (p->grad[g->in[0]] && blas_choose(p->store->blas, at, &st->dx, &p->err))
        return;
    st->workspace = plan_bytes(p, BLAS_WORKSPACE, ROOM_STAGE);
    st->partial = plan_bytes(p, kernel_partials(plan_grid(y)) * sizeof(float),
                             ROOM_STAGE);
    plan_counters(p, kernel_counters(plan_grid(y)));
}

static void run(struct gpu_plan *p, struct group *g,
                const struct blas_plan *plan, float *x, float *w, float *y)
{
    struct state *st = g->state;

    if (!p->err.code)
        blas_run(p->store->blas, plan, x, w, y, st->workspace->data,
                 plan_stream(p), &p->err);
}

static void linear_forward(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct graph *graph = p->base.graph;
    const struct buffer *y = p->value[g->out];
    struct state *st = g->state;

    run(p, g, st->forward, p->value[g->in[0]]->data,
        store_value(p->store, graph, n->param[0]), y->data);
    launch_bias(y->data, plan_grid(y),
                store_value(p->store, graph, n->param[1]), plan_stream(p));
}

static void linear_backward(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct buffer *dy = p->grad[g->out];
    struct state *st = g->state;

    run(p, g, st->dw, p->value[g->in[0]]->data,
        store_grad(p->store, n->param[0]), dy->data);
    if (p->grad[g->in[0]])
        run(p, g, st->dx, p->grad[g->in[0]]->data,
            store_value(p->store, p->base.graph, n->param[0]), dy->data);
    launch_bias_back(store_grad(p->store, n->param[1]), dy->data,
                     plan_grid(dy), st->partial->data, p->counters,
                     plan_stream(p));
}

const struct gpu_op gpu_op_linear = {
    .reads_in = true,
    .setup = linear_setup,
    .forward = linear_forward,
    .backward = linear_backward,
};
