/* cpu/op_input.c: (pixel / 255 - mean) / std, (n, h, w, c) -> (n, c, h, w). */
#include "cpu/op.h"

#include <string.h>
#include "common/mem.h"

struct state {
    struct tensor *y;
    float (*scaled)[256];               // by channel and byte
};

static void input_setup(struct cpu_plan *p, struct group *g)
{
    struct shape s = graph_shape(p->base.graph, g->out);
    const struct input *at = &plan_node(p, g)->at.input;
    size_t table = (size_t)s.c * sizeof(float[256]);
    struct state *st = g->state = xcalloc(1, sizeof *st + table);

    st->y = plan_output(p, g, dnn_plain(s));
    st->scaled = (float (*)[256])(st + 1);
    // Further channels, if any, are only scaled to 0..1.
    for (int c = 0; c < s.c; c++)
        for (int i = 0; i < 256; i++)
            st->scaled[c][i] = c >= 3 ? (float)(i / 255.0)
                : (float)((i / 255.0 - at->mean[c]) / at->std[c]);
}

static void input_forward(struct cpu_plan *p, struct group *g)
{
    struct shape s = graph_shape(p->base.graph, g->out);
    const struct state *st = g->state;
    int64_t plane = (int64_t)s.h * s.w;

    if (p->now->values) {
        memcpy(st->y->data, p->now->values, st->y->bytes);
        return;
    }
    #pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const uint8_t *x = p->now->pixels + n * plane * s.c + c;
            float *y = st->y->data + (n * (int64_t)s.c + c) * plane;

            for (int64_t i = 0; i < plane; i++)
                y[i] = st->scaled[c][x[i * s.c]];
        }
}

static void input_backward(struct cpu_plan *p, struct group *g)
{
    (void)p, (void)g;                   // nothing lies before it
}

const struct cpu_op cpu_op_input = {
    .setup = input_setup,
    .forward = input_forward,
    .backward = input_backward,
};
