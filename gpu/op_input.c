/* gpu/op_input.c: images, from wherever they come. */
#include "gpu/feed.h"

static void input_setup(struct gpu_plan *p, struct group *g)
{
    plan_output(p, g);
}

static void input_forward(struct gpu_plan *p, struct group *g)
{
    const struct buffer *y = p->value[g->out];

    feed_input(p, y, plan_node(p, g)->at.input);
}

static void input_backward(struct gpu_plan *p, struct group *g)
{
    (void)p, (void)g;                           // nothing lies before it
}

const struct gpu_op gpu_op_input = {
    .setup = input_setup,
    .forward = input_forward,
    .backward = input_backward,
};
