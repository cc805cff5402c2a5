/* cpu/op_xent.c: loss = mean over the valid images of
 * log(sum(exp(x))) - x[label], and how many have their label on top. */
#include "cpu/op.h"

#include <math.h>
#include "common/mem.h"

struct row { double loss; bool hit; };          // of one image

struct state {
    struct chain   feed, spread;
    struct tensor *x, *dx, *loss;               // x, dx (n, c) plain
    struct row    *rows;                        // n
};

static void xent_setup(struct cpu_plan *p, struct group *g)
{
    struct shape s = graph_shape(p->base.graph, g->in[0]);
    struct layout plain = dnn_plain(s);
    size_t rows = (size_t)s.n * sizeof(struct row);
    struct state *st = g->state = xcalloc(1, sizeof *st + rows);

    st->rows = (struct row *)(st + 1);
    st->x = chain_feed(p, &st->feed, p->value[g->in[0]], plain);
    st->loss = plan_output(p, g, dnn_plain((struct shape){ 1, 1, 1, 1 }));
    if (p->grad[g->in[0]])
        st->dx = chain_drain_grad(p, &st->spread, plain, g, 0);
}

static int valid_images(const struct cpu_plan *p, int n)
{
    int valid = 0;

    for (int i = 0; i < n; i++)
        valid += p->now->labels[i] >= 0;        // -1 is padding
    return valid;
}

// The first of the largest.
static int largest(const float *x, int n)
{
    int best = 0;

    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

// The largest is taken out first, so that exp cannot overflow.
static double log_sum_exp(const float *x, int n)
{
    double top = x[largest(x, n)], sum = 0;

    for (int i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return top + log(sum);
}

static struct row judge(const float *x, int n, int label)
{
    if (label < 0)
        return (struct row){ 0 };
    return (struct row){ .loss = log_sum_exp(x, n) - x[label],
                         .hit = largest(x, n) == label };
}

static void xent_forward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    struct shape s = graph_shape(p->base.graph, g->in[0]);
    int valid = valid_images(p, s.n);
    double sum = 0;

    chain_run(p, &st->feed);
    #pragma omp parallel for schedule(static)
    for (int n = 0; n < s.n; n++)
        st->rows[n] = judge(st->x->data + (size_t)n * s.c, s.c,
                            p->now->labels[n]);
    p->result->correct = 0;
    for (int n = 0; n < s.n; n++) {
        sum += st->rows[n].loss;
        p->result->correct += st->rows[n].hit;
    }
    p->result->loss = p->lost ? NAN : valid ? sum / valid : 0;
    st->loss->data[0] = (float)p->result->loss;
}

// dx = (softmax(x) - onehot(label)) / valid, 0 for padding.
static void xent_backward(struct cpu_plan *p, struct group *g)
{
    const struct state *st = g->state;
    struct shape s = graph_shape(p->base.graph, g->in[0]);
    int valid = valid_images(p, s.n);

    if (!st->dx)
        return;
    chain_run(p, &st->feed);
    #pragma omp parallel for schedule(static)
    for (int n = 0; n < s.n; n++) {
        const float *x = st->x->data + (size_t)n * s.c;
        float *dx = st->dx->data + (size_t)n * s.c;
        int label = p->now->labels[n];
        double log_sum = label < 0 ? 0 : log_sum_exp(x, s.c);

        for (int c = 0; c < s.c; c++)
            dx[c] = label < 0 ? 0
                : (float)((exp(x[c] - log_sum) - (c == label)) / valid);
    }
    chain_run(p, &st->spread);
}

const struct cpu_op cpu_op_xent = {
    .reads_in = true,
    .setup = xent_setup,
    .forward = xent_forward,
    .backward = xent_backward,
};
