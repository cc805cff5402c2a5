/* cpu/op_conv.c: convolution. The weights live in the layout that the forward
 * pass wants, which is the one their gradient comes in; the pass back to x
 * wants another, made anew each step. */
#include "cpu/op.h"

#include "common/mem.h"

struct state { struct chain forward, dw, dx; };

static struct window window_of(struct conv at)
{
    return (struct window){ .k_h = at.k, .k_w = at.k, .stride = at.stride,
                            .pad = at.pad };
}

static void setup_forward(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct graph *graph = p->base.graph;
    struct state *st = g->state;
    struct tensor *x = p->value[g->in[0]];
    bool bias = n->at.conv.bias;

    struct prim *conv = dnn_conv(&p->dnn, dnn_any(graph_shape(graph, g->in[0])),
        dnn_any(graph_shape(graph, n->param[0])), bias,
        dnn_any(graph_shape(graph, g->out)), window_of(n->at.conv));
    struct layout w_at = dnn_asks(&p->dnn, conv, DNNL_ARG_WEIGHTS);
    struct tensor *w = plan_param(p, n->param[0], w_at);

    dnn_arg(conv, DNNL_ARG_SRC, chain_feed(p, &st->forward, x,
        dnn_asks(&p->dnn, conv, DNNL_ARG_SRC)));
    dnn_arg(conv, DNNL_ARG_WEIGHTS, chain_feed(p, &st->forward, w, w_at));
    if (bias)
        dnn_arg(conv, DNNL_ARG_BIAS, plan_param(p, n->param[1],
            dnn_vector(n->at.conv.out)));
    dnn_arg(conv, DNNL_ARG_DST, plan_output(p, g,
        dnn_asks(&p->dnn, conv, DNNL_ARG_DST)));
    chain_push(&st->forward, conv);
}

static void setup_dw(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct graph *graph = p->base.graph;
    struct state *st = g->state;

    struct prim *conv = dnn_conv_dw(&p->dnn,
        dnn_any(graph_shape(graph, g->in[0])),
        dnn_any(graph_shape(graph, n->param[0])), n->at.conv.bias,
        dnn_any(graph_shape(graph, g->out)), window_of(n->at.conv));

    dnn_arg(conv, DNNL_ARG_SRC, chain_feed(p, &st->dw, p->value[g->in[0]],
        dnn_asks(&p->dnn, conv, DNNL_ARG_SRC)));
    dnn_arg(conv, DNNL_ARG_DIFF_DST, chain_feed(p, &st->dw, p->grad[g->out],
        dnn_asks(&p->dnn, conv, DNNL_ARG_DIFF_DST)));
    chain_push(&st->dw, conv);
    dnn_arg(conv, DNNL_ARG_DIFF_WEIGHTS, chain_drain(p, &st->dw,
        dnn_asks(&p->dnn, conv, DNNL_ARG_DIFF_WEIGHTS),
        plan_param_grad(p, n->param[0]), false));
    if (n->at.conv.bias)
        dnn_arg(conv, DNNL_ARG_DIFF_BIAS, plan_param_grad(p, n->param[1]));
}

static void setup_dx(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct graph *graph = p->base.graph;
    struct state *st = g->state;

    struct prim *conv = dnn_conv_dx(&p->dnn,
        dnn_any(graph_shape(graph, g->in[0])),
        dnn_any(graph_shape(graph, n->param[0])),
        dnn_any(graph_shape(graph, g->out)), window_of(n->at.conv));
    struct layout w_at = dnn_asks(&p->dnn, conv, DNNL_ARG_WEIGHTS);
    struct tensor *w = plan_param(p, n->param[0], w_at);

    dnn_arg(conv, DNNL_ARG_WEIGHTS, chain_feed(p, &st->dx, w, w_at));
    dnn_arg(conv, DNNL_ARG_DIFF_DST, chain_feed(p, &st->dx, p->grad[g->out],
        dnn_asks(&p->dnn, conv, DNNL_ARG_DIFF_DST)));
    chain_push(&st->dx, conv);
    dnn_arg(conv, DNNL_ARG_DIFF_SRC, chain_drain_grad(p, &st->dx,
        dnn_asks(&p->dnn, conv, DNNL_ARG_DIFF_SRC), g, 0));
    if (p->masked[g->in[0]])
        st->dx.mask = p->value[g->in[0]];
}

static void conv_setup(struct cpu_plan *p, struct group *g)
{
    g->state = xcalloc(1, sizeof(struct state));
    setup_forward(p, g);
    if (!p->grad[g->out])
        return;
    setup_dw(p, g);
    if (p->grad[g->in[0]])
        setup_dx(p, g);
}

static void conv_forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->forward);
}

static void conv_backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->dw);
    chain_run(p, &st->dx);
}

const struct cpu_op cpu_op_conv = {
    .reads_in = true,
    .setup = conv_setup,
    .forward = conv_forward,
    .backward = conv_backward,
};
