/* gpu/op_eltwise.c: relu and add where no norm took them along. */
#include "gpu/op.h"

static void eltwise_setup(struct gpu_plan *p, struct group *g)
{
    const struct buffer *a = p->value[g->in[0]];
    const struct buffer *b = g->in[1] == BAD_VAL ? a : p->value[g->in[1]];

    plan_output(p, g);
    if (a->elem != b->elem && !p->err.code)
        fail(&p->err, ERR_SPEC, "bf16 cannot add the head of a network to "
             "what lies before it");
}

// ---- relu -------------------------------------------------------------------

static void relu_forward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *x = p->value[g->in[0]];

    launch_relu(p->value[g->out]->data, x->data, x->elem, x->n,
                plan_stream(p));
}

static void relu_backward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *dx = p->grad[g->in[0]], *y = p->value[g->out];

    if (dx)
        launch_relu_back(dx->data, plan_adds(p, g, 0), p->grad[g->out]->data,
                         y->data, y->elem, y->n, plan_stream(p));
}

const struct gpu_op gpu_op_relu = {
    .reads_out = true,
    .setup = eltwise_setup,
    .forward = relu_forward,
    .backward = relu_backward,
};

// ---- add --------------------------------------------------------------------

static void add_forward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *y = p->value[g->out];

    launch_add(y->data, p->value[g->in[0]]->data, p->value[g->in[1]]->data,
               y->elem, y->n, plan_stream(p));
}

static void add_backward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *dy = p->grad[g->out];

    for (int k = 0; k < 2; k++) {
        const struct buffer *dx = p->grad[g->in[k]];

        if (dx && plan_adds(p, g, k))
            launch_add(dx->data, dx->data, dy->data, dy->elem, dy->n,
                       plan_stream(p));
        else if (dx)
            launch_copy(dx->data, dy->data, dy->elem, dy->n, plan_stream(p));
    }
}

const struct gpu_op gpu_op_add = {
    .setup = eltwise_setup,
    .forward = add_forward,
    .backward = add_backward,
};
