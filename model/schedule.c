/* model/schedule.c: stages and life spans of one training step.
 *
 * Every fused group is one stage forward and, if a gradient passes through it,
 * one backward, in reverse order. A group runs where its last node stands:
 * by then all it reads is there, and nothing reads it earlier.
 */
#include "model/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

// What a plain loop reads again, op by op: dw needs x, relu's mask can be seen
// in y, max pooling remembers where its maxima were.
static const struct { bool in, out; } REREADS[OP_COUNT] = {
    [OP_CONV] = { .in = true },   [OP_NORM] = { .in = true },
    [OP_RELU] = { .out = true },  [OP_LINEAR] = { .in = true },
    [OP_XENT] = { .in = true },
};

struct lowering *schedule_plain(const struct graph *g)
{
    struct lowering *lo = xcalloc((size_t)g->n_nodes, sizeof *lo);

    for (int i = 0; i < g->n_nodes; i++) {
        lo[i].leader = i;
        lo[i].in[0] = REREADS[g->nodes[i].op].in;
        lo[i].out = REREADS[g->nodes[i].op].out;
    }
    return lo;
}

struct work {               // the parameters of the passes below
    const struct graph    *g;
    const struct lowering *lo;
    struct schedule       *out;
    int                   *forward, *backward;  // stage by leader, or -1
};

static bool needs_grad(const struct graph *g, val v)
{
    return g->values[v].role == ROLE_ACT && g->values[v].needs_grad;
}

// Inside a group: no other group reads it, so it need not exist.
static bool inner(const struct work *w, val v)
{
    int producer = w->g->values[v].producer;

    return w->lo[producer].leader != producer;
}

static int add_stage(struct work *w, int node, enum phase phase)
{
    struct schedule *s = w->out;

    s->stages[s->n_stages] = (struct stage){ node, phase };
    return s->n_stages++;
}

static void order(struct work *w)
{
    int n = w->g->n_nodes;

    for (int i = 0; i < n; i++) {
        w->forward[i] = w->backward[i] = -1;
        assert(w->lo[i].leader >= i && w->lo[i].leader < n);
        assert(w->lo[w->lo[i].leader].leader == w->lo[i].leader);
        if (w->lo[i].leader == i)
            w->forward[i] = add_stage(w, i, PHASE_FORWARD);
    }
    for (int i = n - 1; i >= 0; i--)
        if (w->lo[i].leader == i && needs_grad(w->g, w->g->nodes[i].out))
            w->backward[i] = add_stage(w, i, PHASE_BACKWARD);
}

static void touch(struct span *s, int stage)
{
    if (stage < 0)
        return;
    if (s->first < 0 || stage < s->first)
        s->first = stage;
    if (stage > s->last)
        s->last = stage;
}

// A value lives from its group's forward stage to its last reader's, which is
// backward where the lowering says so.
static void value_spans(struct work *w)
{
    for (int i = 0; i < w->g->n_nodes; i++) {
        const struct node *n = &w->g->nodes[i];
        int leader = w->lo[i].leader;

        for (int k = 0; k < MAX_IN && n->in[k] != BAD_VAL; k++) {
            if (inner(w, n->in[k])) {
                int from = w->g->values[n->in[k]].producer;
                assert(w->lo[from].leader == leader);
                continue;
            }
            touch(&w->out->value[n->in[k]], w->forward[leader]);
            if (w->lo[i].in[k])
                touch(&w->out->value[n->in[k]], w->backward[leader]);
        }
        if (inner(w, n->out))
            continue;
        touch(&w->out->value[n->out], w->forward[leader]);
        if (w->lo[i].out)
            touch(&w->out->value[n->out], w->backward[leader]);
    }
    // The caller reads these two when the step is over.
    touch(&w->out->value[w->g->logits], w->out->n_stages - 1);
    touch(&w->out->value[w->g->loss], w->out->n_stages - 1);
}

// A gradient lives from the first backward stage that writes it to its
// producer's, which reads it; later writers add to what is there. The loss's
// own is the constant 1 and takes no room.
static void grad_spans(struct work *w)
{
    struct span *grad = w->out->grad;

    for (int s = 0; s < w->out->n_stages; s++) {
        int leader = w->out->stages[s].node;

        if (w->out->stages[s].phase != PHASE_BACKWARD)
            continue;
        if (w->g->nodes[leader].out != w->g->loss)
            touch(&grad[w->g->nodes[leader].out], s);
        for (int i = leader; i >= 0; i--) {
            if (w->lo[i].leader != leader)
                continue;
            for (int k = 0; k < MAX_IN; k++) {
                val v = w->g->nodes[i].in[k];
                if (v == BAD_VAL || !needs_grad(w->g, v) || inner(w, v))
                    continue;
                w->out->adds[i * MAX_IN + k] = grad[v].first >= 0;
                touch(&grad[v], s);
            }
        }
    }
}

static void keep(struct work *w)
{
    struct span whole = { 0, w->out->n_stages - 1 };

    for (val v = 0; v < w->g->n_values; v++) {
        if (w->g->values[v].role == ROLE_ACT)
            w->out->value[v] = whole;
        if (needs_grad(w->g, v) && v != w->g->loss)
            w->out->grad[v] = whole;
    }
}

void schedule_build(const struct graph *g, const struct lowering *lo,
                    bool keep_all, struct schedule *out)
{
    size_t nodes = (size_t)g->n_nodes, values = (size_t)g->n_values;
    struct work w = { g, lo, out, xcalloc(nodes, sizeof *w.forward),
                      xcalloc(nodes, sizeof *w.backward) };

    *out = (struct schedule){
        .stages = xcalloc(2 * nodes, sizeof *out->stages),
        .value = xcalloc(values, sizeof *out->value),
        .grad = xcalloc(values, sizeof *out->grad),
        .adds = xcalloc(nodes * MAX_IN, sizeof *out->adds) };
    for (size_t v = 0; v < values; v++)
        out->value[v] = out->grad[v] = (struct span){ -1, -1 };
    order(&w);
    value_spans(&w);
    grad_spans(&w);
    if (keep_all)
        keep(&w);
    free(w.forward);
    free(w.backward);
}

void schedule_clear(struct schedule *s)
{
    free(s->stages);
    free(s->value);
    free(s->grad);
    free(s->adds);
    memset(s, 0, sizeof *s);
}
