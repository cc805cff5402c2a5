/* Taps on every backend: what they measure, at any size, fused or not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/backend.h"
#include "tests/steps.h"

static struct subject reference = REFERENCE, cpu = CPU;

static const int32_t some_labels[] = { 3, 0, 4, 1 };
static const int32_t two_classes[] = { 1, 0 };

static double norm_of(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

// Every value and every gradient there is.
static void tap_all(struct graph *g)
{
    for (val v = 0; v < g->n_values; v++) {
        const struct value *row = &g->values[v];
        if (row->role == ROLE_STATE || !row->used)
            continue;
        graph_tap(g, v, SIDE_VALUE);
        if (row->needs_grad)
            graph_tap(g, v, SIDE_GRAD);
    }
}

static void test_taps_are_norms_of_what_is_read(void **state)
{
    const struct subject *s = *state;
    struct graph *g = small_net(4, true);

    tap_all(g);
    struct plan *plan = compile(s->backend, g, (struct plan_opts){ 0 }, NULL);
    double *taps = xcalloc((size_t)g->n_taps, sizeof *taps);
    float *images = images_of(g, 6);
    start(plan, 6);
    step(plan, MODE_GRAD, 0, images, some_labels, taps);
    for (int i = 0; i < g->n_taps; i++) {
        val v = g->taps[i].value;
        float *x = get_val(plan, v, g->taps[i].side);
        double want = norm_of(x, graph_elements(g, v));
        close_to(taps[i], want, s->tolerance * want);
        free(x);
    }
    free(taps), free(images);
    s->backend->destroy(plan);
    graph_free(g);
}

// Layers and parameters, fused and packed or kept one by one: the same norms.
static void test_keeping_all_changes_nothing(void **state)
{
    const struct subject *s = *state;
    struct graph *g = small_net(4, true);
    double *taps[2], loss[2];
    float *images = images_of(g, 7);

    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].used && g->values[v].needs_grad &&
            (g->values[v].role == ROLE_PARAM ||
             graph_is_layer(g, g->values[v].producer)))
            graph_tap(g, v, SIDE_GRAD);
    for (int k = 0; k < 2; k++) {
        struct plan_opts o = { .slots = 1, .threads = 1, .keep_all = k };
        struct plan *plan;
        struct error err = { 0 };
        check(s->backend->compile(g, &o, NULL, &plan, &err), &err);
        start(plan, 7);
        taps[k] = xcalloc((size_t)g->n_taps, sizeof **taps);
        for (int t = 0; t < 2; t++)
            loss[k] = step(plan, MODE_TRAIN, 0.01, images, some_labels,
                           taps[k]).loss;
        s->backend->destroy(plan);
    }
    close_to(loss[0], loss[1], s->tolerance * loss[1]);
    for (int i = 0; i < g->n_taps; i++)
        close_to(taps[0][i], taps[1][i], 10 * s->tolerance * taps[1][i]);
    free(taps[0]), free(taps[1]), free(images);
    graph_free(g);
}

// Twelve layers of weight 2^-10: the gradient shrinks to 1e-37 exactly, its
// square is below every float and the norm must not be 0.
static void test_tiny_gradients_are_not_zero(void **state)
{
    const struct subject *s = *state;
    struct graph *g = graph_new(START_PYTORCH);
    enum { DEPTH = 12 };
    val v[DEPTH], x = graph_input(g, (struct shape){ 2, 1, 2, 2 },
                                  (struct input){ 0 });
    char name[16];
    double taps[DEPTH];

    for (int i = 0; i < DEPTH; i++) {
        snprintf(name, sizeof name, "c%d", i);
        x = v[i] = graph_conv(g, x, name, (struct conv){ .out = 1, .k = 1 });
        graph_tap(g, x, SIDE_GRAD);
    }
    x = graph_avgpool(g, x, "mean");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 2 }));
    seal(g);
    struct plan *plan = compile(s->backend, g, (struct plan_opts){ 0 }, NULL);
    float *images = images_of(g, 9);
    for (int i = 0; i < DEPTH; i++) {
        snprintf(name, sizeof name, "c%d.weight", i);
        put(plan, name, SIDE_VALUE, (float[]){ 0x1p-10f });
    }
    put(plan, "fc.weight", SIDE_VALUE, (float[]){ 0x1p-10f, -0x1p-10f });
    step(plan, MODE_GRAD, 0, images, two_classes, taps);
    for (int i = 0; i < DEPTH; i++)     // powers of two: no rounding
        close_to(taps[i] / taps[DEPTH - 1], ldexp(1, -10 * (DEPTH - 1 - i)),
                 1e-6 * ldexp(1, -10 * (DEPTH - 1 - i)));
    assert_true(taps[0] > 0 && taps[0] < 1e-35);
    free(images);
    s->backend->destroy(plan);
    graph_free(g);
}

struct moments { double mean, std, zeros; };    // zeros: their share

static struct moments moments_of(const float *y, int64_t n)
{
    double mean = 0, square = 0;
    int64_t zeros = 0;

    for (int64_t i = 0; i < n; i++) {
        mean += y[i] / (double)n;
        zeros += y[i] == 0;
    }
    for (int64_t i = 0; i < n; i++)
        square += (y[i] - mean) * (y[i] - mean) / (double)n;
    return (struct moments){ mean, sqrt(square), (double)zeros / (double)n };
}

// What measures of a relu's output and of an update must be, worked out from
// what can be read.
static void test_measures_are_of_what_is_read(void **state)
{
    const struct subject *s = *state;
    // 5 channels: a backend that pads them must not count the padding.
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 4, 3, 9, 7 }, (struct input){ 0 });
    double taps[6];

    x = graph_conv(g, x, "c", (struct conv){ .out = 5, .k = 3, .bias = true });
    x = graph_relu(g, graph_norm(g, x, "n", (struct norm){ 0 }), "r");
    val relu = x;
    x = graph_linear(g, graph_avgpool(g, x, "mean"), "fc",
                     (struct linear){ 5 });
    graph_xent(g, x);
    seal(g);
    graph_tap_as(g, relu, MEASURE_MEAN);
    graph_tap_as(g, relu, MEASURE_STD);
    graph_tap_as(g, relu, MEASURE_ZEROS);
    graph_tap_as(g, graph_find(g, "c.weight"), MEASURE_CHANGE);
    graph_tap(g, graph_find(g, "c"), SIDE_GRAD);
    graph_tap_as(g, graph_find(g, "c"), MEASURE_SAMPLES);
    struct plan_opts o = { .optim = { .kind = OPTIM_ADAM, .beta1 = 0.9,
                                      .beta2 = 0.999, .eps = 1e-8 } };
    struct plan *plan = compile(s->backend, g, o, NULL);
    float *images = images_of(g, 8);
    start(plan, 8);
    float *before = get(plan, "c.weight", SIDE_VALUE);

    step(plan, MODE_GRAD, 0.01, images, some_labels, taps);
    assert_true(taps[3] == 0);
    for (int t = 0; t < 2; t++) {
        step(plan, MODE_TRAIN, 0.01, images, some_labels, taps);
        float *y = get(plan, "r", SIDE_VALUE);
        float *after = get(plan, "c.weight", SIDE_VALUE);
        int64_t n = graph_elements(g, relu);
        struct moments m = moments_of(y, n);
        double change = 0;
        for (int64_t i = 0; i < size_of(plan, "c.weight"); i++)
            change += pow((double)after[i] - before[i], 2);
        float *dy = get(plan, "c", SIDE_GRAD);
        double each = 0;
        for (int i = 0; i < 4; i++)
            each += norm_of(dy + i * n / 4, n / 4);
        close_to(taps[5], each, 10 * s->tolerance * each);
        // Of the same numbers, perhaps in the same pass.
        close_to(taps[4], norm_of(dy, n), 10 * s->tolerance * norm_of(dy, n));
        free(dy);
        close_to(taps[0], m.mean, s->tolerance * m.mean);
        close_to(taps[1], m.std, s->tolerance * m.std);
        assert_true(taps[2] == m.zeros && m.zeros > 0);
        // A weight of 0.3 in float32 is off by 1.5e-8, and moves by 0.01.
        close_to(taps[3], sqrt(change), 1e-5 * sqrt(change));
        free(y), free(before);
        before = after;
    }
    free(before), free(images);
    s->backend->destroy(plan);
    graph_free(g);
}

// Fused, packed and with shared memory the measures are the same numbers, and
// the other taps do not see that they are taken.
static void test_measures_in_a_packed_plan(void **state)
{
    const struct subject *s = *state;
    struct graph *g = small_net(4, true);
    enum { TAPS = 5 };
    double taps[2][TAPS];
    float *images = images_of(g, 9);

    graph_tap(g, graph_find(g, "c2"), SIDE_GRAD);
    graph_tap_as(g, graph_find(g, "r2"), MEASURE_ZEROS);
    graph_tap_as(g, graph_find(g, "r1"), MEASURE_STD);
    graph_tap_as(g, graph_find(g, "c2.weight"), MEASURE_CHANGE);
    graph_tap(g, graph_find(g, "c1.weight"), SIDE_GRAD);
    for (int k = 0; k < 2; k++) {
        struct plan_opts o = { .slots = 1, .threads = 1, .keep_all = k,
                               .optim.momentum = 0.9 };
        struct plan *plan;
        struct error err = { 0 };
        check(s->backend->compile(g, &o, NULL, &plan, &err), &err);
        start(plan, 7);
        for (int t = 0; t < 2; t++)
            step(plan, MODE_TRAIN, 0.01, images, some_labels, taps[k]);
        s->backend->destroy(plan);
    }
    for (int i = 0; i < TAPS; i++)
        close_to(taps[0][i], taps[1][i], 10 * s->tolerance * taps[1][i]);
    assert_true(taps[0][3] > 0);
    free(images);
    graph_free(g);
}

#define TESTS_ON(backend)                                                      \
    TEST(test_taps_are_norms_of_what_is_read, backend),                        \
    TEST(test_keeping_all_changes_nothing, backend),                           \
    TEST(test_tiny_gradients_are_not_zero, backend),                           \
    TEST(test_measures_are_of_what_is_read, backend),                          \
    TEST(test_measures_in_a_packed_plan, backend)

int main(void)
{
    const struct CMUnitTest tests[] = { TESTS_ON(reference), TESTS_ON(cpu) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
