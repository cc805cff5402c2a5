/* Views: what a history says, in the shapes that docs/views.md promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include "common/hist.h"
#include "tests/small_job.h"

/* ---- helpers ---- */

// The answer to a query, which must have one. Caller owns.
static json_t *ask(enum view view, const char *text)
{
    struct error err = { 0 };
    struct view_query q = query_of(view, text);
    json_t *answer = view_rows[view].make(history, &q, &err);
    view_query_clear(&q);
    if (!answer)
        fail_msg("%s: %s", text, err.text);
    return answer;
}

static void check_refused(enum view view, const char *text, const char *says)
{
    struct error err = { 0 };
    struct view_query q = query_of(view, text);
    assert_null(view_rows[view].make(history, &q, &err));
    view_query_clear(&q);
    assert_int_equal(err.code, ERR_USAGE);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

// Takes answer and compares it, reals within 1e-12.
static void check_json(json_t *answer, const char *want_text)
{
    char *quoted = xstrdup(want_text);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *want = json_loads(quoted, 0, NULL);
    assert_non_null(want);
    if (!json_equal(answer, want))
        fail_msg("%s", json_dumps(answer, JSON_COMPACT));
    json_decref(answer);
    json_decref(want);
    free(quoted);
}

static json_t *load_dump(void)
{
    const char *tests = getenv("GRADWATCH_TESTS");
    char *path = xasprintf("%s/dumps/numpy_views.json",
                           tests ? tests : "tests");
    json_t *dump = json_load_file(path, 0, NULL);
    if (!dump)
        fail_msg("cannot read %s", path);
    free(path);
    return dump;
}

static json_t *layer_at(const json_t *answer, size_t i, const char *layer)
{
    const json_t *e = json_array_get(json_object_get(answer, "epochs"), i);
    json_t *found = json_object_get(json_object_get(e, "layers"), layer);
    assert_non_null(found);
    return found;
}

/* ---- gradients ---- */

static void test_gradients(void **state)
{
    (void)state;
    add_small_job();
    check_json(ask(VIEW_GRADIENTS, "layers=conv1,fc&epochs=2,last"),
        "{'job': 7, 'quantity': 'grad_out', 'layers': ['conv1', 'fc'],"
        "'epochs': [{'epoch': 2, 'complete': true, 'steps': 40, 'layers': {"
        "'conv1': {'count': 40, 'nonfinite': 0, 'zeros': 0,"
        "'samples': [0.5, null], 'min': 0.5, 'p05': 0.5, 'p25': 0.5,"
        "'median': 0.5, 'p75': 0.5, 'p95': 0.5, 'max': 0.5, 'mean': 0.5},"
        "'fc': {'count': 40, 'nonfinite': 0, 'zeros': 0, 'samples': [],"
        "'min': null, 'p05': null, 'p25': null, 'median': null, 'p75': null,"
        "'p95': null, 'max': null, 'mean': null}}},"
        "{'epoch': 4, 'complete': false, 'steps': 10, 'layers': {"
        "'conv1': {'count': 10, 'nonfinite': 0, 'zeros': 0, 'samples': [],"
        "'min': 1.0, 'p05': 1.0, 'p25': 1.0, 'median': 1.0, 'p75': 1.0,"
        "'p95': 1.0, 'max': 1.0, 'mean': 1.0}}}]}");
}

static void test_nothing_yet(void **state)
{
    (void)state;
    static const char *const empty[VIEW_COUNT] = {
        "{'job': 7, 'quantity': 'grad_out', 'layers': [], 'epochs': []}",
        NULL,
        "{'job': 7, 'quantity': 'grad_out', 'theory': null, 'epochs': [],"
        "'early_steps': []}",
        "{'job': 7, 'epochs': []}",
    };
    for (int round = 0; round < 2; round++) {
        for (int v = 0; v < VIEW_COUNT; v++)
            if (empty[v])
                check_json(ask((enum view)v, ""), empty[v]);
        json_decref(ask(VIEW_HISTOGRAMS, "layers=conv1&epochs=last"));
        add(started_event());
    }
}

static void test_layers_are_chosen(void **state)
{
    (void)state;
    static const struct { const char *query; const char *layers; } cases[] = {
        { "", "['conv1', 'layer1.0.conv1', 'fc']" },
        { "layers=all", "['conv1', 'layer1.0.conv1', 'fc']" },
        { "layers=", "['conv1', 'layer1.0.conv1', 'fc']" },
        { "layers=notebook", "['conv1', 'layer1.0.conv1', 'fc']" },
        { "layers=fc,conv1", "['conv1', 'fc']" },
        { "layers=*conv1", "['conv1', 'layer1.0.conv1']" },
        { "layers=layer[1-4].*", "['layer1.0.conv1']" },
    };
    add_small_job();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *answer = ask(VIEW_GRADIENTS, cases[i].query);
        char *want = xasprintf("{'layers': %s}", cases[i].layers);
        check_json(json_pack("{s:O}", "layers",
                             json_object_get(answer, "layers")), want);
        free(want);
        json_decref(answer);
    }
    check_refused(VIEW_GRADIENTS, "layers=conv1,conv9",
                  "nothing recorded is called conv9");
    check_refused(VIEW_PROFILE, "quantity=weight",
                  "the job does not record weight");
}

