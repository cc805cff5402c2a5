/* gpu/op_norm.c: batch norm, with the add and the relu behind it when they are
 * fused. Backward writes the gradient at the output of the convolution before
 * it together with that gradient's squared norm, if it is recorded. */
#include "common/mem.h"
#include "gpu/op.h"
#include "gpu/tap.h"

enum { GAMMA, BETA, MEAN, VAR };        // rows of node->param

struct state {
    struct buffer *mean, *var;          // (c), of the batch; var biased
    struct buffer *means;               // (c, 2), between backward's passes
    struct buffer *partial, *mask;
    int            tap;                 // row whose squares backward makes
};

static void norm_setup(struct gpu_plan *p, struct group *g)
{
    const struct graph *graph = p->base.graph;
    const struct buffer *x = p->value[g->in[0]];
    struct grid grid = plan_grid(x);
    struct state *st = g->state = xcalloc(1, sizeof *st);
    size_t vector = (size_t)x->c * sizeof(float);

    plan_output(p, g);
    st->mean = plan_bytes(p, vector, ROOM_KEEP);
    st->var = plan_bytes(p, vector, ROOM_KEEP);
    st->means = plan_bytes(p, 2 * vector, ROOM_STAGE);
    st->partial = plan_bytes(p, kernel_partials(grid) * sizeof(float),
                             ROOM_STAGE);
    plan_counters(p, kernel_counters(grid));
    if (g->relu)
        st->mask = plan_bytes(p, kernel_mask_bytes(grid), ROOM_KEEP);
    // Only when nobody else adds to this gradient is it whole by then.
    st->tap = -1;
    if (p->grad[g->in[0]] && graph_only_reader(graph, g->in[0]) == g->first)
        st->tap = tap_claim(p, g->in[0], SIDE_GRAD, kernel_squares(grid));
}

static struct norm_scale scale_of(const struct gpu_plan *p,
                                  const struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct state *st = g->state;
    const struct graph *graph = p->base.graph;
    bool eval = p->mode == MODE_EVAL;
    const struct store *s = p->store;

    return (struct norm_scale){
        .mean = eval ? store_value(s, graph, n->param[MEAN]) : st->mean->data,
        .var = eval ? store_value(s, graph, n->param[VAR]) : st->var->data,
        .gamma = store_value(s, graph, n->param[GAMMA]),
        .beta = store_value(s, graph, n->param[BETA]),
        .eps = (float)n->at.norm.eps,
    };
}

static void statistics(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct buffer *x = p->value[g->in[0]];
    const struct state *st = g->state;
    struct norm_stats to = {
        .mean = st->mean->data, .var = st->var->data,
        .rate = (float)n->at.norm.momentum,
        .partial = st->partial->data, .counter = p->counters,
    };

    if (p->mode == MODE_TRAIN) {
        to.running_mean = store_value(p->store, p->base.graph, n->param[MEAN]);
        to.running_var = store_value(p->store, p->base.graph, n->param[VAR]);
    }
    if (p->sums[g->in[0]])
        launch_norm_finish(p->sums[g->in[0]]->data, plan_grid(x), to,
                           plan_stream(p));
    else
        launch_norm_stats(x->data, plan_grid(x), to, plan_stream(p));
}

static void norm_forward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *x = p->value[g->in[0]];
    const struct state *st = g->state;
    bool eval = p->mode == MODE_EVAL;
    const struct buffer *z = g->add >= 0 ? p->value[g->in[1]] : NULL;

    if (!eval)
        statistics(p, g);
    launch_norm_apply(p->value[g->out]->data, eval ? NULL : data_of(st->mask),
                      x->data, data_of(z), plan_grid(x), scale_of(p, g),
                      g->relu, plan_stream(p));
}

static void norm_backward(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct buffer *x = p->value[g->in[0]], *dy = p->grad[g->out];
    const struct buffer *dx = p->grad[g->in[0]];
    const struct buffer *dz = g->add >= 0 ? p->grad[g->in[1]] : NULL;
    const struct state *st = g->state;
    struct norm_sums to = {
        .dgamma = store_grad(p->store, n->param[GAMMA]),
        .dbeta = store_grad(p->store, n->param[BETA]),
        .means = st->means->data, .partial = st->partial->data,
        .counter = p->counters,
    };
    bool adds_z = dz && plan_adds(p, g, 1);
    // What the first pass wrote for the shortcut is what the second reads.
    bool masked = dz && !adds_z && dz != dx;

    launch_norm_sums(data_of(dz), adds_z, dy->data,
                     data_of(p->late[g->out]), data_of(st->mask), x->data,
                     plan_grid(x), scale_of(p, g), to, plan_stream(p));
    if (dx)
        launch_norm_back(dx->data, plan_adds(p, g, 0),
                         tap_squares(p, st->tap),
                         masked ? dz->data : dy->data,
                         masked ? NULL : data_of(st->mask), x->data,
                         plan_grid(x), scale_of(p, g), st->means->data,
                         plan_stream(p));
}

const struct gpu_op gpu_op_norm = {
    .reads_in = true,
    .setup = norm_setup,
    .forward = norm_forward,
    .backward = norm_backward,
};
