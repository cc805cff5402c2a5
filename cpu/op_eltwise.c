/* cpu/op_eltwise.c: relu and add, alone or as add and relu in one. Their
 * gradients often lie where the one that comes in lies (fuse.c): then what is
 * left to do is the mask, or nothing. */
#include "cpu/op.h"

#include "common/mem.h"
#include "cpu/loop.h"

static size_t length(const struct tensor *t)
{
    return t->bytes / sizeof(float);
}

// ---- relu ----------------------------------------------------------------

static void relu_setup(struct cpu_plan *p, struct group *g)
{
    plan_output_over(p, g);
}

static void relu_forward(struct cpu_plan *p, struct group *g)
{
    struct tensor *y = p->value[g->out];

    loop_relu(y->data, p->value[g->in[0]]->data, length(y));
}

static void relu_backward(struct cpu_plan *p, struct group *g)
{
    struct tensor *dy = p->grad[g->out], *dx = p->grad[g->in[0]];

    if (!dx || (dx == dy && p->masked[g->out]))
        return;
    loop_mask(dx->data, dy->data, p->value[g->out]->data, plan_adds(p, g, 0),
              length(dy));
}

const struct cpu_op cpu_op_relu = {
    .reads_out = true,
    .setup = relu_setup,
    .forward = relu_forward,
    .backward = relu_backward,
};

// ---- add -----------------------------------------------------------------

struct state {
    struct chain   feed;                // in[1] in in[0]'s layout
    struct tensor *a, *b;
    struct chain   spread[MAX_IN];      // dy to the gradient of in[k]
    struct tensor *raw[MAX_IN];         // where dy goes for that; NULL: nowhere
};

static void add_setup(struct cpu_plan *p, struct group *g)
{
    struct state *st = g->state = xcalloc(1, sizeof *st);
    struct tensor *y;

    st->a = p->value[g->in[0]];
    y = plan_output_over(p, g);
    st->b = chain_feed(p, &st->feed, p->value[g->in[1]], y->layout);
    for (int k = 0; k < MAX_IN; k++) {
        struct tensor *dx = p->grad[g->in[k]];

        if (dx && dx != p->grad[g->out])
            st->raw[k] = chain_drain_grad(p, &st->spread[k], y->layout, g, k);
    }
}

static void add_forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    struct tensor *y = p->value[g->out];

    chain_run(p, &st->feed);
    if (g->watch && g->relu && p->mode != MODE_EVAL)
        g->watch->out = loop_sum_relu_sums(y->data, st->a->data, st->b->data,
                                           length(y), g->watch->partial);
    else
        loop_sum(y->data, st->a->data, st->b->data, g->relu, length(y));
}

static void add_backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    struct tensor *dy = p->grad[g->out];

    if (g->relu && !p->masked[g->out])
        loop_mask(dy->data, dy->data, p->value[g->out]->data, false,
                  length(dy));
    for (int k = 0; k < MAX_IN; k++)
        if (st->raw[k]) {
            loop_copy(st->raw[k]->data, dy->data, length(dy));
            chain_run(p, &st->spread[k]);
        }
}

const struct cpu_op cpu_op_add = {
    .setup = add_setup,
    .forward = add_forward,
    .backward = add_backward,
};
