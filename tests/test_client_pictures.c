/* histogram, profile: records as pictures in a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/client_answers.h"

static struct ran r;            // large, and one at a time

static void test_histogram_asks_for_the_notebooks_layers(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {
            JSON("{\"job\": 7, \"quantity\": \"grad_out\", \"layers\": "
                 "[\"conv1\", \"bn\", \"fc\"], \"epochs\": [{\"epoch\": 2, "
                 "\"layers\": {\"conv1\": {\"median\": 0.02}}}]}"),
            JSON("{\"job\": 7, \"quantity\": \"grad_out\", \"bins\": "
                 "{\"edges\": [0.001, 0.01, 0.1]}, \"epochs\": [{\"epoch\": 2, "
                 "\"complete\": true, \"layers\": {\"conv1\": {\"counts\": "
                 "[1, 2], \"zeros\": 3}, \"fc\": {\"counts\": [0, 0]}}}]}")},
        .n_answers = 2};

    RUN_AGAINST(&r, &s, "histogram", "7");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "/gradients?epochs=last ");
    assert_has(s.requests[1], "layers=conv1%2Cfc&epochs=last&bins=decade8");
    assert_has(r.out, "job 7, epoch 2, grad_out");
    assert_has(r.out, " 0.0200\n");
    assert_has(r.out, "1e-3");
    assert_has(r.out, "1e-1");
    assert_has(r.err, "conv1: 3 zeros");
}

static void test_profile_tells_the_slope(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {JSON(
            "{\"job\": 7, \"quantity\": \"grad_out\", \"epochs\": [{\"epoch\": "
            "1, \"complete\": true, \"layers\": [{\"layer\": \"conv1\", "
            "\"depth\": 1, \"median\": 10}, {\"layer\": \"b\", \"depth\": 2, "
            "\"median\": 1}], \"slope\": {\"factor_per_layer\": 1.2, \"low\": "
            "1.1, \"high\": 1.3, \"r2\": 0.9}}], \"early_steps\": [{\"step\": "
            "0, \"slope\": {\"factor_per_layer\": 0.41, \"low\": 0.4, "
            "\"high\": 0.42, \"r2\": 1}}], \"theory\": {"
            "\"factor_per_layer\": 0.408, \"source\": \"He\"}}")},
        .n_answers = 1};

    RUN_AGAINST(&r, &s, "profile", "7");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "epoch 1: norms grow 1.20x per layer towards the input "
                      "(1.10..1.30, r2 0.90)\n");
    assert_has(r.out, "step 0: norms shrink 0.41x per layer");
    assert_has(r.out, "\ntheory: 0.41x per layer at the start (He)\n");
}

static void test_no_records_yet(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON("{\"job\": 7, \"epochs\": []}")},
                       .n_answers = 1};

    RUN_AGAINST(&r, &s, "gradients", "7");
    assert_int_equal(r.status, 1);
    assert_has(r.err, "job 7 has no records yet");
    s = (struct canned){.answers = {JSON("{\"job\": 7, \"epochs\": []}")},
                        .n_answers = 1};
    RUN_AGAINST(&r, &s, "profile", "7", "--epochs", "9");
    assert_int_equal(r.status, 1);
    assert_has(r.err, "job 7 has no records of epochs 9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_asks_for_the_notebooks_layers),
        cmocka_unit_test(test_profile_tells_the_slope),
        cmocka_unit_test(test_no_records_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