static void test_epochs_are_chosen(void **state)
{
    (void)state;
    static const struct { const char *query; int first, n; } cases[] = {
        { "", 1, 4 }, { "epochs=2", 2, 1 }, { "epochs=2-3", 2, 2 },
        { "epochs=2-last", 2, 3 }, { "epochs=last", 4, 1 },
        { "epochs=1-2,last", 1, 3 }, { "epochs=9", 0, 0 },
        { "epochs=3,1", 1, 2 },
    };
    add_small_job();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int v = 0; v <= VIEW_METRICS; v++) {
            json_t *answer = ask((enum view)v, cases[i].query);
            json_t *epochs = json_object_get(answer, "epochs");
            const json_t *first = json_array_get(epochs, 0);
            assert_int_equal(json_array_size(epochs), cases[i].n);
            assert_int_equal(
                json_integer_value(json_object_get(first, "epoch")),
                cases[i].first);
            json_decref(answer);
        }
    }
}

/* ---- histograms ---- */

static void test_samples_equal_numpy(void **state)
{
    (void)state;
    json_t *dump = load_dump(), *count, *density;
    json_t *samples = json_object_get(dump, "samples");
    json_t *counts = json_object_get(dump, "counts");
    size_t i;
    add(epoch_event(1, json_pack("{s:o}", "conv1",
        with_samples(record_of(205, 1), json_incref(samples)))));
    json_t *answer = ask(VIEW_HISTOGRAMS,
                         "bins=notebook&source=samples&density=linear");
    const json_t *got = layer_at(answer, 0, "conv1");
    json_array_foreach(counts, i, count)
        assert_int_equal(
            json_integer_value(json_array_get(json_object_get(got, "counts"),
                                              i)),
            json_integer_value(count));
    // Widths of bins are differences of edges that may be off by one ulp.
    json_array_foreach(json_object_get(dump, "density"), i, density)
        check_near(json_number_value(
                       json_array_get(json_object_get(got, "density"), i)),
                   json_number_value(density), 1e-14);
    assert_int_equal(json_array_size(json_object_get(got, "density")), 49);
    json_decref(answer);
    json_decref(dump);
}

static int64_t member(const json_t *layer, const char *name)
{
    const json_t *v = json_object_get(layer, name);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static int64_t total(const json_t *layer)
{
    json_t *counts = json_object_get(layer, "counts"), *v;
    int64_t sum = 0;
    size_t i;
    json_array_foreach(counts, i, v)
        sum += json_integer_value(v);
    return sum;
}

// Every number is somewhere, on every grid and from both sources.
static void test_nothing_is_lost(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "bins=notebook", "bins=extended", "bins=decade8",
        "bins=notebook&source=samples", "bins=extended&source=samples",
        "bins=decade8&source=samples",
    };
    json_t *record = with_hists(with_samples(record_of(7, 1),
        json_pack("[f, f, f, f, f, f]", 0.0, 1e-40, 1e-12, 0.3, 5.0, 1e12)));
    json_array_append_new(json_object_get(record, "samples"), json_null());
    json_object_set_new(record, "zeros", json_integer(1));
    json_object_set_new(record, "nonfinite", json_integer(1));
    add(epoch_event(1, json_pack("{s:o}", "conv1", record)));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        json_t *answer = ask(VIEW_HISTOGRAMS, queries[i]);
        const json_t *layer = layer_at(answer, 0, "conv1");
        bool notebook = i % 3 == 0;
        assert_int_equal(member(layer, "nonfinite"), 1);
        assert_int_equal(member(layer, "zeros"), notebook ? 0 : 1);
        assert_int_equal(member(layer, "underflow"), notebook ? 0 : 1);
        assert_int_equal(member(layer, "overflow"), notebook ? 2 : 1);
        assert_int_equal(total(layer), notebook ? 4 : 3);
        json_decref(answer);
    }
}

