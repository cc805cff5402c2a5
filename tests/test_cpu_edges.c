/* The CPU backend at its edges: pixels, slots, padding, and every request that
 * it refuses, with the words it uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/steps.h"

enum { CLASSES = 4 };

static struct graph *small(int batch, int size, bool norm)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ batch, 3, size, size },
        (struct input){ { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } });

    x = graph_conv(g, x, "conv", (struct conv){ .out = 16, .k = 1 });
    if (norm)
        x = graph_norm(g, x, "bn", (struct norm){ 0 });
    x = graph_avgpool(g, graph_relu(g, x, "relu"), "pool");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ CLASSES }));
    seal(g);
    return g;
}

static struct plan *lean(const struct graph *g, int slots)
{
    struct plan_opts o = { .slots = slots };
    struct plan *p = NULL;
    struct error err = { 0 };

    check(backend_cpu.compile(g, &o, NULL, &p, &err), &err);
    return p;
}

static void wants(int rc, int code, const struct error *err, const char *words)
{
    if (rc != code || !strstr(err->text, words))
        fail_msg("%d \"%s\", not %d \"...%s...\"", rc, err->text, code, words);
}

static void test_pixels(void **state)
{
    (void)state;
    struct graph *g = small(3, 5, false);
    const struct backend *backends[] = { &backend_cpu, &backend_reference };
    float *logits[2], *input[2];

    for (int b = 0; b < 2; b++) {
        struct plan *p = compile(backends[b], g, (struct plan_opts){ 0 }, NULL);
        struct slot *slot = p->backend->slot(p, 0);
        start(p, 1);
        for (int64_t i = 0; i < graph_elements(g, g->input); i++)
            slot->pixels[i] = (uint8_t)(rng_bits(1, 2, (uint64_t)i) >> 13);
        step(p, MODE_EVAL, 0, NULL, (int32_t[]){ 0, 1, 2 }, NULL);
        logits[b] = get_val(p, g->logits, SIDE_VALUE);
        input[b] = get_val(p, g->input, SIDE_VALUE);
        p->backend->destroy(p);
    }
    // Both round the same double once.
    assert_memory_equal(input[0], input[1],
                        (size_t)graph_elements(g, g->input) * sizeof(float));
    for (int i = 0; i < 3 * CLASSES; i++)
        assert_true(fabs((double)logits[0][i] - logits[1][i]) < 1e-5);
    for (int b = 0; b < 2; b++) {
        free(logits[b]);
        free(input[b]);
    }
    graph_free(g);
}

// Results come in the order of the steps, also when several wait.
static void test_slots_are_a_queue(void **state)
{
    (void)state;
    struct graph *g = small(2, 4, true);
    struct plan *p = lean(g, 2);
    struct error err = { 0 };
    struct result r[3] = { 0 };

    start(p, 1);
    wants(backend_cpu.collect(p, &r[0], &err), ERR_STATE, &err,
          "no step waits");
    for (int i = 0; i < 2; i++) {
        struct slot *slot = backend_cpu.slot(p, i);
        memset(slot->pixels, 40 + 90 * i, 2 * 3 * 4 * 4);
        slot->labels[0] = slot->labels[1] = i;
        check(backend_cpu.submit(p, i, MODE_EVAL, 0, &err), &err);
    }
    wants(backend_cpu.submit(p, 0, MODE_EVAL, 0, &err), ERR_STATE, &err,
          "2 steps wait");
    check(backend_cpu.collect(p, &r[0], &err), &err);
    check(backend_cpu.collect(p, &r[1], &err), &err);
    check(backend_cpu.submit(p, 0, MODE_EVAL, 0, &err), &err);
    check(backend_cpu.collect(p, &r[2], &err), &err);
    assert_true(r[0].loss == r[2].loss && r[0].loss != r[1].loss);
    assert_true(r[0].millis > 0);
    wants(backend_cpu.submit(p, 2, MODE_EVAL, 0, &err), ERR_USAGE, &err,
          "slot 2 of a plan with 2");
    backend_cpu.destroy(p);
    graph_free(g);
}

static void test_labels_are_checked(void **state)
{
    (void)state;
    struct graph *g = small(2, 4, false);
    struct plan *p = lean(g, 1);
    struct slot *slot = backend_cpu.slot(p, 0);
    struct error err = { 0 };

    start(p, 1);
    slot->labels[1] = CLASSES;
    wants(backend_cpu.submit(p, 0, MODE_GRAD, 0, &err), ERR_USAGE, &err,
          "label 4 of image 1, must be 0 to 3, or -1");
    slot->labels[1] = -2;
    wants(backend_cpu.submit(p, 0, MODE_GRAD, 0, &err), ERR_USAGE, &err,
          "label -2 of image 1");
    slot->labels[1] = -1;
    check(backend_cpu.submit(p, 0, MODE_GRAD, 0, &err), &err);
    backend_cpu.destroy(p);
    graph_free(g);
}

static void test_bad_options(void **state)
{
    (void)state;
    const struct { struct plan_opts o; int code; const char *words; } bad[] = {
        { { .slots = 0 }, ERR_USAGE, "slots is 0, must be 1 to 1024" },
        { { .slots = 1, .threads = -1 }, ERR_USAGE, "threads is -1" },
        { { .slots = 1, .device = 1 }, ERR_USAGE, "device is 1" },
        { { .slots = 1, .precision = PREC_BF16 }, ERR_SPEC, "not in bf16" },
        { { .slots = 1, .precision = PREC_TF32 }, ERR_SPEC, "not in tf32" },
    };
    struct graph *g = small(2, 4, false);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct plan *p = NULL;
        struct error err = { 0 };
        wants(backend_cpu.compile(g, &bad[i].o, NULL, &p, &err), bad[i].code,
              &err, bad[i].words);
        assert_null(p);
    }
    graph_free(g);
}

static void test_no_room(void **state)
{
    (void)state;
    struct graph *g = small(4096, 1024, true);
    struct plan_opts o = { .slots = 1 };
    struct plan *p = NULL;
    struct error err = { 0 };

    wants(backend_cpu.compile(g, &o, NULL, &p, &err), ERR_MEMORY, &err,
          "this network at batch 4096 wants");
    assert_null(p);
    graph_free(g);
}

static void test_share_wants_the_same_network(void **state)
{
    (void)state;
    struct graph *g = small(2, 4, true), *other = small(2, 4, false);
    struct plan_opts o = { .slots = 1 };
    struct plan *p = lean(g, 1), *q = NULL;
    struct plan *strange = compile(&backend_reference, g, o, NULL);
    struct error err = { 0 };

    wants(backend_cpu.compile(other, &o, p, &q, &err), ERR_USAGE, &err,
          "another network");
    wants(backend_cpu.compile(g, &o, strange, &q, &err), ERR_USAGE, &err,
          "a plan for reference");
    backend_reference.destroy(strange);
    backend_cpu.destroy(p);
    backend_cpu.destroy(NULL);
    graph_free(g);
    graph_free(other);
}

// Weights that diverged must show in the loss: relu and norm let them through.
static void test_nan_stays(void **state)
{
    (void)state;
    for (int norm = 0; norm < 2; norm++) {
        struct graph *g = small(2, 4, norm);
        struct plan *p = lean(g, 1);
        float w[16 * 3];

        start(p, 1);
        for (int i = 0; i < 16 * 3; i++)
            w[i] = NAN;
        put(p, "conv.weight", SIDE_VALUE, w);
        assert_true(isnan(step(p, MODE_GRAD, 0, NULL, (int32_t[]){ 1, 2 },
                               NULL).loss));
        backend_cpu.destroy(p);
        graph_free(g);
    }
}

// The unbiased variance of one number is none; evaluation has no need of it.
static void test_norm_of_one_value(void **state)
{
    (void)state;
    struct graph *g = small(1, 1, true);
    struct plan *p = lean(g, 1);
    struct error err = { 0 };

    start(p, 1);
    wants(backend_cpu.submit(p, 0, MODE_TRAIN, 0, &err), ERR_SPEC, &err,
          "bn: cannot train on one value per channel");
    step(p, MODE_EVAL, 0, NULL, (int32_t[]){ 1 }, NULL);
    backend_cpu.destroy(p);
    graph_free(g);
}

static void test_what_can_be_read(void **state)
{
    (void)state;
    struct graph *g = small(2, 4, true);
    struct plan *p = lean(g, 1);
    struct error err = { 0 };
    float x[2 * 16 * 4 * 4];

    start(p, 1);
    step(p, MODE_GRAD, 0, NULL, (int32_t[]){ 1, 2 }, NULL);
    check(backend_cpu.read(p, g->logits, SIDE_VALUE, x, &err), &err);
    wants(backend_cpu.read(p, named(p, "conv"), SIDE_VALUE, x, &err),
          ERR_STATE, &err, "conv: only the logits");
    wants(backend_cpu.read(p, 1000, SIDE_VALUE, x, &err), ERR_USAGE, &err,
          "value 1000");
    wants(backend_cpu.read(p, named(p, "bn.running_mean"), SIDE_OPTIM, x,
                           &err), ERR_USAGE, &err, "has no optimizer state");
    wants(backend_cpu.write(p, named(p, "conv"), SIDE_VALUE, x, &err),
          ERR_USAGE, &err, "conv is computed, not written");
    wants(backend_cpu.write(p, named(p, "fc.weight"), SIDE_GRAD, x, &err),
          ERR_USAGE, &err, "fc.weight is computed, not written");
    backend_cpu.destroy(p);
    graph_free(g);
}

static void test_probe(void **state)
{
    (void)state;
    struct device_info info[2] = { 0 };

    assert_int_equal(backend_cpu.probe(info, 2, 0), 1);
    assert_true(info[0].name[0]);
    assert_true(info[0].bytes_total >= info[0].bytes_free);
    assert_true(info[0].bytes_free > 1 << 20);
    assert_int_equal(backend_cpu.probe(NULL, 0, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_slots_are_a_queue),
        cmocka_unit_test(test_labels_are_checked),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_share_wants_the_same_network),
        cmocka_unit_test(test_nan_stays),
        cmocka_unit_test(test_norm_of_one_value),
        cmocka_unit_test(test_what_can_be_read),
        cmocka_unit_test(test_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
