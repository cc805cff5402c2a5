/* Every operation of every backend against the reference one: element by
 * element, forward and backward.
 *
 * The op under test stands between a convolution, which makes its input need
 * a gradient, and a head that makes a loss of its output. Both backends get
 * the same weights and images, and every value, gradient and running
 * statistic of the two must agree, with all kept and with fusing and shared
 * memory. A row says how far the largest difference may be, relative to the
 * largest number of the tensor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/steps.h"

// float32 rounds to 6e-8; sums of some hundred terms that partly cancel, and
// three to six operations in a row, leave some 1e-6 of the largest.
static const double FEW_ROUNDINGS = 1e-5;
// Batch norm subtracts means of numbers of the same size, and divides by
// deviations that are smaller than them.
static const double CANCELS = 3e-5;

struct op_case {
    const char  *name;
    struct shape in;                    // of the images
    int          channels;              // before the op
    val        (*build)(struct graph *g, val x);
    double       tolerance;
    int          spare;                 // images at the end that are padding
};

// ---- the ops ------------------------------------------------------------

static val conv_3x3(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 32, .k = 3, .pad = 1 });
}

static val conv_3x3_by_2(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 16, .k = 3,
                                                 .stride = 2, .pad = 1 });
}

static val conv_1x1(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 48, .k = 1 });
}

static val conv_1x1_by_2(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 8, .k = 1,
                                                 .stride = 2 });
}

static val conv_7x7_by_2(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 16, .k = 7,
                                                 .stride = 2, .pad = 3 });
}

static val conv_bias(struct graph *g, val x)
{
    return graph_conv(g, x, "op", (struct conv){ .out = 21, .k = 3, .pad = 1,
                                                 .bias = true });
}

static val norm(struct graph *g, val x)
{
    return graph_norm(g, x, "op", (struct norm){ 0 });
}

static val norm_eps(struct graph *g, val x)
{
    return graph_norm(g, x, "op", (struct norm){ .eps = 0.1f,
                                                 .momentum = 0.5f });
}

static val relu(struct graph *g, val x)
{
    return graph_relu(g, x, "op");
}

static val norm_relu(struct graph *g, val x)
{
    return graph_relu(g, norm(g, x), "relu");
}

static val add(struct graph *g, val x)
{
    val a = graph_conv(g, x, "a", (struct conv){ .out = 24, .k = 1 });
    val b = graph_conv(g, x, "b", (struct conv){ .out = 24, .k = 3, .pad = 1 });

    return graph_add(g, a, b, "op");
}

static val add_relu(struct graph *g, val x)
{
    return graph_relu(g, add(g, x), "relu");
}

static val add_twice(struct graph *g, val x)
{
    return graph_relu(g, graph_add(g, x, x, "op"), "relu");
}

// Two residual blocks in a row, the second one's shortcut a convolution.
static val blocks(struct graph *g, val x)
{
    int c = graph_shape(g, x).c;

    x = graph_relu(g, x, "start");
    for (int i = 0; i < 3; i++) {
        graph_prefix(g, "block%d.", i);
        int stride = i == 1 ? 2 : 1;
        val y = graph_conv(g, x, "conv1", (struct conv){ .out = 16, .k = 1 });
        y = graph_relu(g, graph_norm(g, y, "bn1", (struct norm){ 0 }), "relu1");
        y = graph_conv(g, y, "conv2", (struct conv){ .out = c, .k = 3,
                       .stride = stride, .pad = 1 });
        y = graph_norm(g, y, "bn2", (struct norm){ 0 });
        if (i == 1)
            x = graph_norm(g, graph_conv(g, x, "down",
                           (struct conv){ .out = c, .k = 1, .stride = 2 }),
                           "bn3", (struct norm){ 0 });
        x = graph_relu(g, graph_add(g, y, x, "add"), "out");
    }
    graph_prefix(g, "%s", "");
    return x;
}

// Both terms of the sum have other readers, before and behind it.
static val tangle(struct graph *g, val x)
{
    struct conv same = { .out = graph_shape(g, x).c, .k = 1 };
    val a = graph_relu(g, graph_conv(g, x, "a", same), "a.relu");
    val b = graph_conv(g, a, "b", same);
    val sum = graph_relu(g, graph_add(g, a, b, "sum"), "sum.relu");
    val c = graph_add(g, graph_conv(g, b, "c", same), sum, "c.sum");

    return graph_add(g, graph_relu(g, c, "c.relu"), a, "op");
}

// Backward, relu comes after the convolution and adds to what that left.
static val relu_adds(struct graph *g, val x)
{
    struct conv same = { .out = graph_shape(g, x).c, .k = 1 };
    val y = graph_relu(g, x, "op.relu");

    return graph_add(g, graph_conv(g, x, "op.conv", same), y, "op");
}

static val maxpool_3x3_by_2(struct graph *g, val x)
{
    return graph_maxpool(g, x, "op", (struct maxpool){ .k = 3, .stride = 2,
                                                       .pad = 1 });
}

static val maxpool_2x2_by_2(struct graph *g, val x)
{
    return graph_maxpool(g, x, "op", (struct maxpool){ .k = 2, .stride = 2 });
}

// After relu many windows hold several zeros: the first one counts.
static val maxpool_ties(struct graph *g, val x)
{
    return maxpool_3x3_by_2(g, graph_relu(g, x, "relu"));
}

static val linear(struct graph *g, val x)
{
    return graph_linear(g, graph_avgpool(g, x, "pool"), "op",
                        (struct linear){ .out = 37 });
}

static val linear_image(struct graph *g, val x)
{
    return graph_linear(g, x, "op", (struct linear){ .out = 21 });
}

static val avgpool(struct graph *g, val x)
{
    return graph_avgpool(g, x, "op");
}

static val nothing(struct graph *g, val x)
{
    (void)g;
    return x;
}

static const struct op_case cases[] = {
    { "conv 3x3", { 3, 3, 9, 11 }, 16, conv_3x3, FEW_ROUNDINGS, 0 },
    { "conv 3x3, odd channels", { 2, 3, 7, 7 }, 13, conv_3x3, FEW_ROUNDINGS,
      0 },
    { "conv 3x3 by 2", { 2, 3, 10, 9 }, 16, conv_3x3_by_2, FEW_ROUNDINGS, 0 },
    { "conv 1x1", { 2, 3, 8, 8 }, 32, conv_1x1, FEW_ROUNDINGS, 0 },
    { "conv 1x1 by 2", { 3, 3, 7, 8 }, 24, conv_1x1_by_2, FEW_ROUNDINGS, 0 },
    { "conv 1x1 on 1x1", { 4, 3, 1, 1 }, 32, conv_1x1, FEW_ROUNDINGS, 0 },
    { "conv 7x7 by 2", { 2, 3, 16, 16 }, 3, conv_7x7_by_2, FEW_ROUNDINGS, 0 },
    { "conv with bias", { 2, 3, 8, 8 }, 16, conv_bias, FEW_ROUNDINGS, 0 },
    { "norm", { 4, 3, 6, 6 }, 16, norm, CANCELS, 0 },
    { "norm, 8 channels", { 4, 3, 6, 6 }, 8, norm, CANCELS, 0 },
    { "norm, 20 channels", { 4, 3, 5, 5 }, 20, norm, CANCELS, 0 },
    { "norm, eps and momentum", { 4, 3, 6, 6 }, 16, norm_eps, CANCELS, 0 },
    { "norm of two values", { 2, 3, 1, 1 }, 16, norm, 1e-3, 0 },
    { "relu", { 2, 3, 8, 8 }, 16, relu, FEW_ROUNDINGS, 0 },
    { "norm, relu", { 4, 3, 8, 8 }, 24, norm_relu, CANCELS, 0 },
    { "add", { 2, 3, 8, 8 }, 16, add, FEW_ROUNDINGS, 0 },
    { "add, relu", { 2, 3, 8, 8 }, 16, add_relu, FEW_ROUNDINGS, 0 },
    { "add to itself", { 2, 3, 8, 8 }, 16, add_twice, FEW_ROUNDINGS, 0 },
    { "residual blocks", { 4, 3, 8, 8 }, 32, blocks, 1e-4, 0 },
    { "many readers", { 2, 3, 6, 6 }, 16, tangle, FEW_ROUNDINGS, 0 },
    { "relu that adds", { 2, 3, 6, 6 }, 16, relu_adds, FEW_ROUNDINGS, 0 },
    { "maxpool 3x3 by 2", { 2, 3, 12, 12 }, 16, maxpool_3x3_by_2,
      FEW_ROUNDINGS, 0 },
    { "maxpool 3x3 by 2, odd", { 2, 3, 9, 11 }, 20, maxpool_3x3_by_2,
      FEW_ROUNDINGS, 0 },
    { "maxpool 2x2 by 2", { 2, 3, 8, 10 }, 16, maxpool_2x2_by_2,
      FEW_ROUNDINGS, 0 },
    { "maxpool with ties", { 2, 3, 12, 12 }, 16, maxpool_ties, FEW_ROUNDINGS,
      0 },
    { "avgpool", { 3, 3, 7, 5 }, 24, avgpool, FEW_ROUNDINGS, 0 },
    { "linear", { 5, 3, 4, 4 }, 16, linear, FEW_ROUNDINGS, 0 },
    { "linear of an image", { 3, 3, 5, 5 }, 16, linear_image, FEW_ROUNDINGS,
      0 },
    { "xent", { 5, 3, 4, 4 }, 16, nothing, FEW_ROUNDINGS, 0 },
    { "xent with padding", { 5, 3, 4, 4 }, 16, nothing, FEW_ROUNDINGS, 2 },
    { "xent of padding only", { 3, 3, 4, 4 }, 16, nothing, FEW_ROUNDINGS, 3 },
};
enum { CASES = sizeof cases / sizeof *cases, CLASSES = 7 };

static const struct backend *const backends[] = { &backend_cpu };
enum { BACKENDS = sizeof backends / sizeof *backends };

// ---- running ------------------------------------------------------------

static struct graph *build(const struct op_case *c)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, c->in, (struct input){ { 0 }, { 1, 1, 1 } });

    x = graph_conv(g, x, "before", (struct conv){ .out = c->channels, .k = 1 });
    x = c->build(g, x);
    x = graph_linear(g, graph_avgpool(g, x, "avgpool"), "head",
                     (struct linear){ .out = CLASSES });
    graph_xent(g, x);
    seal(g);
    for (int i = 0; i < g->n_nodes; i++)
        if (graph_is_layer(g, i))
            graph_tap(g, g->nodes[i].out, SIDE_GRAD);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM)
            graph_tap(g, v, SIDE_GRAD);
    return g;
}

struct run { struct plan *plan; struct result result; double *taps; };

static struct run run_on(const struct backend *b, const struct graph *g,
                         const struct op_case *c, bool keep_all,
                         enum mode mode)
{
    struct plan_opts o = { .slots = 1, .threads = 2, .keep_all = keep_all,
        .optim = { .kind = OPTIM_SGD, .momentum = 0.9 } };
    struct run r = { .taps = xcalloc((size_t)g->n_taps, sizeof(double)) };
    struct error err = { 0 };
    int32_t *labels = xcalloc((size_t)c->in.n, sizeof *labels);
    float *x = images_of(g, 5);

    for (int i = 0; i < c->in.n; i++)
        labels[i] = i < c->in.n - c->spare ? (3 * i + 1) % CLASSES : -1;
    check(b->compile(g, &o, NULL, &r.plan, &err), &err);
    start(r.plan, 3);
    r.result = step(r.plan, mode, 0.1, x, labels, r.taps);
    free(x);
    free(labels);
    return r;
}

static void run_end(struct run *r)
{
    r->plan->backend->destroy(r->plan);
    free(r->taps);
}

// ---- comparing ----------------------------------------------------------

static void same_numbers(const struct op_case *c, const char *what,
                         const char *name, const float *is, const float *want,
                         int64_t n)
{
    double most = 0, off = 0;

    for (int64_t i = 0; i < n; i++) {
        if (isnan(is[i]) != isnan(want[i]))
            fail_msg("%s: %s of %s, number %ld is %g, not %g", c->name, what,
                     name, (long)i, is[i], want[i]);
        most = fmax(most, fabs(want[i]));
        off = fmax(off, fabs((double)is[i] - want[i]));
    }
    if (off > c->tolerance * fmax(most, 1e-6))
        fail_msg("%s: %s of %s is off by %.1e of %.3g", c->name, what, name,
                 off / most, most);
}

static void same_value(const struct op_case *c, const char *what, struct run *a,
                       struct run *b, val v, enum side side)
{
    float *is = get_val(a->plan, v, side), *want = get_val(b->plan, v, side);

    same_numbers(c, what, a->plan->graph->values[v].name, is, want,
                 graph_elements(a->plan->graph, v));
    free(is);
    free(want);
}

static void same_results(const struct op_case *c, const struct run *a,
                         const struct run *b)
{
    const struct graph *g = a->plan->graph;
    float loss = (float)a->result.loss, want = (float)b->result.loss;
    double most = 0;

    same_numbers(c, "loss", "the net", &loss, &want, 1);
    assert_int_equal(a->result.correct, b->result.correct);
    // A gradient that is 0 but for rounding (of a bias before a norm) is
    // measured by the others'.
    for (int i = 0; i < g->n_taps; i++)
        most = fmax(most, b->taps[i]);
    for (int i = 0; i < g->n_taps; i++)
        if (fabs(a->taps[i] - b->taps[i]) >
            c->tolerance * fmax(b->taps[i], 1e-3 * most))
            fail_msg("%s: tap on %s is %.9g, not %.9g", c->name,
                     g->values[g->taps[i].value].name, a->taps[i], b->taps[i]);
}

static void same_stored(const struct op_case *c, struct run *a, struct run *b,
                        bool trained)
{
    const struct graph *g = a->plan->graph;

    for (val v = 0; v < g->n_values; v++) {
        if (g->values[v].role == ROLE_ACT)
            continue;
        same_value(c, "content", a, b, v, SIDE_VALUE);
        if (g->values[v].role == ROLE_PARAM && trained) {
            same_value(c, "gradient", a, b, v, SIDE_GRAD);
            same_value(c, "momentum", a, b, v, SIDE_OPTIM);
        }
    }
}

static void same_acts(const struct op_case *c, struct run *a, struct run *b,
                      bool trained)
{
    const struct graph *g = a->plan->graph;

    for (val v = 0; v < g->n_values; v++) {
        if (g->values[v].role != ROLE_ACT)
            continue;
        same_value(c, "value", a, b, v, SIDE_VALUE);
        if (g->values[v].needs_grad && trained)
            same_value(c, "gradient", a, b, v, SIDE_GRAD);
    }
}

static void compare(const struct op_case *c, const struct backend *b,
                    enum mode mode)
{
    struct graph *g = build(c);
    struct run want = run_on(&backend_reference, g, c, true, mode);
    bool trained = mode != MODE_EVAL;

    for (int keep_all = 0; keep_all < 2; keep_all++) {
        struct run is = run_on(b, g, c, keep_all, mode);

        same_results(c, &is, &want);
        same_stored(c, &is, &want, trained);
        same_value(c, "value", &is, &want, g->logits, SIDE_VALUE);
        if (keep_all)
            same_acts(c, &is, &want, trained);
        run_end(&is);
    }
    run_end(&want);
    graph_free(g);
}

struct job { const struct op_case *c; const struct backend *b; };

static void test_case(void **state)
{
    const struct job *job = *state;

    compare(job->c, job->b, MODE_TRAIN);
    compare(job->c, job->b, MODE_GRAD);
    compare(job->c, job->b, MODE_EVAL);
}

int main(void)
{
    static struct job jobs[BACKENDS * CASES];
    static struct CMUnitTest tests[BACKENDS * CASES];
    static char names[BACKENDS * CASES][80];

    for (int b = 0; b < BACKENDS; b++)
        for (int i = 0; i < CASES; i++) {
            int row = b * CASES + i;

            jobs[row] = (struct job){ &cases[i], backends[b] };
            snprintf(names[row], sizeof names[row], "%s: %s",
                     backends[b]->name, cases[i].name);
            tests[row] = (struct CMUnitTest){ .name = names[row],
                .test_func = test_case, .initial_state = &jobs[row] };
        }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
