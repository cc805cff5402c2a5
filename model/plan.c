/* model/plan.c: a caller's mistakes at the seam, told apart. */
#include "model/plan.h"

#include <string.h>

enum { MAX_SLOTS = 1024 };

int plan_check_slots(const struct plan_opts *o, struct error *err)
{
    if (o->slots < 1 || o->slots > MAX_SLOTS)
        return fail(err, ERR_USAGE, "slots is %d, must be 1 to %d", o->slots,
                    MAX_SLOTS);
    return 0;
}

// The same network at another batch size: the same parameters in the same rows.
static int check_network(const struct graph *g, const struct graph *owner,
                         struct error *err)
{
    if (g->n_values != owner->n_values)
        return fail(err, ERR_USAGE, "cannot share the parameters of another "
                    "network: it has %d values, this one %d",
                    owner->n_values, g->n_values);
    for (val v = 0; v < g->n_values; v++) {
        const struct value *a = &g->values[v], *b = &owner->values[v];
        bool fits = a->role == b->role && a->used == b->used;

        if (fits && a->role != ROLE_ACT)
            fits = a->needs_grad == b->needs_grad &&
                   memcmp(&a->shape, &b->shape, sizeof a->shape) == 0;
        if (!fits)
            return fail(err, ERR_USAGE, "cannot share the parameters of "
                        "another network: its %s is not this one's %s",
                        b->name, a->name);
    }
    return 0;
}

int plan_check_share(const struct backend *mine, const struct graph *g,
                     const struct plan *share, struct error *err)
{
    if (!share)
        return 0;
    if (share->backend != mine)
        return fail(err, ERR_USAGE, "cannot share the parameters of a plan "
                    "for %s", share->backend->name);
    return check_network(g, share->graph, err);
}

// A single value has no variance to normalise by.
static int check_norms(const struct graph *g, struct error *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct shape s = graph_shape(g, g->nodes[i].out);

        if (g->nodes[i].op == OP_NORM && (int64_t)s.n * s.h * s.w == 1)
            return fail(err, ERR_SPEC, "%s: cannot train on one value per "
                        "channel (a batch of 1 image of 1 x 1)",
                        g->values[g->nodes[i].out].name);
    }
    return 0;
}

static int check_labels(const struct graph *g, const int32_t *labels,
                        struct error *err)
{
    int classes = graph_shape(g, g->logits).c;

    for (int i = 0; i < graph_shape(g, g->input).n; i++)
        if (labels[i] < -1 || labels[i] >= classes)
            return fail(err, ERR_USAGE, "label %d of image %d, must be 0 to "
                        "%d, or -1 for padding", labels[i], i, classes - 1);
    return 0;
}

int plan_check_step(struct plan *p, int slot, int waiting, enum mode mode,
                    struct error *err)
{
    int slots = p->opts.slots, rc = 0;

    if (slot < 0 || slot >= slots)
        return fail(err, ERR_USAGE, "slot %d of a plan with %d", slot, slots);
    if (waiting == slots)
        return fail(err, ERR_STATE, "%d steps wait to be collected", slots);
    if (mode != MODE_EVAL)
        rc = check_norms(p->graph, err);
    return rc ? rc : check_labels(p->graph, p->backend->slot(p, slot)->labels,
                                  err);
}

int plan_check_value(const struct plan *p, val v, struct error *err)
{
    if (v < 0 || v >= p->graph->n_values)
        return fail(err, ERR_USAGE, "value %d of a network with %d", v,
                    p->graph->n_values);
    return 0;
}

int plan_check_write(const struct plan *p, val v, enum side side,
                     struct error *err)
{
    int rc = plan_check_value(p, v, err);

    if (!rc && (p->graph->values[v].role == ROLE_ACT || side == SIDE_GRAD))
        rc = fail(err, ERR_USAGE, "%s is computed, not written",
                  p->graph->values[v].name);
    return rc;
}

int plan_check_kept(const struct plan *p, val v, enum side side,
                    struct error *err)
{
    bool logits = v == p->graph->logits && side == SIDE_VALUE;

    if (!p->opts.keep_all && !logits)
        return fail(err, ERR_STATE, "%s: only the logits can be read without "
                    "keep_all", p->graph->values[v].name);
    return 0;
}

int plan_lacks(const struct graph *g, val v, enum side side, struct error *err)
{
    static const char *const names[] = { "value", "gradient",
        "optimizer state", "second moment" };

    return fail(err, ERR_USAGE, "%s has no %s", g->values[v].name,
                names[side]);
}
