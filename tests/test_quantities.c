/* What a job records of its layers: every quantity of docs/quantities.md by
 * its definition, from the numbers of the early steps. */
#include "common/event.h"
#include "program.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

// 10 images in batches of 4: the third step has 2. All of it in double.
#define SPEC(quantities, train)                                                \
    "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625,\"skip\":true},"       \
    "\"data\":{\"image_size\":32,\"synthetic\":{\"classes\":4,\"images\":10,"  \
    "\"size\":32}},\"device\":\"reference\",\"train\":{\"epochs\":1,"          \
    "\"batch\":4," train "},\"record\":{\"quantities\":[" quantities "]}}"
#define ALL "\"grad_out\",\"grad_w\",\"weight\",\"grad_rms\",\"update\","      \
            "\"act\",\"weight_grad\",\"grad_sample\",\"branch_share\""

struct seen { json_t *events, *started, *epoch; };

static struct seen run(const char *spec)
{
    struct seen s;
    json_t *e;
    size_t i;

    assert_int_equal(program_run(spec, NULL, &s.events), 0);
    json_array_foreach(s.events, i, e) {
        const char *type = json_string_value(json_object_get(e, "type"));
        if (!strcmp(type, "started"))
            s.started = e;
        if (!strcmp(type, "epoch"))
            s.epoch = e;
    }
    return s;
}

// The number of an early step (0, 1, 2); nan when there is none.
static double at(const struct seen *s, size_t step, const char *quantity,
                 const char *layer)
{
    json_t *e = json_array_get(json_object_get(s->epoch, "early"), step);
    json_t *q = json_object_get(json_object_get(e, "quantities"), quantity);
    json_t *v = json_object_get(q, layer);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

// Every number was rounded to some 16 digits, and a few times multiplied.
static void near(double is, double want)
{
    if (!(fabs(is - want) <= 1e-12 * fabs(want)))
        fail_msg("%.17g is not %.17g", is, want);
}

static void what_follows_from_others_does(void **state)
{
    (void)state;
    struct seen s = run(SPEC(ALL, "\"lr\":0.01,\"momentum\":0.9"));
    json_t *layers = json_object_get(s.started, "layers"), *l;
    size_t i;

    json_array_foreach(layers, i, l) {
        const char *name = json_string_value(json_object_get(l, "name"));
        json_t *shape = json_object_get(l, "shape");
        double pixels = 1;
        for (size_t k = 1; k < 4; k++)
            pixels *= json_number_value(json_array_get(shape, k));
        for (size_t t = 0; t < 3; t++) {
            double n = (t < 2 ? 4 : 2) * pixels;
            near(at(&s, t, "grad_rms", name),
                 at(&s, t, "grad_out", name) / sqrt(n));
            near(at(&s, t, "weight_grad", name),
                 at(&s, t, "weight", name) * at(&s, t, "grad_w", name));
            assert_true(at(&s, t, "update", name) > 0);
            // Between n equal parts and one that has it all.
            double sum = at(&s, t, "grad_sample", name);
            double all = at(&s, t, "grad_out", name);
            assert_true(sum >= all * (1 - 1e-12));
            assert_true(sum <= all * sqrt(t < 2 ? 4 : 2) * (1 + 1e-12));
        }
        // SGD's first step is lr * gradient.
        near(at(&s, 0, "update", name) * at(&s, 0, "weight", name),
             0.01 * at(&s, 0, "grad_w", name));
    }
    json_decref(s.events);
}

static void activations_are_those_behind_the_next_relu(void **state)
{
    (void)state;
    struct seen s = run(SPEC(ALL, "\"lr\":0.01"));
    json_t *layers = json_object_get(s.started, "layers"), *l;
    size_t i;

    json_array_foreach(layers, i, l) {
        const char *name = json_string_value(json_object_get(l, "name"));
        double zeros = at(&s, 0, "act_zeros", name);

        if (!strcmp(name, "fc")) {
            assert_true(isnan(zeros));
            continue;
        }
        // A norm's output is negative about every second time.
        assert_true(zeros > 0.05 && zeros < 0.95);
        assert_true(at(&s, 0, "act_mean", name) > 0);
        assert_true(at(&s, 0, "act_std", name) > 0);
    }
    // Both ends of a block meet in its last relu.
    static const char *const keys[] = { "act_mean", "act_std", "act_zeros" };
    for (int k = 0; k < 3; k++)
        assert_true(at(&s, 1, keys[k], "layer2.0.downsample.0") ==
                    at(&s, 1, keys[k], "layer2.0.conv2"));
    json_decref(s.events);
}

// Those with a downsample have none. Through a branch with two norms comes
// neither nothing nor all.
static void shares_are_of_blocks_with_an_identity_skip(void **state)
{
    (void)state;
    static const char *const blocks[] = { "layer1.0", "layer1.1", "layer2.1",
                                          "layer3.1", "layer4.1" };
    enum { N = sizeof blocks / sizeof blocks[0] };
    struct seen s = run(SPEC("\"branch_share\"", "\"lr\":0.01"));
    json_t *q = json_object_get(s.epoch, "quantities");

    assert_int_equal(json_object_size(json_object_get(q, "branch_share")), N);
    for (int b = 0; b < N; b++)
        for (size_t t = 0; t < 3; t++) {
            double share = at(&s, t, "branch_share", blocks[b]);
            assert_true(share > 0.1 && share < 0.9);
        }
    json_decref(s.events);
}

static void nothing_moves_at_a_rate_of_zero(void **state)
{
    (void)state;
    struct seen s = run(SPEC("\"update\"", "\"lr\":0"));
    json_t *q = json_object_get(s.epoch, "quantities");
    json_t *record = json_object_get(json_object_get(q, "update"), "conv1");

    assert_int_equal(json_object_size(q), 1);
    assert_int_equal(json_integer_value(json_object_get(record, "zeros")), 3);
    assert_true(json_number_value(json_object_get(record, "max")) == 0);
    json_decref(s.events);
}

// What is recorded beside them changes nothing in the gradients.
static void recording_more_changes_nothing(void **state)
{
    (void)state;
    struct seen a = run(SPEC("\"grad_out\"", "\"lr\":0.1"));
    struct seen b = run(SPEC(ALL, "\"lr\":0.1"));

    for (size_t t = 0; t < 3; t++)
        assert_true(at(&a, t, "grad_out", "conv1") ==
                    at(&b, t, "grad_out", "conv1"));
    json_decref(a.events);
    json_decref(b.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_from_others_does),
        cmocka_unit_test(activations_are_those_behind_the_next_relu),
        cmocka_unit_test(shares_are_of_blocks_with_an_identity_skip),
        cmocka_unit_test(nothing_moves_at_a_rate_of_zero),
        cmocka_unit_test(recording_more_changes_nothing),
    };
    // Two threads on a machine with other work wait for each other, and would
    // do so at full speed.
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
