/* Comparisons: known factors, a job against itself, and the false alarms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include "common/rng.h"
#include "daemon/compare.h"
#include "daemon/compare_words.h"
#include "tests/event_lines.h"

enum { STEPS = 20, EPOCHS = 3, FEW = 8 };

static double normal(uint64_t stream, uint64_t i)
{
    double u = ((double)(rng_bits(23, stream, 2 * i) >> 11) + 1) * 0x1p-53;
    double v = (double)(rng_bits(23, stream, 2 * i + 1) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

// A RECORD of samples 10^x that are correlated from step to step by 0.5 and
// fall by half a decade an epoch, as gradients do.
static json_t *noisy(int epoch, int steps, double shift, uint64_t stream,
                     double *walk)
{
    json_t *samples = json_array();
    double sum = 0;
    for (int i = 0; i < steps; i++) {
        *walk = 0.5 * *walk +
                sqrt(0.75) * normal(stream, (uint64_t)(epoch * steps + i));
        double x = 0.2 * *walk + shift - 0.5 * epoch;
        sum += x / steps;
        json_array_append_new(samples, json_real(pow(10, x)));
    }
    return with_samples(record_of(steps, pow(10, sum)), samples);
}

static const char *const layer_names[] = { "conv1", "layer1.0.conv1",
                                           "layer1.0.conv2", "fc" };
enum { LAYERS = 4 };

static struct compare_run *take(const struct history *h, int64_t job)
{
    struct compare_run *run;
    struct error err = { 0 };
    if (compare_take(h, job, -1, &run, &err))
        fail_msg("%s", err.text);
    return run;
}

// A job whose norms are `shift` decades larger; same stream, same noise.
static struct compare_run *job_of(int epochs, int steps, int64_t id,
                                  double shift, uint64_t stream)
{
    struct history *h = history_new();
    struct error err = { 0 };
    double walk[LAYERS] = { 0 };
    if (add_event(h, started_event(), &err))
        fail_msg("%s", err.text);
    for (int e = 1; e <= epochs; e++) {
        json_t *layers = json_object();
        for (int l = 0; l < LAYERS; l++)
            json_object_set_new(layers, layer_names[l],
                noisy(e, steps, shift, stream * LAYERS + (uint64_t)l,
                      &walk[l]));
        if (add_event(h, epoch_event(e, layers), &err))
            fail_msg("%s", err.text);
    }
    struct compare_run *run = take(h, id);
    history_free(h);
    return run;
}

static struct compare_run *job(int64_t id, double shift, uint64_t stream)
{
    return job_of(EPOCHS, STEPS, id, shift, stream);
}

static json_t *compare(struct compare_run *const *a, int n_a,
                       struct compare_run *const *b, int n_b)
{
    struct view_query q = { .quantity = -1 };
    struct error err = { 0 };
    json_t *answer = compare_runs(a, n_a, b, n_b, &q, &err);
    if (!answer)
        fail_msg("%s", err.text);
    return answer;
}

static const json_t *layer_of(const json_t *answer, const char *name)
{
    const json_t *l = json_object_get(json_object_get(answer, "layers"), name);
    assert_non_null(l);
    return l;
}

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_number(v))
        fail_msg("%s is no number in %s", key, json_dumps(object, 0));
    return json_number_value(v);
}

static double end(const json_t *layer, size_t i)
{
    return json_number_value(json_array_get(json_object_get(layer, "interval"),
                                            i));
}

static void check_says(const json_t *object, const char *key, const char *says)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || !strstr(text, says))
        fail_msg("'%s' does not say '%s'", text, says);
}

/* ---- one against one ---- */

static void test_job_against_its_clone(void **state)
{
    (void)state;
    struct compare_run *a = job(1, 0, 5), *b = job(2, 0, 5);
    json_t *answer = compare(&a, 1, &b, 1);
    for (int l = 0; l < LAYERS; l++) {
        const json_t *layer = layer_of(answer, layer_names[l]);
        assert_true(number(layer, "factor") == 1);
        assert_true(number(layer, "log10_ratio") == 0);
        assert_true(end(layer, 0) == 0 && end(layer, 1) == 0);
        assert_true(number(layer, "p") == 1 && number(layer, "q") == 1);
        check_says(layer, "words", "the same in job 2");
    }
    check_says(answer, "summary", "no layer of 4 differs between these two");
    json_decref(answer);
    compare_free(a);
    compare_free(b);
}

