/* cpu/chain.c: primitives in a row, and the reorders where the layouts that
 * they ask for differ. */
#include "cpu/op.h"

#include <assert.h>
#include "cpu/loop.h"

void chain_push(struct chain *c, struct prim *p)
{
    assert(c->n < CHAIN_MAX);
    c->prims[c->n++] = p;
}

void chain_run(struct cpu_plan *p, const struct chain *c)
{
    for (int i = 0; i < c->n; i++)
        dnn_run(&p->dnn, c->prims[i]);
    if (!c->into)
        return;
    size_t n = c->into->bytes / sizeof(float);
    struct watch *watch = c->adds_for ? c->adds_for->watch : NULL;
    if (c->mask && watch)
        watch->adding = loop_add_masked_norms(c->into->data, c->sum->data,
            c->mask->data, n, watch->partial);
    else if (c->mask)
        loop_add_masked(c->into->data, c->sum->data, c->mask->data, n);
    else
        loop_add(c->into->data, c->sum->data, n);
}

struct tensor *chain_feed(struct cpu_plan *p, struct chain *c,
                          struct tensor *t, struct layout wanted)
{
    if (dnn_same(t->layout, wanted))
        return t;
    struct tensor *copy = plan_tensor(p, wanted, ROOM_STAGE);
    chain_push(c, dnn_reorder(&p->dnn, t, copy));
    return copy;
}

struct tensor *chain_drain(struct cpu_plan *p, struct chain *c,
                           struct layout given, struct tensor *to, bool adds)
{
    if (adds) {
        c->into = to;
        c->sum = to = plan_tensor(p, to->layout, ROOM_STAGE);
    }
    if (dnn_same(given, to->layout))
        return to;
    struct tensor *raw = plan_tensor(p, given, ROOM_STAGE);
    chain_push(c, dnn_reorder(&p->dnn, raw, to));
    return raw;
}

struct tensor *chain_drain_grad(struct cpu_plan *p, struct chain *c,
                                struct layout given, struct group *g, int k)
{
    struct tensor *to = p->grad[g->in[k]];

    if (!to)
        return plan_tensor(p, given, ROOM_STAGE);
    struct tensor *from = chain_drain(p, c, given, to, plan_adds(p, g, k));
    if (k == 0) {
        g->added = c->sum;
        c->adds_for = g;
    }
    return from;
}
