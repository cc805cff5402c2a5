/* The reference backend: gradients against finite differences, and what each
 * op means where a sum is not the point: windows, ties, nan, pixels. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/backend.h"
#include "tests/steps.h"

// ---- gradients against finite differences -------------------------------

// Every op; a value with two consumers; a convolution below and above others.
static struct graph *net_of_all_ops(void)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 3, 2, 7, 6 }, (struct input){ 0 });

    x = graph_conv(g, x, "c1", (struct conv){ .out = 4, .k = 3, .pad = 1 });
    x = graph_norm(g, x, "n1", (struct norm){ 0 });
    x = graph_relu(g, x, "r1");
    x = graph_maxpool(g, x, "pool", (struct maxpool){ 3, 2, 1 });
    val y = graph_conv(g, x, "c2",
                       (struct conv){ .out = 4, .k = 1, .bias = true });
    val z = graph_conv(g, y, "c3", (struct conv){ .out = 4, .k = 3, .pad = 1 });
    z = graph_norm(g, z, "n3", (struct norm){ 0 });
    z = graph_add(g, z, y, "add");
    z = graph_relu(g, z, "r3");
    z = graph_avgpool(g, z, "mean");
    graph_xent(g, graph_linear(g, z, "fc", (struct linear){ 5 }));
    seal(g);
    return g;
}

// A window of every kind between a 1 x 1 convolution, which has gradients to
// hand down to, and the loss.
static struct graph *net_of_window(struct conv conv, struct maxpool pool)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 2, 2, 9, 8 }, (struct input){ 0 });

    x = graph_conv(g, x, "first",
                   (struct conv){ .out = 3, .k = 1, .bias = true });
    if (conv.k)
        x = graph_conv(g, x, "window", conv);
    else
        x = graph_maxpool(g, x, "window", pool);
    x = graph_relu(g, x, "relu");
    x = graph_avgpool(g, x, "mean");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 4 }));
    seal(g);
    return g;
}

// d(loss) / d(w[i]) by moving the weight both ways. It is a float32, so the
// distance is what came out of rounding, not what was asked for.
static double slope(struct plan *plan, val v, float *w, int64_t i,
                    const float *images, const int32_t *labels)
{
    float keep = w[i], at[2] = { keep + 1e-5f, keep - 1e-5f };
    double loss[2];
    struct error err = { 0 };

    for (int k = 0; k < 2; k++) {
        w[i] = at[k];
        check(plan->backend->write(plan, v, SIDE_VALUE, w, &err), &err);
        loss[k] = step(plan, MODE_GRAD, 0, images, labels, NULL).loss;
    }
    w[i] = keep;
    check(plan->backend->write(plan, v, SIDE_VALUE, w, &err), &err);
    return (loss[0] - loss[1]) / ((double)at[0] - at[1]);
}

// Largest difference over all elements of v, relative to its largest gradient
// (or to 1e-3: a bias in front of a norm has none at all).
static double worst_slope(struct plan *plan, val v, const float *images,
                          const int32_t *labels)
{
    int64_t n = graph_elements(plan->graph, v);
    float *w = get_val(plan, v, SIDE_VALUE), *dw;
    double worst = 0, largest = 1e-3;

    step(plan, MODE_GRAD, 0, images, labels, NULL);
    dw = get_val(plan, v, SIDE_GRAD);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(dw[i]));
    for (int64_t i = 0; i < n; i++)
        worst = fmax(worst, fabs(slope(plan, v, w, i, images, labels) - dw[i]));
    free(w);
    free(dw);
    return worst / largest;
}

// Of a step of 1e-5, the third derivative leaves 1e-10, rounding of the loss
// 1e-11, reading gradients as float32 6e-8.
static void check_gradients(struct graph *g, const char *what)
{
    struct plan *plan = compile(&backend_reference, g, (struct plan_opts){ 0 },
                                NULL);
    const int32_t labels[] = { 1, 3, -1 };
    float *images = images_of(g, 5);
    double worst = 0;
    int checked = 0;

    start(plan, 5);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM) {
            worst = fmax(worst, worst_slope(plan, v, images, labels));
            checked += (int)graph_elements(g, v);
        }
    print_message("# %s: %d slopes, worst %.1e\n", what, checked, worst);
    assert_true(worst < 1e-6);
    free(images);
    backend_reference.destroy(plan);
    graph_free(g);
}

static void test_gradients_of_all_ops(void **state)
{
    (void)state;
    check_gradients(net_of_all_ops(), "all ops, one label is padding");
}

static void test_gradients_of_windows(void **state)
{
    static const struct conv convs[] = {
        { 3, 1, 1, 0, false }, { 3, 1, 2, 0, true }, { 3, 3, 1, 1, false },
        { 3, 3, 2, 1, true }, { 2, 3, 2, 0, false }, { 2, 5, 3, 2, false },
        { 2, 2, 1, 1, true }, { 2, 7, 2, 3, false }, { 2, 8, 1, 0, false },
    };
    static const struct maxpool pools[] = {
        { 2, 2, 0 }, { 3, 2, 1 }, { 3, 1, 1 }, { 3, 3, 0 },
    };
    char what[64];

    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        struct conv c = convs[i];
        snprintf(what, sizeof what, "conv k %d stride %d pad %d", c.k, c.stride,
                 c.pad);
        check_gradients(net_of_window(c, (struct maxpool){ 0 }), what);
    }
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        struct maxpool m = pools[i];
        snprintf(what, sizeof what, "maxpool k %d stride %d pad %d", m.k,
                 m.stride, m.pad);
        check_gradients(net_of_window((struct conv){ 0 }, m), what);
    }
}

// ---- forward, by the definition -----------------------------------------

// Element (n, c, h, w) of x, 0 outside of the image.
static double at(const float *x, struct shape s, int n, int c, int h, int w)
{
    if (h < 0 || h >= s.h || w < 0 || w >= s.w)
        return 0;
    return x[((n * s.c + c) * s.h + h) * s.w + w];
}

static void test_conv_by_its_definition(void **state)
{
    struct conv c = { 3, 3, 2, 1, true };
    struct graph *g = net_of_window(c, (struct maxpool){ 0 });
    struct plan *plan = compile(&backend_reference, g, (struct plan_opts){ 0 },
                                NULL);
    float *images = images_of(g, 8);

    (void)state;
    start(plan, 8);
    step(plan, MODE_GRAD, 0, images, (int32_t[]){ 0, 1 }, NULL);
    float *x = get(plan, "first", SIDE_VALUE);
    float *y = get(plan, "window", SIDE_VALUE);
    float *w = get(plan, "window.weight", SIDE_VALUE);
    float *b = get(plan, "window.bias", SIDE_VALUE);
    struct shape xs = graph_shape(g, graph_find(g, "first"));
    struct shape ys = graph_shape(g, graph_find(g, "window"));

    assert_int_equal(ys.h, 5);
    assert_int_equal(ys.w, 4);
    for (int i = 0; i < ys.n * ys.c * ys.h * ys.w; i++) {
        int col = i % ys.w, row = i / ys.w % ys.h, o = i / ys.w / ys.h % ys.c;
        int n = i / ys.w / ys.h / ys.c;
        double sum = b[o];
        for (int k = 0; k < xs.c * 9; k++)
            sum += w[o * xs.c * 9 + k] *
                   at(x, xs, n, k / 9, 2 * row - 1 + k / 3 % 3,
                      2 * col - 1 + k % 3);
        // x and y went through float32: a sum of 28 numbers around 1.
        assert_true(fabs(y[i] - sum) < 1e-6);
    }
    free(x), free(y), free(w), free(b), free(images);
    backend_reference.destroy(plan);
    graph_free(g);
}

// ---- corners ------------------------------------------------------------

// (1, 1, 2, 2) -> maxpool over all -> linear, weights 1: the gradient of the
// image shows where it went.
static struct graph *net_of_corner(bool relu)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 1, 1, 2, 2 }, (struct input){ 0 });

    x = graph_conv(g, x, "copy", (struct conv){ .out = 1, .k = 1 });
    if (relu)
        x = graph_relu(g, x, "relu");
    x = graph_maxpool(g, x, "max", (struct maxpool){ 2, 2, 0 });
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 2 }));
    seal(g);
    return g;
}

static double corner(const float image[4], bool relu, float dx[4])
{
    struct graph *g = net_of_corner(relu);
    struct plan *plan = compile(&backend_reference, g, (struct plan_opts){ 0 },
                                NULL);

    put(plan, "copy.weight", SIDE_VALUE, (float[]){ 1 });
    put(plan, "fc.weight", SIDE_VALUE, (float[]){ 1, -1 });
    double loss = step(plan, MODE_GRAD, 0, image, (int32_t[]){ 0 }, NULL).loss;
    float *grad = get(plan, "copy", SIDE_GRAD);
    memcpy(dx, grad, 4 * sizeof *dx);
    free(grad);
    backend_reference.destroy(plan);
    graph_free(g);
    return loss;
}

static void test_maxpool_takes_the_first_of_equals(void **state)
{
    float dx[4];

    (void)state;
    corner((float[]){ 1, 2, 2, 2 }, false, dx);
    assert_true(dx[0] == 0 && dx[1] != 0 && dx[2] == 0 && dx[3] == 0);
}

static void test_relu_has_no_gradient_at_zero(void **state)
{
    float dx[4];

    (void)state;
    corner((float[]){ -1, 0, -2, -3 }, true, dx);
    assert_true(dx[0] == 0 && dx[1] == 0 && dx[2] == 0 && dx[3] == 0);
}

static void test_nan_is_not_swallowed(void **state)
{
    float dx[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        float image[4] = { 1, 2, 3, 4 };
        image[i] = NAN;
        assert_true(isnan(corner(image, true, dx)));
    }
}

static void test_pixels_are_normalised(void **state)
{
    struct graph *g = graph_new(START_PYTORCH);
    struct input how = { .mean = { 0.5f, 0.25f, 0 },
                         .std = { 0.5f, 0.25f, 2 } };
    val x = graph_input(g, (struct shape){ 2, 3, 1, 2 }, how);

    (void)state;
    x = graph_avgpool(g, x, "mean");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 2 }));
    seal(g);
    struct plan *plan = compile(&backend_reference, g, (struct plan_opts){ 0 },
                                NULL);
    struct slot *slot = backend_reference.slot(plan, 0);
    for (int i = 0; i < 12; i++)        // (n, h, w, c)
        slot->pixels[i] = (uint8_t)(i % 3 == 0 ? 0 : i % 3 == 1 ? 51 : 255);
    slot->pixels[3] = 255;              // image 0, column 1, red
    step(plan, MODE_EVAL, 0, NULL, (int32_t[]){ 0, 0 }, NULL);
    float *y = get(plan, "input", SIDE_VALUE);
    const double want[12] = { -1, 1, -0.2, -0.2, 0.5, 0.5,
                              -1, -1, -0.2, -0.2, 0.5, 0.5 };
    for (int i = 0; i < 12; i++)        // one rounding to float32
        assert_true(fabs(y[i] - want[i]) < 1e-7);
    free(y);
    backend_reference.destroy(plan);
    graph_free(g);
}

// Same bits whatever the number of threads: every sum has one order.
static void test_threads_change_nothing(void **state)
{
    struct graph *g = net_of_all_ops();
    float *images = images_of(g, 3), *grads[2];

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct plan *plan = compile(&backend_reference, g, (struct plan_opts){
                                    .threads = k ? 3 : 1 }, NULL);
        start(plan, 3);
        for (int t = 0; t < 3; t++)
            step(plan, MODE_TRAIN, 0.1, images, (int32_t[]){ 0, 1, 2 }, NULL);
        grads[k] = get(plan, "c1.weight", SIDE_GRAD);
        backend_reference.destroy(plan);
    }
    assert_memory_equal(grads[0], grads[1], 4 * 2 * 9 * sizeof(float));
    free(grads[0]), free(grads[1]), free(images);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_all_ops),
        cmocka_unit_test(test_gradients_of_windows),
        cmocka_unit_test(test_conv_by_its_definition),
        cmocka_unit_test(test_maxpool_takes_the_first_of_equals),
        cmocka_unit_test(test_relu_has_no_gradient_at_zero),
        cmocka_unit_test(test_nan_is_not_swallowed),
        cmocka_unit_test(test_pixels_are_normalised),
        cmocka_unit_test(test_threads_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
