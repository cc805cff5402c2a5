/* gpu/op_conv.c: convolution: three plans of cuDNN's. The two passes back
 * depend on nothing but what is there already, so they run side by side. */
#include "common/mem.h"
#include "gpu/check.h"
#include "gpu/op.h"

struct state {
    const struct dnn_plan *plan[DNN_PASSES];
    struct buffer *workspace[DNN_PASSES];
    struct buffer *dx;                  // what is added to x's gradient ...
    struct buffer *late;                // ... or is left to x's producer
    struct buffer *partial;             // of the bias's gradient
};

static struct dnn_conv shape_of(const struct gpu_plan *p, const struct group *g,
                                enum dnn_pass pass)
{
    struct conv conv = plan_node(p, g)->at.conv;
    const struct buffer *x = p->value[g->in[0]], *y = p->value[g->out];

    return (struct dnn_conv){
        .pass = pass, .elem = x->elem, .tf32 = p->store->tf32,
        .n = x->shape.n, .c = x->c, .h = x->shape.h, .w = x->shape.w,
        .out = y->c, .rows = y->shape.h, .cols = y->shape.w,
        .k = conv.k, .stride = conv.stride, .pad = conv.pad,
    };
}

static void choose(struct gpu_plan *p, struct group *g, enum dnn_pass pass)
{
    struct state *st = g->state;
    struct dnn_conv at = shape_of(p, g, pass);

    if (p->err.code ||
        dnn_choose(p->store->dnn, &at, &st->plan[pass], &p->err) != 0)
        return;
    st->workspace[pass] = plan_bytes(p, dnn_workspace(st->plan[pass]),
                                     ROOM_STAGE);
}

// In bf16 a norm's statistics can be made while the convolution writes. (In
// float32 they would be less exact than those of norm.cu, which take the mean
// away before they square; in bf16 the numbers themselves are rounded more.)
static bool choose_stats(struct gpu_plan *p, struct group *g)
{
    const struct graph *graph = p->base.graph;
    struct state *st = g->state;
    struct dnn_conv at = shape_of(p, g, DNN_FORWARD);
    const struct dnn_plan *plan = NULL;
    int reader = graph_only_reader(graph, g->out);

    if (p->err.code || at.elem != ELEM_BF16 || reader < 0 ||
        graph->nodes[reader].op != OP_NORM || plan_node(p, g)->at.conv.bias)
        return false;
    at.stats = true;
    if (dnn_choose(p->store->dnn, &at, &plan, &p->err) != 0 || !plan)
        return false;
    st->plan[DNN_FORWARD] = plan;
    st->workspace[DNN_FORWARD] = plan_bytes(p, dnn_workspace(plan), ROOM_STAGE);
    p->sums[g->out] = plan_bytes(p, 2 * (size_t)at.out * sizeof(float),
                                 ROOM_KEEP);
    return true;
}

static void conv_setup(struct gpu_plan *p, struct group *g)
{
    struct state *st = g->state = xcalloc(1, sizeof *st);
    const struct buffer *y = plan_output(p, g);

    if (!choose_stats(p, g))
        choose(p, g, DNN_FORWARD);
    choose(p, g, DNN_DW);
    if (p->grad[g->in[0]]) {
        choose(p, g, DNN_DX);
        if (plan_adds(p, g, 0) && !(st->late = plan_late(p, g)))
            g->added = st->dx = plan_like(p, g->in[0]);
    }
    if (plan_node(p, g)->at.conv.bias) {
        st->partial = plan_bytes(p, kernel_partials(plan_grid(y)) *
                                 sizeof(float), ROOM_STAGE);
        plan_counters(p, kernel_counters(plan_grid(y)));
    }
}

static void run(struct gpu_plan *p, struct group *g, enum dnn_pass pass,
                void *x, void *w, void *y, cudaStream_t stream)
{
    struct state *st = g->state;

    struct dnn_data at = { .x = x, .w = w, .y = y,
        .sums = pass == DNN_FORWARD ? data_of(p->sums[g->out]) : NULL,
        .workspace = data_of(st->workspace[pass]) };

    if (!p->err.code)
        dnn_run(p->store->dnn, st->plan[pass], at, stream, &p->err);
}

static void conv_forward(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    const struct buffer *x = p->value[g->in[0]], *y = p->value[g->out];

    run(p, g, DNN_FORWARD, x->data, store_weight(p->store, n->param[0]),
        y->data, plan_stream(p));
    if (n->at.conv.bias)
        launch_bias(y->data, plan_grid(y), store_value(p->store, p->base.graph,
                    n->param[1]), plan_stream(p));
}

static void backward_x(struct gpu_plan *p, struct group *g)
{
    struct state *st = g->state;
    const struct buffer *dx = p->grad[g->in[0]];
    const struct buffer *to = st->late ? st->late : st->dx ? st->dx : dx;

    run(p, g, DNN_DX, to->data, store_weight(p->store,
        plan_node(p, g)->param[0]), p->grad[g->out]->data, plan_stream(p));
    if (st->dx)
        launch_add(dx->data, dx->data, to->data, dx->elem, dx->n,
                   plan_stream(p));
}

static void backward_bias(struct gpu_plan *p, struct group *g)
{
    struct state *st = g->state;
    const struct buffer *dy = p->grad[g->out];

    launch_bias_back(store_grad(p->store, plan_node(p, g)->param[1]), dy->data,
                     plan_grid(dy), st->partial->data, p->counters,
                     plan_stream(p));
}

static int fork_join(struct store *s, cudaStream_t from, cudaStream_t to,
                     cudaEvent_t event, struct error *err)
{
    int rc = 0;

    (void)s;
    CUDA_TRY(cudaEventRecord(event, from));
    CUDA_TRY(cudaStreamWaitEvent(to, event, 0));
out:
    return rc;
}

static void conv_backward(struct gpu_plan *p, struct group *g)
{
    const struct node *n = plan_node(p, g);
    struct store *s = p->store;

    if (p->err.code || fork_join(s, s->main, s->side, s->fork, &p->err) != 0)
        return;
    run(p, g, DNN_DW, p->value[g->in[0]]->data, store_grad(s, n->param[0]),
        p->grad[g->out]->data, s->side);
    if (p->grad[g->in[0]])
        backward_x(p, g);
    if (n->at.conv.bias)
        backward_bias(p, g);
    if (!p->err.code)
        fork_join(s, s->side, s->main, s->join, &p->err);
}

const struct gpu_op gpu_op_conv = {
    .reads_in = true,
    .setup = conv_setup,
    .forward = conv_forward,
    .backward = conv_backward,
};
