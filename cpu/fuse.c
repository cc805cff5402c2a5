/* cpu/fuse.c: norm and add take the relu behind them along; gradients that
 * are the same numbers lie in the same bytes.
 *
 * The gradient of a sum is the gradient of both its terms, and relu's is the
 * one behind it with a mask, so along a chain of residual blocks one buffer
 * does: relu masks it where it lies, add has nothing to do, and convolutions
 * add to it.
 */
#include "cpu/fuse.h"

#include <limits.h>
#include <stdlib.h>
#include "common/mem.h"

static const struct cpu_op *const ops[OP_COUNT] = {
#define X(tag, stem) [OP_##tag] = &cpu_op_##stem,
    GRAPH_OPS(X)
#undef X
};

// Whether a tap wants v as it is; what comes back through a branch is measured
// before it is added.
static bool tapped(const struct graph *g, val v, enum side side)
{
    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].value == v && g->taps[i].side == side &&
            g->taps[i].measure != MEASURE_BRANCH)
            return true;
    return false;
}

// The relu that node i takes along, or -1.
static int relu_behind(const struct graph *g, int i)
{
    val v = g->nodes[i].out;
    int reader = graph_only_reader(g, v);

    if (g->nodes[i].op != OP_NORM && g->nodes[i].op != OP_ADD)
        return -1;
    if (reader < 0 || g->nodes[reader].op != OP_RELU ||
        tapped(g, v, SIDE_VALUE) || tapped(g, v, SIDE_GRAD))
        return -1;
    return reader;
}

struct lowering *fuse_groups(struct cpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct lowering *lo = xcalloc((size_t)g->n_nodes, sizeof *lo);
    int *first = xcalloc((size_t)g->n_nodes, sizeof *first);

    p->groups = xcalloc((size_t)g->n_nodes, sizeof *p->groups);
    for (int i = 0; i < g->n_nodes; i++)
        first[i] = i;
    for (int i = 0; i < g->n_nodes; i++) {
        int relu = p->base.opts.keep_all ? -1 : relu_behind(g, i);

        lo[i].leader = relu < 0 ? i : relu;
        if (relu >= 0)
            first[relu] = i;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[first[i]];
        const struct cpu_op *op = ops[n->op];
        bool fused = first[i] != i;

        lo[first[i]].in[0] = op->reads_in;
        if (lo[i].leader != i)
            continue;
        // Norm keeps a mask of its own; add's is its output's sign.
        lo[i].out = op->reads_out || (fused && n->op == OP_ADD);
        p->groups[i] = (struct group){ .op = op, .first = first[i], .last = i,
            .relu = fused, .in = { n->in[0], n->in[1] },
            .out = g->nodes[i].out };
    }
    free(first);
    return lo;
}

// ---- gradients -----------------------------------------------------------

static bool has_grad(const struct cpu_plan *p, val v)
{
    return v != BAD_VAL && p->base.graph->values[v].needs_grad;
}

static int backward_stage(const struct cpu_plan *p, int leader)
{
    for (int s = 0; s < p->schedule.n_stages; s++)
        if (p->schedule.stages[s].node == leader &&
            p->schedule.stages[s].phase == PHASE_BACKWARD)
            return s;
    return -1;
}

// First backward stage after `stage` that adds to v's gradient.
static int next_write(const struct cpu_plan *p, val v, int stage)
{
    int next = INT_MAX;

    for (int i = 0; i < p->base.graph->n_nodes; i++) {
        const struct group *g = &p->groups[i];

        if (!g->op || (g->in[0] != v && g->in[1] != v))
            continue;
        int s = backward_stage(p, i);
        if (s > stage && s < next)
            next = s;
    }
    return next;
}

// Relu and add: they pass a gradient on where it lies.
static bool passes_on(const struct cpu_plan *p, int leader)
{
    enum op op = p->base.graph->nodes[p->groups[leader].first].op;

    return op == OP_RELU || op == OP_ADD;
}

// Whether b's gradient may lie in a's: both are the same when `stage` is over,
// nobody adds to b later, and b is read, and only read, before anything
// happens to a.
static bool calm(const struct cpu_plan *p, val a, val b, int stage)
{
    int b_read = p->schedule.grad[b].last;

    return next_write(p, b, stage) == INT_MAX &&
           !passes_on(p, p->schedule.stages[b_read].node) &&
           next_write(p, a, stage) > b_read &&
           p->schedule.grad[a].last > b_read;
}

// Roots are the smallest val: its tensor is made first.
static val root(const struct cpu_plan *p, val v)
{
    while (p->grad_of[v] != v)
        v = p->grad_of[v];
    return v;
}

static void merge(struct cpu_plan *p, val a, val b)
{
    a = root(p, a);
    b = root(p, b);
    if (a < b)
        p->grad_of[b] = a;
    else
        p->grad_of[a] = b;
}

static void share_gradients(struct cpu_plan *p, int leader)
{
    const struct group *g = &p->groups[leader];
    int stage = backward_stage(p, leader);
    bool mine = has_grad(p, g->in[0]) && !plan_adds(p, g, 0);

    if (stage < 0 || !passes_on(p, leader) || g->in[0] == g->in[1])
        return;
    if (mine)
        merge(p, g->in[0], g->out);
    if (!has_grad(p, g->in[1]) || plan_adds(p, g, 1))
        return;
    if (!mine || calm(p, g->in[0], g->in[1], stage) ||
        calm(p, g->in[1], g->in[0], stage))
        merge(p, g->in[1], g->out);
}

// Whether the last to write the gradient of this group's output is a
// convolution that adds: it then looks at relu's mask in the same pass.
static bool mask_early(const struct cpu_plan *p, int leader)
{
    const struct graph *g = p->base.graph;
    const struct group *group = &p->groups[leader];
    bool relu = group->relu ? g->nodes[group->first].op == OP_ADD
                            : g->nodes[leader].op == OP_RELU;

    if (!relu || tapped(g, group->out, SIDE_GRAD) ||
        !has_grad(p, group->out))
        return false;
    // Backward stages come in reverse: the first reader writes last.
    for (int i = 0; i < g->n_nodes; i++) {
        const struct group *reader = &p->groups[i];

        if (!reader->op ||
            (reader->in[0] != group->out && reader->in[1] != group->out))
            continue;
        return g->nodes[reader->first].op == OP_CONV &&
               plan_adds(p, reader, 0);
    }
    return false;
}

void fuse_gradients(struct cpu_plan *p)
{
    const struct graph *g = p->base.graph;

    p->grad_of = xcalloc((size_t)g->n_values, sizeof *p->grad_of);
    p->masked = xcalloc((size_t)g->n_values, sizeof *p->masked);
    for (val v = 0; v < g->n_values; v++)
        p->grad_of[v] = v;
    for (int i = 0; i < g->n_nodes && !p->base.opts.keep_all; i++) {
        if (!p->groups[i].op)
            continue;
        share_gradients(p, i);
        p->masked[p->groups[i].out] = mask_early(p, i);
    }
    for (val v = 0; v < g->n_values; v++)
        p->grad_of[v] = root(p, v);
}
