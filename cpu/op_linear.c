/* cpu/op_linear.c: y (n, out) = x (n, in) w^T + bias, on plain matrices. */
#include "cpu/op.h"

#include "common/mem.h"

struct state { struct chain forward, dw, dx; };

// t (n, c, 1, 1) as a matrix, by way of a reorder if its layout is not plain.
static struct tensor *matrix_of(struct cpu_plan *p, struct chain *c,
                                struct tensor *t, struct shape s)
{
    return plan_view(p, chain_feed(p, c, t, dnn_plain(s)),
                     dnn_matrix(s.n, s.c));
}

static void setup_forward(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    struct state *st = g->state;
    struct shape x = graph_shape(p->base.graph, g->in[0]);
    struct shape y = graph_shape(p->base.graph, g->out);
    struct tensor *out = plan_output(p, g, dnn_plain(y));

    struct prim *linear = dnn_linear(&p->dnn, dnn_matrix(x.n, x.c),
        dnn_matrix_any(y.c, x.c), dnn_matrix(y.n, y.c));
    struct layout w_at = dnn_asks(&p->dnn, linear, DNNL_ARG_WEIGHTS);
    struct tensor *w = plan_param(p, n->param[0], w_at);

    dnn_arg(linear, DNNL_ARG_SRC,
            matrix_of(p, &st->forward, p->value[g->in[0]], x));
    dnn_arg(linear, DNNL_ARG_WEIGHTS, chain_feed(p, &st->forward, w, w_at));
    dnn_arg(linear, DNNL_ARG_BIAS,
            plan_param(p, n->param[1], dnn_vector(y.c)));
    dnn_arg(linear, DNNL_ARG_DST, plan_view(p, out, dnn_matrix(y.n, y.c)));
    chain_push(&st->forward, linear);
}

static void setup_dw(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    struct state *st = g->state;
    struct shape x = graph_shape(p->base.graph, g->in[0]);
    struct shape y = graph_shape(p->base.graph, g->out);

    struct prim *linear = dnn_linear_dw(&p->dnn, dnn_matrix(x.n, x.c),
        dnn_matrix_any(y.c, x.c), dnn_matrix(y.n, y.c));

    dnn_arg(linear, DNNL_ARG_SRC,
            matrix_of(p, &st->dw, p->value[g->in[0]], x));
    dnn_arg(linear, DNNL_ARG_DIFF_DST,
            matrix_of(p, &st->dw, p->grad[g->out], y));
    chain_push(&st->dw, linear);
    dnn_arg(linear, DNNL_ARG_DIFF_WEIGHTS, chain_drain(p, &st->dw,
        dnn_asks(&p->dnn, linear, DNNL_ARG_DIFF_WEIGHTS),
        plan_param_grad(p, n->param[0]), false));
    dnn_arg(linear, DNNL_ARG_DIFF_BIAS, plan_param_grad(p, n->param[1]));
}

static void setup_dx(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    struct state *st = g->state;
    struct shape x = graph_shape(p->base.graph, g->in[0]);
    struct shape y = graph_shape(p->base.graph, g->out);

    struct prim *linear = dnn_linear_dx(&p->dnn, dnn_matrix(x.n, x.c),
        dnn_matrix_any(y.c, x.c), dnn_matrix(y.n, y.c));
    struct layout w_at = dnn_asks(&p->dnn, linear, DNNL_ARG_WEIGHTS);
    struct tensor *w = plan_param(p, n->param[0], w_at);

    dnn_arg(linear, DNNL_ARG_WEIGHTS, chain_feed(p, &st->dx, w, w_at));
    dnn_arg(linear, DNNL_ARG_DIFF_DST,
            matrix_of(p, &st->dx, p->grad[g->out], y));
    chain_push(&st->dx, linear);
    dnn_arg(linear, DNNL_ARG_DIFF_SRC, plan_view(p,
        chain_drain_grad(p, &st->dx, dnn_plain(x), g, 0),
        dnn_matrix(x.n, x.c)));
}

static void linear_setup(struct cpu_plan *p, struct group *g)
{
    g->state = xcalloc(1, sizeof(struct state));
    setup_forward(p, g);
    setup_dw(p, g);
    if (p->grad[g->in[0]])
        setup_dx(p, g);
}

static void linear_forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->forward);
}

static void linear_backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->dw);
    chain_run(p, &st->dx);
}

const struct cpu_op cpu_op_linear = {
    .reads_in = true,
    .setup = linear_setup,
    .forward = linear_forward,
    .backward = linear_backward,
};
