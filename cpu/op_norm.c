/* cpu/op_norm.c: batch norm, with the relu behind it when it is fused: then
 * backward reads a mask of bits instead of the output. */
#include "cpu/op.h"

#include <math.h>
#include "common/mem.h"

enum { GAMMA, BETA, MEAN, VAR };        // rows of node->param

struct state {
    struct chain   train, eval, backward;
    struct tensor *mean, *var;          // (c), of the batch; var biased
    struct tensor *running_mean, *running_var;
    struct tensor *gamma, *beta;
};

static struct tensor *vector_of(struct cpu_plan *p, val v)
{
    return plan_param(p, v, dnn_vector(graph_shape(p->base.graph, v).n));
}

static void setup_forward(struct cpu_plan *p, struct group *g,
                          struct tensor *workspace)
{
    const struct node *n = plan_node(p, g);
    struct state *st = g->state;
    struct tensor *x = p->value[g->in[0]], *y = p->value[g->out];
    double eps = n->at.norm.eps;
    struct { struct chain *chain; struct prim *prim;
             struct tensor *mean, *var; } both[] = {
        { &st->train, dnn_norm(&p->dnn, x->layout, eps, STATS_BATCH, g->relu),
          st->mean, st->var },
        { &st->eval, dnn_norm(&p->dnn, x->layout, eps, STATS_GIVEN, g->relu),
          st->running_mean, st->running_var },
    };

    for (int i = 0; i < 2; i++) {
        dnn_arg(both[i].prim, DNNL_ARG_SRC, x);
        dnn_arg(both[i].prim, DNNL_ARG_DST, y);
        dnn_arg(both[i].prim, DNNL_ARG_SCALE, vector_of(p, n->param[GAMMA]));
        dnn_arg(both[i].prim, DNNL_ARG_SHIFT, vector_of(p, n->param[BETA]));
        dnn_arg(both[i].prim, DNNL_ARG_MEAN, both[i].mean);
        dnn_arg(both[i].prim, DNNL_ARG_VARIANCE, both[i].var);
        chain_push(both[i].chain, both[i].prim);
    }
    if (workspace)
        dnn_arg(both[0].prim, DNNL_ARG_WORKSPACE, workspace);
}

static void setup_backward(struct cpu_plan *p, struct group *g,
                           struct prim *norm, struct tensor *workspace)
{
    const struct node *n = plan_node(p, g);
    struct state *st = g->state;
    struct tensor *x = p->value[g->in[0]];

    dnn_arg(norm, DNNL_ARG_SRC, x);
    dnn_arg(norm, DNNL_ARG_MEAN, st->mean);
    dnn_arg(norm, DNNL_ARG_VARIANCE, st->var);
    dnn_arg(norm, DNNL_ARG_SCALE, vector_of(p, n->param[GAMMA]));
    dnn_arg(norm, DNNL_ARG_SHIFT, vector_of(p, n->param[BETA]));
    dnn_arg(norm, DNNL_ARG_DIFF_SCALE, plan_param_grad(p, n->param[GAMMA]));
    dnn_arg(norm, DNNL_ARG_DIFF_SHIFT, plan_param_grad(p, n->param[BETA]));
    dnn_arg(norm, DNNL_ARG_DIFF_DST, chain_feed(p, &st->backward,
        p->grad[g->out], dnn_asks(&p->dnn, norm, DNNL_ARG_DIFF_DST)));
    if (workspace)
        dnn_arg(norm, DNNL_ARG_WORKSPACE, workspace);
    chain_push(&st->backward, norm);
    dnn_arg(norm, DNNL_ARG_DIFF_SRC, chain_drain_grad(p, &st->backward,
        dnn_asks(&p->dnn, norm, DNNL_ARG_DIFF_SRC), g, 0));
}

static void norm_setup(struct cpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    struct shape s = graph_shape(p->base.graph, g->in[0]);
    struct layout vector = dnn_vector(s.c), x = p->value[g->in[0]]->layout;
    struct state *st = g->state = xcalloc(1, sizeof *st);
    struct tensor *workspace = NULL;

    st->mean = plan_tensor(p, vector, ROOM_KEEP);
    st->var = plan_tensor(p, vector, ROOM_KEEP);
    st->running_mean = vector_of(p, n->param[MEAN]);
    st->running_var = vector_of(p, n->param[VAR]);
    st->gamma = vector_of(p, n->param[GAMMA]);
    st->beta = vector_of(p, n->param[BETA]);
    struct prim *backward = dnn_norm_dx(&p->dnn, x, n->at.norm.eps, g->relu);
    if (g->relu)
        workspace = plan_tensor(p, dnn_asks(&p->dnn, backward,
                                            DNNL_ARG_WORKSPACE), ROOM_KEEP);
    plan_output(p, g, x);
    setup_forward(p, g, workspace);
    setup_backward(p, g, backward, workspace);
}

// running += momentum * (batch - running); the variance in its unbiased form.
static void move_running(struct cpu_plan *p, const struct group *g)
{
    const struct state *st = g->state;
    struct shape s = graph_shape(p->base.graph, g->in[0]);
    double count = (double)s.n * s.h * s.w;
    double rate = plan_node(p, g)->at.norm.momentum;

    for (int c = 0; c < s.c; c++) {
        float *mean = &st->running_mean->data[c];
        float *var = &st->running_var->data[c];
        double unbiased = st->var->data[c] * (count / (count - 1));

        *mean = (float)(*mean + rate * ((double)st->mean->data[c] - *mean));
        *var = (float)(*var + rate * (unbiased - *var));
    }
}

// oneDNN's fused relu makes 0 of what is not a number, where PyTorch's keeps
// it: a network full of it would go on with a loss that looks like one. Any in
// the input shows in the statistics; an infinite mean makes some.
static bool is_lost(struct cpu_plan *p, const struct group *g)
{
    const struct state *st = g->state;
    bool eval = p->mode == MODE_EVAL, lost = false;
    const float *mean = (eval ? st->running_mean : st->mean)->data;
    const float *var = (eval ? st->running_var : st->var)->data;

    for (int c = 0; c < graph_shape(p->base.graph, g->in[0]).c; c++)
        lost |= !isfinite(mean[c]) || isnan(var[c]) ||
                isnan(st->gamma->data[c]) || isnan(st->beta->data[c]);
    return lost;
}

static void norm_forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, p->mode == MODE_EVAL ? &st->eval : &st->train);
    if (p->mode == MODE_TRAIN)
        move_running(p, g);
    if (g->relu)
        p->lost |= is_lost(p, g);
}

static void norm_backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;

    chain_run(p, &st->backward);
}

const struct cpu_op cpu_op_norm = {
    .reads_in = true,
    .setup = norm_setup,
    .forward = norm_forward,
    .backward = norm_backward,
};
