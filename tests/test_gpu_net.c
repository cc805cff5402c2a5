/* Whole plans of the CUDA backend: what test_op.c and test_backend.c, which run
 * on it too, do not ask. Linked with the backend as the tests run it on a CPU
 * (tests/emulate), or with the module and a card (tests/gpu_module.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "model/nets.h"
#include "tests/steps.h"

extern const struct backend backend_cuda;

static const int32_t labels[] = { 3, 0, 4, 1 };
enum { BATCH = 4, SIZE = 16, ONE = SIZE * SIZE * 3 };

// Every layer's gradient is recorded.
static struct graph *net_of(const struct net_opts *o)
{
    struct error err = { 0 };
    struct graph *g = net_build(o, &err);

    if (!g)
        fail_msg("%s", err.text);
    for (int i = 0; i < g->n_nodes; i++)
        if (graph_is_layer(g, i)) {
            graph_tap(g, g->nodes[i].out, SIDE_GRAD);
            graph_tap(g, g->nodes[i].out, SIDE_VALUE);
            graph_tap(g, g->nodes[i].param[0], SIDE_GRAD);
            graph_tap(g, g->nodes[i].param[0], SIDE_VALUE);
        }
    return g;
}

// ResNet-18 at an eighth of its width.
static struct graph *net(bool skip, int batch)
{
    struct net_opts o = { .arch = "resnet18", .width = 0.125, .classes = 10,
        .batch = batch, .image_size = SIZE,
        .skip = { skip, skip, skip, skip },
        .input = { { 0.5f, 0.4f, 0.3f }, { 0.2f, 0.3f, 0.4f } } };

    return net_of(&o);
}

static struct plan *compile_with(const struct backend *b, const struct graph *g,
                                 struct plan_opts o)
{
    struct plan *plan = NULL;
    struct error err = { 0 };

    o.slots = o.slots ? o.slots : 1;
    o.threads = 2;
    o.optim = (struct optim){ .kind = OPTIM_SGD, .momentum = 0.9 };
    check(b->compile(g, &o, NULL, &plan, &err), &err);
    check(init_plan(plan, 1, &err), &err);
    return plan;
}

// How far norms are from the reference's, relative, the largest of all taps.
static double norms_off(const double *is, const double *want, int n)
{
    double off = 0, size = 0;

    for (int i = 0; i < n; i++)
        size = fmax(size, want[i]);
    for (int i = 0; i < n; i++) {
        if (isnan(is[i]))
            return NAN;
        off = fmax(off, fabs(is[i] - want[i]) / fmax(want[i], 1e-6 * size));
    }
    return off;
}

// ---- the same as the reference ----------------------------------------------

// Two steps against the reference device. In float32 the first one agrees to
// some 1e-4: 20 layers with their norms, and relu masks that flip. bf16 has 8
// bits, and 20 layers of them: magnitudes, within a factor of two. TF32 has 11
// where things are multiplied, and all 24 elsewhere.
static void whole_net(bool skip, enum precision precision, double tolerance)
{
    struct graph *g = net(skip, BATCH);
    struct plan *ref = compile_with(&backend_reference, g,
                                    (struct plan_opts){ 0 });
    struct plan_opts o = { .precision = precision };
    struct plan *gpu = compile_with(&backend_cuda, g, o);
    double *want = xcalloc((size_t)g->n_taps, sizeof *want);
    double *is = xcalloc((size_t)g->n_taps, sizeof *is);
    float *x = images_of(g, 1);

    struct result a = step(ref, MODE_TRAIN, 1e-3, x, labels, want);
    struct result b = step(gpu, MODE_TRAIN, 1e-3, x, labels, is);
    close_to(b.loss, a.loss, tolerance * a.loss);
    double off = norms_off(is, want, g->n_taps);
    if (!(off <= 10 * tolerance))
        fail_msg("norms are off by %.2g, want %.2g", off, 10 * tolerance);
    a = step(ref, MODE_EVAL, 0, x, labels, NULL);
    b = step(gpu, MODE_EVAL, 0, x, labels, NULL);
    close_to(b.loss, a.loss, 10 * tolerance * a.loss);
    gpu->backend->destroy(gpu);
    ref->backend->destroy(ref);
    graph_free(g);
    free(want), free(is), free(x);
}

static void test_f32_with_skips(void **state)
{
    (void)state;
    whole_net(true, PREC_F32, 1e-4);
}

static void test_f32_without_skips(void **state)
{
    (void)state;
    whole_net(false, PREC_F32, 1e-3);
}

static void test_bf16_keeps_magnitudes(void **state)
{
    (void)state;
    whole_net(true, PREC_BF16, 0.1);
}

// Without norms and skips gradients shrink by some 0.4 a layer. What arrives at
// the first one is still seen, in each precision: to a quarter, as roundings of
// 49 layers in bf16, and the relu masks that they flip, leave it.
static void test_vanishing_gradients_are_seen(void **state)
{
    struct net_opts o = { .arch = "resnet50", .width = 0.125, .classes = 10,
        .norm = NORM_NONE, .batch = BATCH, .image_size = SIZE,
        .input = { { 0.5f, 0.4f, 0.3f }, { 0.2f, 0.3f, 0.4f } } };
    struct graph *g = net_of(&o);
    double *want = xcalloc((size_t)g->n_taps, sizeof *want);
    double *is = xcalloc((size_t)g->n_taps, sizeof *is);
    float *x = images_of(g, 1);

    (void)state;
    struct plan *ref = compile_with(&backend_reference, g,
                                    (struct plan_opts){ 0 });
    step(ref, MODE_GRAD, 0, x, labels, want);
    ref->backend->destroy(ref);
    assert_true(want[0] > 0 && want[0] < 1e-19);
    for (int p = PREC_F32; p <= PREC_BF16; p++) {
        struct plan *gpu = compile_with(&backend_cuda, g, (struct plan_opts){
            .precision = (enum precision)p });
        step(gpu, MODE_GRAD, 0, x, labels, is);
        for (int i = 0; i < g->n_taps; i++)
            close_to(is[i], want[i], (p == PREC_F32 ? 1e-4 : 0.25) * want[i]);
        gpu->backend->destroy(gpu);
    }
    graph_free(g);
    free(want), free(is), free(x);
}

// ---- the same twice ---------------------------------------------------------

// Loss and norms of three steps.
static double *history(const struct graph *g, struct plan_opts o)
{
    struct plan *plan = compile_with(&backend_cuda, g, o);
    size_t row = (size_t)g->n_taps + 1;
    double *all = xcalloc(3 * row, sizeof *all);
    float *x = images_of(g, 2);

    for (size_t t = 0; t < 3; t++)
        all[t * row] = step(plan, MODE_TRAIN, 0.01, x, labels,
                            all + t * row + 1).loss;
    plan->backend->destroy(plan);
    free(x);
    return all;
}

static void test_tf32_is_between(void **state)
{
    (void)state;
    whole_net(true, PREC_TF32, 0.02);
    struct graph *g = net(true, BATCH);
    double *f32 = history(g, (struct plan_opts){ 0 });
    double *tf32 = history(g, (struct plan_opts){ .precision = PREC_TF32 });
    assert_true(f32[0] != tf32[0]);     // it is not f32 after all
    free(f32), free(tf32);
    graph_free(g);
}

// What runs beside the main stream may run as early or as late as it likes, and
// blocks in any order (on a card the second history is the first again).
static void test_order_does_not_matter(void **state)
{
    struct graph *g = net(true, BATCH);
    size_t bytes = 3 * ((size_t)g->n_taps + 1) * sizeof(double);

    (void)state;
    for (int p = PREC_F32; p <= PREC_BF16; p += PREC_BF16) {
        struct plan_opts o = { .precision = (enum precision)p };
        double *late = history(g, o);
        setenv("GRADWATCH_EMULATED_EAGER", "1", 1);
        setenv("GRADWATCH_EMULATED_BACKWARDS", "1", 1);
        double *early = history(g, o);
        unsetenv("GRADWATCH_EMULATED_BACKWARDS");
        unsetenv("GRADWATCH_EMULATED_EAGER");
        assert_memory_equal(late, early, bytes);
        free(late), free(early);
    }
    graph_free(g);
}

static void test_the_same_bits_twice(void **state)
{
    struct graph *g = net(true, BATCH);
    size_t bytes = 3 * ((size_t)g->n_taps + 1) * sizeof(double);

    (void)state;
    for (int p = PREC_F32; p <= PREC_BF16; p++) {
        struct plan_opts o = { .precision = (enum precision)p };
        double *a = history(g, o), *b = history(g, o);
        assert_memory_equal(a, b, bytes);
        free(a), free(b);
    }
    graph_free(g);
}

// Statistics out of a convolution's epilogue, as cuDNN may offer them, are the
// same but for float32's rounding, which bf16 makes some 1e-3 of in places.
// (On a card, which decides for itself, both histories are the same.)
static void test_sums_in_passing(void **state)
{
    struct graph *g = net(true, BATCH);
    struct plan_opts o = { .precision = PREC_BF16 };

    (void)state;
    double *a = history(g, o);
    setenv("GRADWATCH_EMULATED_SUMS", "1", 1);
    double *b = history(g, o);
    unsetenv("GRADWATCH_EMULATED_SUMS");
    close_to(a[0], b[0], 1e-2 * b[0]);
    assert_true(norms_off(a + 1, b + 1, g->n_taps) <= 0.1);
    free(a), free(b);
    graph_free(g);
}

// Fusing and the sharing of memory change how, not what: float32's roundings
// differ in a few places.
static void test_fused_is_unfused(void **state)
{
    struct graph *g = net(true, BATCH);
    struct plan_opts kept = { .keep_all = true };

    (void)state;
    double *a = history(g, (struct plan_opts){ 0 }), *b = history(g, kept);
    close_to(a[0], b[0], 1e-6 * b[0]);
    assert_true(norms_off(a + 1, b + 1, g->n_taps) <= 1e-3);
    free(a), free(b);
    graph_free(g);
}

// ---- images -----------------------------------------------------------------

static uint8_t *pixels_of(int n)
{
    uint8_t *x = xmalloc((size_t)n * ONE);

    for (size_t i = 0; i < (size_t)n * ONE; i++)
        x[i] = (uint8_t)rng_bits(3, 3, i);
    return x;
}

static double loss_of(struct plan *plan, int slot)
{
    struct result r = { 0 };
    struct error err = { 0 };

    check(plan->backend->submit(plan, slot, MODE_GRAD, 0, &err), &err);
    check(plan->backend->collect(plan, &r, &err), &err);
    return r.loss;
}

// Through pixels, through resident images by index, and through values.
static void test_images_by_three_ways(void **state)
{
    static const int32_t index[] = { 5, 0, 2, 5 };
    struct graph *g = net(false, BATCH);
    struct plan *plan = compile_with(&backend_cuda, g,
                                     (struct plan_opts){ .slots = 2 });
    struct slot *slot = plan->backend->slot(plan, 1);
    const struct input *in = &g->nodes[0].at.input;
    uint8_t *pixels = pixels_of(6);
    float *values = xcalloc(BATCH * ONE, sizeof *values);
    struct images im = { pixels, NULL, 6, SIZE, SIZE };
    struct error err = { 0 };

    (void)state;
    memcpy(slot->labels, labels, sizeof labels);
    memcpy(slot->index, index, sizeof index);
    for (int i = 0; i < BATCH; i++)
        memcpy(slot->pixels + i * ONE, pixels + index[i] * ONE, ONE);
    for (int i = 0; i < BATCH * ONE; i++) {     // (n, h, w, c) to (n, c, h, w)
        int n = i / ONE, at = i % ONE / 3, c = i % 3;
        values[n * ONE + c * SIZE * SIZE + at] =
            ((float)slot->pixels[i] / 255.0f - in->mean[c]) / in->std[c];
    }
    double by_pixels = loss_of(plan, 1);
    slot->by_index = true;
    assert_int_equal(plan->backend->submit(plan, 1, MODE_GRAD, 0, &err),
                     ERR_USAGE);
    assert_int_equal(plan->backend->reside(plan, &im, &err), 1);
    double by_index = loss_of(plan, 1);
    slot->by_index = false;
    assert_true(loss_of(plan, 1) == by_index);
    slot->values = values;
    double by_values = loss_of(plan, 1);
    assert_true(by_pixels == by_index && by_pixels == by_values);

    slot->values = NULL;
    slot->by_index = true;
    slot->index[2] = 6;
    assert_int_equal(plan->backend->submit(plan, 1, MODE_GRAD, 0, &err),
                     ERR_USAGE);
    assert_string_equal(err.text, "index 6 of image 2, must be 0 to 5");
    plan->backend->destroy(plan);
    graph_free(g);
    free(pixels), free(values);
}

// ---- what does not fit ------------------------------------------------------

static void test_too_large_is_refused_before_it_starts(void **state)
{
    struct net_opts o = { .arch = "resnet152", .width = 4, .classes = 1000,
        .batch = 4096, .image_size = 64, .skip = { true, true, true, true } };
    struct error err = { 0 };
    struct graph *g = net_build(&o, &err);
    struct plan *plan = NULL;

    (void)state;
    assert_non_null(g);
    assert_int_equal(backend_cuda.compile(g, &(struct plan_opts){ .slots = 1 },
                                          NULL, &plan, &err), ERR_MEMORY);
    assert_null(plan);
    assert_non_null(strstr(err.text, "this network at batch 4096 wants"));
    graph_free(g);

    g = net(true, BATCH);                       // the next job runs
    plan = compile_with(&backend_cuda, g, (struct plan_opts){ 0 });
    float *x = images_of(g, 1);
    assert_true(step(plan, MODE_GRAD, 0, x, labels, NULL).loss > 0);
    plan->backend->destroy(plan);
    graph_free(g);
    free(x);
}

// What a dry run says, without a device, is what the plan will hold: that knows
// of fusing, masks, slots and workspaces.
static void test_need_is_foretold(void **state)
{
    (void)state;
    for (int p = PREC_F32; p <= PREC_BF16; p += PREC_BF16) {
        struct net_opts o = { .arch = "resnet50", .width = 1, .classes = 200,
            .batch = 16, .image_size = 64, .skip = { true, true, true, true } };
        struct job job = { .train = { .momentum = 0.9,
            .precision = p == PREC_BF16 ? PRECISION_BF16 : PRECISION_F32 } };
        struct error err = { 0 };
        struct graph *g = net_build(&o, &err);
        struct plan *plan = NULL;

        check(backend_cuda.compile(g, &(struct plan_opts){ .slots = 4,
              .precision = (enum precision)p, .optim.momentum = 0.9 }, NULL,
              &plan, &err), &err);
        double is = (double)plan->bytes, told = (double)net_memory(g, &job);
        if (!(fabs(is - told) <= 0.1 * told))
            fail_msg("the plan holds %.0f bytes, foretold are %.0f", is, told);
        plan->backend->destroy(plan);
        graph_free(g);
    }
}

static void test_memory_follows_life_spans(void **state)
{
    struct graph *g = net(true, 64);
    struct plan *kept = compile_with(&backend_cuda, g,
                                     (struct plan_opts){ .keep_all = true });
    struct plan *fused = compile_with(&backend_cuda, g,
                                      (struct plan_opts){ 0 });

    (void)state;
    assert_true(fused->bytes < kept->bytes);
    fused->backend->destroy(fused);
    kept->backend->destroy(kept);
    graph_free(g);
}

static void test_mistakes(void **state)
{
    struct graph *g = net(true, BATCH);
    struct plan_opts o = { .slots = 0 };
    struct plan *plan = NULL;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(backend_cuda.compile(g, &o, NULL, &plan, &err), ERR_USAGE);
    assert_string_equal(err.text, "slots is 0, must be 1 to 1024");
    o = (struct plan_opts){ .slots = 2 };
    plan = compile_with(&backend_cuda, g, o);
    float *x = images_of(g, 1);
    plan->backend->slot(plan, 0)->values = x;
    check(plan->backend->submit(plan, 0, MODE_GRAD, 0, &err), &err);
    assert_int_equal(plan->backend->submit(plan, 0, MODE_GRAD, 0, &err),
                     ERR_STATE);
    assert_string_equal(err.text, "slot 0 waits to be collected");
    plan->backend->destroy(plan);
    graph_free(g);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_with_skips),
        cmocka_unit_test(test_f32_without_skips),
        cmocka_unit_test(test_bf16_keeps_magnitudes),
        cmocka_unit_test(test_tf32_is_between),
        cmocka_unit_test(test_vanishing_gradients_are_seen),
        cmocka_unit_test(test_the_same_bits_twice),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_sums_in_passing),
        cmocka_unit_test(test_fused_is_unfused),
        cmocka_unit_test(test_images_by_three_ways),
        cmocka_unit_test(test_too_large_is_refused_before_it_starts),
        cmocka_unit_test(test_need_is_foretold),
        cmocka_unit_test(test_memory_follows_life_spans),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
