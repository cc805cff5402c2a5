/* Records of an epoch: percentiles against numpy, samples by the written rule,
 * early steps, live records, what is not finite. */
#include "worker/record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/event.h"
#include "common/rng.h"

static const struct record_tap taps[] = {
    { "conv1", QUANTITY_GRAD_OUT }, { "fc", QUANTITY_GRAD_OUT },
    { "conv1", QUANTITY_WEIGHT },   { "fc", QUANTITY_WEIGHT },
};

static struct record_opts opts(void)
{
    return (struct record_opts){
        .taps = taps, .n_taps = 4, .samples = 20, .early_steps = true,
        .quantities = 1u << QUANTITY_GRAD_OUT | 1u << QUANTITY_WEIGHT,
        .seed = 7,
    };
}

// Step i gives tap t the number value(i) * (t + 1).
static void add_steps(struct record *r, int n, double (*value)(int))
{
    for (int i = 0; i < n; i++) {
        double v = value(i);
        record_add(r, 2.5, (double[]){ v, 2 * v, 3 * v, 4 * v });
    }
}

static double falling(int i) { return 1.0 / (1 + i); }
static double step_number(int i) { return i; }

// Borrowed from quantities.
static json_t *get(json_t *quantities, const char *quantity, const char *layer)
{
    return json_object_get(json_object_get(quantities, quantity), layer);
}

static double number(const json_t *record, const char *key)
{
    const json_t *j = json_object_get(record, key);
    assert_true(json_is_number(j));
    return json_number_value(j);
}

static void percentiles_are_numpys(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "min", "p05", "p25", "median", "p75", "p95", "max",
    };
    char path[4096];
    const char *dir = getenv("GRADWATCH_TESTS");
    snprintf(path, sizeof path, "%s/dumps/numpy_percentile.json",
             dir ? dir : "tests");
    json_t *numpy = json_load_file(path, 0, NULL), *one;
    size_t at;

    assert_non_null(numpy);
    json_array_foreach(json_object_get(numpy, "cases"), at, one) {
        struct record_opts o = opts();
        o.n_taps = 1;
        struct record *r = record_new(&o);
        json_t *x = json_object_get(one, "x"), *v;
        size_t i;

        record_begin(r, 1);
        json_array_foreach(x, i, v) {
            record_add(r, 0, (double[]){ json_number_value(v) });
            if (i % 7 == 3)             // merge now and then, as live ones do
                json_decref(record_quantities(r, true));
        }
        json_t *q = record_quantities(r, false);
        json_t *record = get(q, "grad_out", "conv1");
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            assert_true(number(record, keys[k]) == number(one, keys[k]));
        // numpy adds in another order: n roundings of 2^-53.
        assert_true(fabs(number(record, "mean") / number(one, "mean") - 1) <
                    1e-14);
        json_decref(q);
        record_free(r);
    }
    json_decref(numpy);
}

// The rule of docs/randomness.md, spelled out the slow way: step i is taken
// if fewer than k steps have smaller bits.
static int is_sample(int step, int n, int k, int epoch, int tap)
{
    uint64_t stream = STREAM_SAMPLE + (uint64_t)epoch * 65536 + (uint64_t)tap;
    int smaller = 0;
    for (int i = 0; i < n; i++)
        smaller += rng_bits(7, stream, (uint64_t)i) <
                   rng_bits(7, stream, (uint64_t)step);
    return smaller < k;
}

static void samples_follow_the_rule(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 3);
    add_steps(r, 100, step_number);
    json_t *q = record_quantities(r, false);
    for (int t = 0; t < 4; t++) {
        json_t *record = get(q, job_quantity_names[taps[t].quantity],
                             taps[t].layer);
        json_t *samples = json_object_get(record, "samples");
        json_t *steps = json_object_get(record, "sample_steps");
        size_t next = 0;
        assert_int_equal(json_array_size(samples), 20);
        assert_int_equal(json_array_size(steps), 20);
        for (int i = 0; i < 100; i++) {
            if (!is_sample(i, 100, 20, 3, t))
                continue;
            assert_int_equal(json_integer_value(json_array_get(steps, next)),
                             i);
            assert_true(json_number_value(json_array_get(samples, next)) ==
                        i * (t + 1));
            next++;
        }
        assert_int_equal(next, 20);
    }
    json_decref(q);
    record_free(r);
}

static size_t count_samples(int wanted, int steps)
{
    struct record_opts o = opts();
    o.samples = wanted;
    struct record *r = record_new(&o);

    record_begin(r, 1);
    add_steps(r, steps, falling);
    json_t *q = record_quantities(r, false);
    size_t n = json_array_size(json_object_get(get(q, "grad_out", "fc"),
                                               "samples"));
    json_decref(q);
    record_free(r);
    return n;
}