// The same noise, shifted: each pair of steps has the same ratio.
static void test_known_factor(void **state)
{
    (void)state;
    struct compare_run *a = job(1, 0, 5), *b = job(2, -0.5, 5);
    json_t *answer = compare(&a, 1, &b, 1);
    const json_t *layer = layer_of(answer, "conv1");
    assert_true(fabs(number(layer, "log10_ratio") + 0.5) < 1e-12);
    assert_true(fabs(end(layer, 0) + 0.5) < 1e-12);
    assert_true(number(layer, "p") < 0.05 && number(layer, "q") < 0.05);
    check_says(layer, "words", "3.16x smaller in job 2, 3.16..3.16");
    check_says(answer, "summary", "4 of 4 layers differ");
    assert_int_equal(json_array_size(json_object_get(answer, "epochs")), 3);
    json_decref(answer);
    compare_free(a);
    compare_free(b);
}

// 200 pairs of jobs without a difference, each other noise, four layers: of
// 800 intervals 40 may leave out 0; their deviation is 6.2, so more than 59 are
// too many. Both opinions together must not say "differs" more often than that
// either.
static void test_false_alarms(void **state)
{
    (void)state;
    int misses = 0, alarms = 0, low_p = 0;
    for (uint64_t t = 0; t < 200; t++) {
        struct compare_run *a = job(1, 0, 2 * t), *b = job(2, 0, 2 * t + 1);
        json_t *answer = compare(&a, 1, &b, 1);
        for (int l = 0; l < LAYERS; l++) {
            const json_t *layer = layer_of(answer, layer_names[l]);
            misses += end(layer, 0) > 0 || end(layer, 1) < 0;
            alarms += json_is_true(json_object_get(layer, "differs"));
            low_p += number(layer, "p") < 0.05;
        }
        json_decref(answer);
        compare_free(a);
        compare_free(b);
    }
    print_message("# of 800: %d intervals, %d p, %d both\n", misses, low_p,
                  alarms);
    assert_true(misses <= 59);
    assert_true(low_p <= 59);
    assert_true(alarms <= misses);
}

static void count_alarms(double shift, int *alarms, double *least_p)
{
    *alarms = 0;
    *least_p = 1;
    for (uint64_t t = 0; t < 200; t++) {
        struct compare_run *a = job_of(1, FEW, 1, 0, 2 * t);
        struct compare_run *b = job_of(1, FEW, 2, shift, 2 * t + 1);
        json_t *answer = compare(&a, 1, &b, 1);
        for (int l = 0; l < LAYERS; l++) {
            const json_t *layer = layer_of(answer, layer_names[l]);
            *alarms += json_is_true(json_object_get(layer, "differs"));
            *least_p = fmin(*least_p, number(layer, "p"));
        }
        json_decref(answer);
        compare_free(a);
        compare_free(b);
    }
}

// Eight steps, of which Mann and Whitney's test sees four: where neighbours are
// correlated it gives no p below 0.05 even 18 decades apart, and the interval
// alone decides. Without a difference it may say so of 40 of 800 at most.
static void test_few_steps(void **state)
{
    (void)state;
    int alarms;
    double least_p;
    count_alarms(-18, &alarms, &least_p);
    print_message("# %d of 800 differ by 18 decades, p %.2g and more\n", alarms,
                  least_p);
    assert_int_equal(alarms, 800);
    count_alarms(0, &alarms, &least_p);
    print_message("# %d of 800 by none\n", alarms);
    assert_true(alarms <= 40);
}

/* ---- runs against runs ---- */