static void test_density_integrates_to_one(void **state)
{
    (void)state;
    json_t *record = with_hists(with_samples(record_of(3, 1),
        json_pack("[f, f, f]", 1e-5, 2e-5, 0.3)));
    add(epoch_event(1, json_pack("{s:o}", "conv1", record)));
    for (int linear = 0; linear < 2; linear++) {
        json_t *answer = ask(VIEW_HISTOGRAMS, linear
                             ? "bins=decade8&density=linear" : "bins=decade8");
        json_t *edges = json_object_get(json_object_get(answer, "bins"),
                                        "edges");
        json_t *density = json_object_get(layer_at(answer, 0, "conv1"),
                                          "density");
        double sum = 0;
        assert_int_equal(json_array_size(edges), 321);
        assert_string_equal(json_string_value(json_object_get(answer,
                            "density")), linear ? "linear" : "decade");
        for (size_t i = 0; i < 320; i++) {
            double a = json_number_value(json_array_get(edges, i));
            double b = json_number_value(json_array_get(edges, i + 1));
            sum += json_number_value(json_array_get(density, i)) *
                   (linear ? b - a : log10(b) - log10(a));
        }
        check_near(sum, 1, 1e-12);
        json_decref(answer);
    }
}

static void test_density_of_nothing_is_null(void **state)
{
    (void)state;
    add(live_event(1, 1, json_pack("{s:o}", "conv1",
        with_hists(with_samples(record_of(1, 1), json_pack("[f]", 1e30))))));
    json_t *answer = ask(VIEW_HISTOGRAMS, "");
    const json_t *layer = layer_at(answer, 0, "conv1");
    assert_true(json_is_null(json_object_get(layer, "density")));
    assert_int_equal(member(layer, "overflow"), 1);
    const json_t *epoch = json_array_get(json_object_get(answer, "epochs"), 0);
    assert_true(json_is_false(json_object_get(epoch, "complete")));
    json_decref(answer);
}

/* ---- metrics ---- */

static void test_metrics(void **state)
{
    (void)state;
    json_t *event = epoch_event(1, json_object());
    json_object_set_new(event, "loss", json_null());
    json_object_set_new(event, "nonfinite_steps", json_integer(3));
    json_object_set_new(event, "time",
                        json_string("2026-11-23T20:22:38.614Z"));
    json_object_set_new(event, "validation", json_pack("{s:f, s:f}",
        "loss", 2.5, "accuracy", 0.5));
    json_object_set_new(event, "early", json_pack(
        "[{s:i, s:f}, {s:i, s:n}]", "step", 0, "loss", 2.25,
        "step", 5, "loss"));
    add(event);
    add(live_event(2, 3, json_object()));
    const char *epochs =
        "'epochs': [{'epoch': 1, 'complete': true, 'loss': null,"
        "'accuracy': 0.25, 'nonfinite_steps': 3,"
        "'validation': {'loss': 2.5, 'accuracy': 0.5},"
        "'images_per_second': 200.0, 'recording_share': 0.01,"
        "'duration_seconds': 3.2, 'time': '2026-11-23T20:22:38.614Z'},"
        "{'epoch': 2, 'complete': false, 'loss': 2.75, 'accuracy': 0.125,"
        "'nonfinite_steps': 0, 'validation': null, 'images_per_second': 190.0,"
        "'recording_share': null, 'duration_seconds': null, 'time': null}]";
    char *want = xasprintf("{'job': 7, %s}", epochs);
    check_json(ask(VIEW_METRICS, ""), want);
    free(want);
    want = xasprintf("{'job': 7, %s, 'steps': ["
                     "{'epoch': 1, 'step': 0, 'loss': 2.25},"
                     "{'epoch': 1, 'step': 5, 'loss': null}]}", epochs);
    check_json(ask(VIEW_METRICS, "detail=steps"), want);
    free(want);
}


int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gradients), TEST(test_nothing_yet),
        TEST(test_layers_are_chosen), TEST(test_epochs_are_chosen),
        TEST(test_samples_equal_numpy), TEST(test_nothing_is_lost),
        TEST(test_density_integrates_to_one),
        TEST(test_density_of_nothing_is_null), TEST(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
