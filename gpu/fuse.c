/* gpu/fuse.c: a norm takes the relu behind it along, or the add and the relu
 * behind that: one pass over memory in place of two or three. Backward needs
 * their output no more: a bit mask says where relu let through. */
#include "gpu/fuse.h"

#include <stdlib.h>
#include "common/mem.h"

static const struct gpu_op *const ops[OP_COUNT] = {
#define X(tag, stem) [OP_##tag] = &gpu_op_##stem,
    GRAPH_OPS(X)
#undef X
};

static bool tapped(const struct graph *g, val v)
{
    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].value == v)
            return true;
    return false;
}

// The node of this kind behind node i that may be fused to it, or -1.
static int behind(const struct graph *g, int i, enum op op)
{
    int reader = graph_only_reader(g, g->nodes[i].out);

    return reader >= 0 && g->nodes[reader].op == op &&
           !tapped(g, g->nodes[i].out) ? reader : -1;
}

static struct group group_alone(const struct graph *g, int i)
{
    const struct node *n = &g->nodes[i];

    return (struct group){ .op = ops[n->op], .first = i, .last = i, .add = -1,
        .in = { n->in[0], n->in[1] }, .out = n->out };
}

// The group that starts with node i. taken: adds that are in a group.
static struct group group_of(const struct graph *g, int i, const bool *taken)
{
    struct group group = group_alone(g, i);
    int add = -1, relu = -1;

    if (g->nodes[i].op != OP_NORM)
        return group;
    relu = behind(g, i, OP_RELU);
    if (relu < 0)
        add = behind(g, i, OP_ADD);
    if (add >= 0 && !taken[add])
        relu = behind(g, add, OP_RELU);
    if (relu < 0)
        return group;
    group.relu = true;
    group.last = relu;
    group.out = g->nodes[relu].out;
    if (add >= 0) {
        group.add = add;
        group.shortcut = g->nodes[add].in[0] == g->nodes[i].out;
        group.in[1] = g->nodes[add].in[group.shortcut];
    }
    return group;
}

struct lowering *fuse_groups(struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;
    size_t nodes = (size_t)g->n_nodes;
    struct lowering *lo = xcalloc(nodes, sizeof *lo);
    bool *taken = xcalloc(nodes, sizeof *taken);

    p->groups = xcalloc(nodes, sizeof *p->groups);
    for (int i = 0; i < g->n_nodes; i++) {
        if (taken[i])
            continue;
        struct group group = p->base.opts.keep_all ? group_alone(g, i)
                                                   : group_of(g, i, taken);
        lo[i].leader = group.last;
        lo[i].in[0] = group.op->reads_in;
        lo[group.last].leader = group.last;
        if (group.add >= 0)
            lo[group.add].leader = group.last;
        for (int k = 0; k < 2; k++) {
            int other = k ? group.last : group.add;
            if (other > i)
                taken[other] = true;
        }
        lo[group.last].out |= group.op->reads_out;
        p->groups[group.last] = group;
    }
    free(taken);
    return lo;
}