static void test_runs(void **state)
{
    (void)state;
    struct compare_run *a[4], *b[4];
    for (int i = 0; i < 4; i++) {
        a[i] = job(1 + i, 0, 100 + (uint64_t)i);
        b[i] = job(5 + i, 1, 200 + (uint64_t)i);
    }
    json_t *answer = compare(a, 4, b, 4);
    const json_t *layer = layer_of(answer, "fc");
    assert_true(end(layer, 0) < 1 && end(layer, 1) > 1 && end(layer, 0) > 0);
    assert_true(fabs(number(layer, "p") - 2.0 / 70) < 1e-12);   // C(8, 4)
    check_says(answer, "unit", "run");
    check_says(layer, "words", "x larger in jobs 5 and on, ");
    json_decref(answer);
    answer = compare(a, 3, a, 3);
    assert_true(number(layer_of(answer, "fc"), "factor") == 1);
    check_says(answer, "summary", "no layer of 4 differs by more than chance");
    json_decref(answer);
    for (int i = 0; i < 4; i++) {
        compare_free(a[i]);
        compare_free(b[i]);
    }
}

/* ---- in words ---- */

static void test_numbers_of_a_sentence_have_one_style(void **state)
{
    (void)state;
    const struct { double at, low, high; const char *words; } rows[] = {
        { log10(66.5), log10(12.1), log10(12345),
          "66.5x larger here, 12.1..12300" },
        { -log10(343), -4.6, -log10(2.85), "343x smaller here, 2.85..39800" },
        { 3.86, 1.82, 6, "10^3.86x larger here, 10^1.82..10^6" },
        { -5.25, -5.5, -4.9, "10^5.25x smaller here, 10^4.9..10^5.5" },
        { 0.1, log10(0.8), 0.3, "perhaps 1.26x larger here, 0.8..2" },
        { 4, NAN, NAN, "10000x larger here, from too few steps" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct comparison c = { .decades = rows[i].at, .runs = true,
                                .interval = { rows[i].low, rows[i].high } };
        json_t *json = comparison_json(&c, "here");
        check_says(json, "words", rows[i].words);
        json_decref(json);
    }
}

/* ---- what cannot be compared ---- */

static void check_refused(struct compare_run *const *a, int n_a,
                          struct compare_run *const *b, int n_b,
                          const struct view_query *q, const char *says)
{
    struct error err = { 0 };
    assert_null(compare_runs(a, n_a, b, n_b, q, &err));
    assert_int_equal(err.code, ERR_USAGE);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void test_refused(void **state)
{
    (void)state;
    struct view_query q = { .quantity = -1 };
    struct history *empty = history_new();
    struct compare_run *a[2] = { job(1, 0, 1), job(2, 0, 2) };
    struct compare_run *none = take(empty, 3);
    check_refused(a, 2, a, 1, &q, "2 cannot be compared with 1");
    check_refused(a, 1, &none, 1, &q, "no whole epoch in common");
    q.epochs[0] = (struct epoch_range){ 9, 9 };
    q.n_epochs = 1;
    check_refused(a, 1, a + 1, 1, &q, "no whole epoch in common");
    q.n_epochs = 0;
    q.layers[q.n_layers++] = "conv9";
    check_refused(a, 1, a + 1, 1, &q, "layers:");
    compare_free(none);
    compare_free(a[0]);
    compare_free(a[1]);
    history_free(empty);
}

static void test_query(void **state)
{
    (void)state;
    static const struct { const char *value; int n; } cases[] = {
        { "1,2", 2 }, { "7", 1 }, { "1,,2", -1 }, { "a", -1 }, { "1,2,", -1 },
        { "-1", -1 }, { "1 2", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view_param param = { "jobs", cases[i].value };
        struct view_query q;
        json_t *problems;
        int rc = view_query_parse(&q, VIEW_COMPARE, &param, 1, &problems);
        if (cases[i].n < 0)
            assert_int_equal(rc, ERR_USAGE);
        else
            assert_int_equal(q.n_jobs, cases[i].n);
        json_decref(problems);
        view_query_clear(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_against_its_clone),
        cmocka_unit_test(test_known_factor),
        cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_few_steps),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_numbers_of_a_sentence_have_one_style),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
