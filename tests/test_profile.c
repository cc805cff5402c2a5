/* The profile view: norms over depth, and the line through them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/rng.h"
#include "daemon/fit.h"
#include "daemon/views.h"
#include "tests/event_lines.h"

static void check_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fabs(want)))
        fail_msg("%.17g instead of %.17g", got, want);
}

static double number(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_number(v))
        fail_msg("%s is no number: %s", name, json_dumps(object, 0));
    return json_number_value(v);
}

// The profile of a job with these events, which are taken. Caller owns.
static json_t *profile_of(json_t *started, json_t *epoch)
{
    struct history *h = history_new();
    struct view_query q;
    json_t *problems;
    struct error err = { 0 };
    if (add_event(h, started, &err) || add_event(h, epoch, &err))
        fail_msg("%s", err.text);
    assert_int_equal(view_query_parse(&q, VIEW_PROFILE, NULL, 0, &problems), 0);
    q.job = 7;
    json_t *answer = view_profile(h, &q, &err);
    assert_non_null(answer);
    view_query_clear(&q);
    history_free(h);
    return answer;
}

// Borrowed: answer.epochs[0].slope
static const json_t *slope_of(const json_t *answer)
{
    const json_t *epochs = json_object_get(answer, "epochs");
    return json_object_get(json_array_get(epochs, 0), "slope");
}

// Quantiles as NIST's table of Student's t prints them.
static void test_student_t(void **state)
{
    (void)state;
    static const struct { int df; double t; } table[] = {
        { 1, 12.706 }, { 2, 4.303 }, { 3, 3.182 }, { 4, 2.776 }, { 5, 2.571 },
        { 10, 2.228 }, { 30, 2.042 }, { 51, 2.008 }, { 100, 1.984 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_true(fabs(fit_t95(table[i].df) - table[i].t) <= 0.0005);
}

static double normal(uint64_t stream, uint64_t i)
{
    double u = ((double)(rng_bits(5, stream, 2 * i) >> 11) + 1) * 0x1p-53;
    double v = (double)(rng_bits(5, stream, 2 * i + 1) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

// Of 2000 lines with independent normal errors an interval of 95 % holds 1900,
// give or take 9.7. Three deviations from it is a claim not kept.
static void test_the_line_keeps_its_promise(void **state)
{
    (void)state;
    static const int points[] = { 3, 4, 8, 20, 53 };
    enum { LINES = 2000, MOST = 53 };
    const double slope = -0.07;

    for (uint64_t k = 0; k < sizeof points / sizeof *points; k++) {
        int held = 0, n = points[k];
        double t = fit_t95(n - 2), x[MOST], y[MOST];
        for (uint64_t line = 0; line < LINES; line++) {
            for (int i = 0; i < n; i++) {
                x[i] = i;
                y[i] = slope * i - 2 + 0.3 * normal(k * LINES + line,
                                                    (uint64_t)i);
            }
            struct fit f = fit_line(x, y, n);
            held += fabs(f.slope - slope) <= t * f.error;
        }
        if (abs(held - 1900) > 29)
            fail_msg("%d points: %d of %d", n, held, LINES);
    }
}

static void test_fit_of_few_points(void **state)
{
    (void)state;
    const double x[] = { 1, 2, 3 }, same[] = { 2, 2, 2 };
    assert_true(isnan(fit_line(x, x, 0).slope));
    assert_true(isnan(fit_line(x, x, 1).slope));
    assert_true(isnan(fit_line(same, x, 3).slope));
    struct fit f = fit_line(x, x, 2);
    assert_true(f.slope == 1 && isnan(f.error));
    f = fit_line(x, same, 3);
    assert_true(f.slope == 0 && f.error == 0 && isnan(f.r2));
}

static void test_slope_equals_numpy(void **state)
{
    (void)state;
    const char *tests = getenv("GRADWATCH_TESTS");
    char *path = xasprintf("%s/dumps/numpy_views.json",
                           tests ? tests : "tests");
    json_t *dump = json_load_file(path, 0, NULL), *median;
    json_t *layers = json_array(), *records = json_object();
    size_t i;
    assert_non_null(dump);
    json_array_foreach(json_object_get(dump, "medians"), i, median) {
        char name[32];
        snprintf(name, sizeof name, "conv%zu", i);
        json_array_append_new(layers, json_pack("{s:s, s:i, s:b}", "name", name,
                                                "depth", (int)i + 1,
                                                "main", 1));
        json_object_set_new(records, name,
                            record_of(1, json_number_value(median)));
    }
    json_t *answer = profile_of(
        json_pack("{s:s, s:o}", "type", "started", "layers", layers),
        epoch_event(1, records));
    const json_t *slope = slope_of(answer);
    double decades = -number(dump, "slope");
    double off = 2.228 * number(dump, "error");     // t of 10, three decimals
    check_near(number(slope, "decades_per_layer"), decades, 1e-12);
    check_near(number(slope, "factor_per_layer"), pow(10, decades), 1e-12);
    check_near(number(slope, "r2"), number(dump, "r2"), 1e-12);
    check_near(number(slope, "low"), pow(10, decades - off), 1e-3);
    check_near(number(slope, "high"), pow(10, decades + off), 1e-3);
    assert_true(number(slope, "factor_per_layer") > 1);
    json_decref(answer);
    json_decref(dump);
    free(path);
}

// A halving a layer away from the input is a doubling towards it. fc and the
// downsample are listed, and not part of the line.
static void test_only_the_main_path_counts(void **state)
{
    (void)state;
    json_t *answer = profile_of(started_event(), epoch_event(1,
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "conv1", record_of(9, 4),
                  "layer1.0.conv1", record_of(9, 2),
                  "layer1.0.conv2", record_of(9, 1),
                  "layer1.0.downsample.0", record_of(9, 1e9),
                  "fc", record_of(9, 1e-9))));
    check_near(number(slope_of(answer), "factor_per_layer"), 2, 1e-12);
    check_near(number(slope_of(answer), "decades_per_layer"), log10(2), 1e-12);
    check_near(number(slope_of(answer), "ratio"), log10(4), 1e-12);
    check_near(number(slope_of(answer), "r2"), 1, 1e-12);
    const json_t *epoch = json_array_get(json_object_get(answer, "epochs"), 0);
    const json_t *layers = json_object_get(epoch, "layers");
    json_t *want = json_pack("{s:s, s:i, s:b, s:f, s:f, s:f, s:f, s:f}",
        "layer", "layer1.0.conv1", "depth", 2, "main", 1, "median", 2.0,
        "p05", 2.0, "p25", 2.0, "p75", 2.0, "p95", 2.0);
    assert_int_equal(json_array_size(layers), 5);
    assert_true(json_equal(json_array_get(layers, 1), want));
    json_decref(want);
    json_decref(answer);
}

static void test_zeros_and_nulls_are_left_out(void **state)
{
    (void)state;
    json_t *answer = profile_of(started_event(), epoch_event(1,
        json_pack("{s:o, s:o, s:o}", "conv1", record_of(9, 0),
                  "layer1.0.conv1", record_of(9, 8),
                  "layer1.0.conv2", record_of(9, 2))));
    const json_t *slope = slope_of(answer);
    check_near(number(slope, "factor_per_layer"), 4, 1e-12);
    assert_true(json_is_null(json_object_get(slope, "low")));   // two points
    assert_true(json_is_null(json_object_get(slope, "high")));
    json_decref(answer);

    answer = profile_of(started_event(), epoch_event(1,
        json_pack("{s:o, s:o}", "conv1", record_of(9, -1),
                  "layer1.0.conv1", record_of(9, 8))));
    slope = slope_of(answer);
    assert_int_equal(json_object_size(slope), 6);
    assert_true(json_is_null(json_object_get(slope, "factor_per_layer")));
    assert_true(json_is_null(json_object_get(slope, "r2")));
    assert_true(json_is_null(json_object_get(slope, "ratio")));
    json_decref(answer);
}

static json_t *started_with(const char *model)
{
    json_t *started = started_event();
    json_object_set_new(json_object_get(started, "spec"), "model",
                        json_loads(model, 0, NULL));
    return started;
}

// The factors by hand: sqrt(3.14159 / 2.14159) and 1 / sqrt(6).
static void test_theory(void **state)
{
    (void)state;
    static const struct { const char *model; double factor; } cases[] = {
        { "{\"skip\": false, \"norm\": \"batch\"}", 1.211173 },
        { "{\"skip\": [], \"norm\": \"batch\"}", 1.211173 },
        { "{\"skip\": false, \"norm\": \"none\"}", 0.408248 },
        { "{\"skip\": false, \"norm\": \"none\", \"init\": \"kaiming\"}", 1 },
        { "{\"skip\": true, \"norm\": \"batch\"}", NAN },
        { "{\"skip\": [\"layer3\"], \"norm\": \"batch\"}", NAN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *answer = profile_of(started_with(cases[i].model),
            epoch_event(1, json_pack("{s:o}", "conv1", record_of(9, 1))));
        const json_t *theory = json_object_get(answer, "theory");
        assert_true(json_is_null(theory) == isnan(cases[i].factor));
        if (!json_is_null(theory)) {
            check_near(number(theory, "factor_per_layer"), cases[i].factor,
                       1e-6);
            check_near(1 + number(theory, "decades_per_layer"),
                       1 + log10(cases[i].factor), 1e-6);
        }
        json_decref(answer);
    }
}

static void test_early_steps(void **state)
{
    (void)state;
    json_t *event = epoch_event(1, json_pack("{s:o, s:o, s:o}",
        "conv1", record_of(9, 1), "layer1.0.conv1", record_of(9, 1),
        "layer1.0.conv2", record_of(9, 1)));
    json_object_set_new(event, "early", json_pack(
        "[{s:i, s:f, s:{s:{s:f, s:f, s:f}}}, {s:i, s:n, s:{s:{s:n}}}]",
        "step", 0, "loss", 2.25, "quantities", "grad_out", "conv1", 9.0,
        "layer1.0.conv1", 3.0, "layer1.0.conv2", 1.0,
        "step", 1, "loss", "quantities", "grad_out", "conv1"));
    json_t *answer = profile_of(started_event(), event);
    const json_t *steps = json_object_get(answer, "early_steps");
    assert_int_equal(json_array_size(steps), 2);
    const json_t *first = json_array_get(steps, 0);
    assert_true(number(first, "step") == 0 && number(first, "loss") == 2.25);
    check_near(number(json_object_get(first, "slope"), "factor_per_layer"), 3,
               1e-12);
    json_t *want = json_pack("{s:s, s:i, s:f}", "layer", "conv1", "depth", 1,
                             "value", 9.0);
    assert_true(json_equal(json_array_get(json_object_get(first, "layers"), 0),
                           want));
    const json_t *next = json_array_get(steps, 1);
    assert_true(json_is_null(json_object_get(next, "loss")));
    assert_true(json_is_null(json_object_get(json_object_get(next, "slope"),
                                             "factor_per_layer")));
    json_decref(want);
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_student_t),
        cmocka_unit_test(test_the_line_keeps_its_promise),
        cmocka_unit_test(test_fit_of_few_points),
        cmocka_unit_test(test_slope_equals_numpy),
        cmocka_unit_test(test_only_the_main_path_counts),
        cmocka_unit_test(test_zeros_and_nulls_are_left_out),
        cmocka_unit_test(test_theory),
        cmocka_unit_test(test_early_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