static void samples_are_never_padded(void **state)
{
    (void)state;
    assert_int_equal(count_samples(20, 3), 3);
    assert_int_equal(count_samples(20, 20), 20);
    assert_int_equal(count_samples(20, 21), 20);
    assert_int_equal(count_samples(0, 300), 300);       // "all"
    assert_int_equal(count_samples(20, 0), 0);
}

static double sometimes_wrong(int i)
{
    return i == 2 ? NAN : i == 4 ? INFINITY : i == 5 ? 0 : i / 1024.0;
}

static void what_is_not_finite_is_counted_and_null(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 1);
    add_steps(r, 8, sometimes_wrong);
    json_t *q = record_quantities(r, false);
    json_t *record = get(q, "grad_out", "conv1");
    assert_true(number(record, "count") == 8);
    assert_true(number(record, "nonfinite") == 2);
    assert_true(number(record, "zeros") == 2);          // steps 0 and 5
    assert_true(number(record, "max") == 7 / 1024.0);
    assert_true(number(record, "mean") == 17 / 1024.0 / 6);
    json_t *samples = json_object_get(record, "samples");
    assert_true(json_is_null(json_array_get(samples, 2)));
    assert_true(json_is_null(json_array_get(samples, 4)));
    assert_int_equal(json_array_size(samples), 8);
    json_decref(q);
    record_free(r);
}

static void histograms_count_every_step(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 1);
    add_steps(r, 8, sometimes_wrong);
    json_t *q = record_quantities(r, false);
    json_t *hist = json_object_get(get(q, "grad_out", "conv1"), "hist");
    static const struct { const char *grid; int in_range; } rows[] = {
        { "notebook", 6 }, { "extended", 4 }, { "decade8", 4 },
    };
    for (size_t i = 0; i < 3; i++) {
        json_t *counts = json_object_get(json_object_get(hist, rows[i].grid),
                                         "counts"), *c;
        json_int_t sum = 0;
        size_t k;
        json_array_foreach(counts, k, c)
            sum += json_integer_value(c);
        assert_int_equal(sum, rows[i].in_range);
    }
    json_decref(q);
    record_free(r);
}

static void early_steps_of_the_first_epoch(void **state)
{
    (void)state;
    static const int want[] = { 0, 1, 2, 3, 5, 8, 13, 21, 34, 55 };
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 1);
    add_steps(r, 60, step_number);
    json_t *early = record_early(r);
    assert_int_equal(json_array_size(early), 10);
    for (size_t i = 0; i < 10; i++) {
        json_t *e = json_array_get(early, i);
        json_t *q = json_object_get(e, "quantities");
        assert_true(number(e, "step") == want[i]);
        assert_true(number(e, "loss") == 2.5);
        assert_true(json_number_value(get(q, "weight", "fc")) == 4 * want[i]);
    }
    json_decref(early);

    record_begin(r, 2);
    add_steps(r, 60, step_number);
    assert_null(record_early(r));
    record_free(r);
}

static void an_epoch_forgets_the_one_before(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *a = record_new(&o), *b = record_new(&o);

    record_begin(a, 1);
    add_steps(a, 700, step_number);
    json_decref(record_quantities(a, true));
    record_begin(a, 2);
    record_begin(b, 2);
    add_steps(a, 30, falling);
    add_steps(b, 30, falling);
    json_t *qa = record_quantities(a, false), *qb = record_quantities(b, false);
    assert_true(json_equal(qa, qb));
    json_decref(qa);
    json_decref(qb);
    record_free(a);
    record_free(b);
}

static void live_records_have_no_samples(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 1);
    add_steps(r, 30, falling);
    json_t *q = record_quantities(r, true);
    json_t *record = get(q, "grad_out", "conv1");
    assert_int_equal(json_array_size(json_object_get(record, "samples")), 0);
    assert_null(json_object_get(record, "sample_steps"));
    assert_true(number(record, "median") > 0);
    json_decref(q);
    record_free(r);
}

static void no_steps_and_no_layers(void **state)
{
    (void)state;
    struct record_opts o = opts();
    struct record *r = record_new(&o);

    record_begin(r, 1);
    json_t *q = record_quantities(r, false);
    assert_true(json_is_null(json_object_get(get(q, "grad_out", "fc"),
                                             "median")));
    json_decref(q);
    record_free(r);

    o.n_taps = 0;
    r = record_new(&o);
    record_begin(r, 1);
    record_add(r, 1, NULL);
    q = record_quantities(r, false);
    char *text = event_text(q);
    assert_string_equal(text, "{\"grad_out\":{},\"weight\":{}}");
    free(text);
    json_decref(q);
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_numpys),
        cmocka_unit_test(samples_follow_the_rule),
        cmocka_unit_test(samples_are_never_padded),
        cmocka_unit_test(what_is_not_finite_is_counted_and_null),
        cmocka_unit_test(histograms_count_every_step),
        cmocka_unit_test(early_steps_of_the_first_epoch),
        cmocka_unit_test(an_epoch_forgets_the_one_before),
        cmocka_unit_test(live_records_have_no_samples),
        cmocka_unit_test(no_steps_and_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
