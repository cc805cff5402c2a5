/* Histories: event lines in, the same numbers out, whatever the lines hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include "daemon/views.h"
#include "tests/event_lines.h"

static void add(struct history *h, json_t *event)
{
    struct error err = { 0 };
    if (add_event(h, event, &err))
        fail_msg("%s", err.text);
}

static int series_of(const struct history *h, const char *layer)
{
    for (int s = 0; s < h->n_series; s++)
        if (!strcmp(h->series[s].layer, layer))
            return s;
    fail_msg("no series of %s", layer);
    return -1;
}

static json_t *two_layers(double a, double b)
{
    return json_pack("{s:o, s:o}", "conv1", record_of(40, a),
                     "layer1.0.conv1", record_of(40, b));
}

static void test_empty(void **state)
{
    (void)state;
    struct history *h = history_new();
    assert_int_equal(history_epochs(h), 0);
    assert_true(history_bytes(h) > 0);
    history_free(h);
    history_free(NULL);
}

static void test_records_are_kept(void **state)
{
    (void)state;
    struct history *h = history_new();
    add(h, started_event());
    json_t *record = with_samples(record_of(40, 0.5),
                                  json_pack("[f, n, f]", 1e-22, 0.1));
    json_object_set_new(record, "nonfinite", json_integer(1));
    json_object_set_new(record, "zeros", json_integer(2));
    json_object_set_new(record, "max", json_null());
    add(h, epoch_event(1, json_pack("{s:o}", "layer1.0.conv1", record)));

    assert_int_equal(history_epochs(h), 1);
    const struct history_epoch *e = history_epoch(h, 0);
    assert_int_equal(e->epoch, 1);
    assert_true(e->complete);
    assert_int_equal(e->steps, 40);
    assert_int_equal(e->images, 640);
    assert_true(e->loss == 2.5 && e->recording_share == 0.01);
    const struct record *r = history_record(e, 0);
    assert_non_null(r);
    assert_null(history_record(e, 1));
    assert_int_equal(h->series[0].depth, 2);
    assert_true(h->series[0].main);
    assert_int_equal(r->count, 40);
    assert_int_equal(r->nonfinite, 1);
    assert_int_equal(r->zeros, 2);
    assert_true(r->stats[STAT_MEDIAN] == 0.5 && isnan(r->stats[STAT_MAX]));
    assert_int_equal(r->n_samples, 3);
    assert_true(r->samples[0] == 1e-22 && r->samples[2] == 0.1);
    assert_true(isnan(r->samples[1]));
    assert_int_equal(r->sample_steps[2], 2);
    history_free(h);
}

static void test_histograms_come_back(void **state)
{
    (void)state;
    struct history *h = history_new();
    json_t *values = json_pack("[f, f, f, f, f, f]", 0.0, 1e-35, 1e-10, 0.3,
                               0.31, 1e12);
    json_t *record = with_hists(with_samples(record_of(6, 1), values));
    json_object_set_new(record, "zeros", json_integer(1));
    add(h, epoch_event(1, json_pack("{s:o}", "fc", record)));
    for (int g = 0; g < GRID_COUNT; g++) {
        struct hist want = { .grid = (enum grid)g }, got;
        for (int i = 0; i < 6; i++)
            hist_add(&want, history_record(history_epoch(h, 0), 0)->samples[i]);
        assert_true(history_hist(history_record(history_epoch(h, 0), 0),
                                 (enum grid)g, &got));
        assert_memory_equal(got.counts, want.counts, sizeof got.counts);
        assert_int_equal(got.underflow, want.underflow);
        assert_int_equal(got.overflow, want.overflow);
        assert_int_equal(got.zeros, want.zeros);
    }
    history_free(h);
}

static void test_large_counts_come_back(void **state)
{
    (void)state;
    struct history *h = history_new();
    struct hist hist = { .grid = GRID_DECADE8, .underflow = INT64_MAX,
                         .overflow = 128 };
    hist.counts[0] = 127;
    hist.counts[319] = INT64_C(1) << 53;
    json_t *record = record_of(1, 1);
    json_object_set_new(json_object_get(record, "hist"), "decade8",
                        hist_to_json(&hist));
    add(h, epoch_event(1, json_pack("{s:o}", "fc", record)));
    struct hist got;
    const struct record *r = history_record(history_epoch(h, 0), 0);
    assert_true(history_hist(r, GRID_DECADE8, &got));
    assert_memory_equal(got.counts, hist.counts, sizeof got.counts);
    assert_int_equal(got.underflow, INT64_MAX);
    assert_int_equal(got.overflow, 128);
    assert_false(history_hist(r, GRID_NOTEBOOK, &got));
    history_free(h);
}

static void test_live_is_the_epoch_in_progress(void **state)
{
    (void)state;
    struct history *h = history_new();
    add(h, started_event());
    add(h, live_event(1, 10, two_layers(1, 2)));
    add(h, live_event(1, 20, two_layers(3, 4)));
    assert_int_equal(history_epochs(h), 1);
    assert_false(history_epoch(h, 0)->complete);
    assert_int_equal(history_epoch(h, 0)->steps, 20);
    assert_true(isnan(history_epoch(h, 0)->duration_seconds));

    add(h, epoch_event(1, two_layers(5, 6)));
    assert_int_equal(history_epochs(h), 1);
    assert_true(history_epoch(h, 0)->complete);
    assert_true(history_record(history_epoch(h, 0), 1)->stats[0] == 6);

    add(h, live_event(1, 40, two_layers(7, 8)));        // late: of no use
    assert_int_equal(history_epochs(h), 1);
    add(h, live_event(2, 1, two_layers(7, 8)));
    assert_int_equal(history_epochs(h), 2);
    add(h, json_pack("{s:s}", "type", "cancelled"));
    assert_int_equal(history_epochs(h), 1);
    history_free(h);
}

static void test_a_new_start_starts_over(void **state)
{
    (void)state;
    struct history *h = history_new();
    add(h, started_event());
    size_t fresh = history_bytes(h);
    add(h, epoch_event(1, two_layers(1, 2)));
    add(h, live_event(2, 1, two_layers(1, 2)));
    assert_true(history_bytes(h) > fresh);
    add(h, started_event());
    assert_int_equal(history_epochs(h), 0);
    assert_int_equal(h->n_series, 0);
    assert_int_equal(history_bytes(h), fresh);
    history_free(h);
}

static void test_an_epoch_told_again_replaces(void **state)
{
    (void)state;
    struct history *h = history_new();
    for (int e = 1; e <= 3; e++)
        add(h, epoch_event(e, two_layers(e, e)));
    size_t before = history_bytes(h);
    add(h, epoch_event(2, two_layers(9, 9)));
    assert_int_equal(history_epochs(h), 2);
    assert_true(history_record(history_epoch(h, 1), 0)->stats[0] == 9);
    add(h, epoch_event(3, two_layers(9, 9)));
    assert_int_equal(history_bytes(h), before);
    history_free(h);
}

static void test_early_steps(void **state)
{
    (void)state;
    struct history *h = history_new();
    json_t *event = epoch_event(1, two_layers(1, 2));
    json_object_set_new(event, "early", json_pack(
        "[{s:i, s:f, s:{s:{s:f, s:n}}}, {s:i, s:n, s:{s:{s:f}}}]",
        "step", 0, "loss", 2.25, "quantities", "grad_out", "conv1", 28.5,
        "layer1.0.conv1",
        "step", 5, "loss", "quantities", "grad_out", "layer1.0.conv1", 7.5));
    add(h, event);
    assert_int_equal(h->n_early, 2);
    int conv1 = series_of(h, "conv1"), next = series_of(h, "layer1.0.conv1");
    assert_true(h->early[0].loss == 2.25 && isnan(h->early[1].loss));
    assert_int_equal(h->early[1].step, 5);
    assert_true(h->early[0].values[conv1] == 28.5);
    assert_true(isnan(h->early[0].values[next]));
    assert_true(isnan(h->early[1].values[conv1]));
    assert_true(h->early[1].values[next] == 7.5);
    history_free(h);
}

static void test_wrong_lines_change_nothing(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "", "{", "[]", "3", "{}", "{\"type\": 3}",
        "{\"type\": \"epoch\"}",
        "{\"type\": \"epoch\", \"epoch\": 0}",
        "{\"type\": \"epoch\", \"epoch\": -1}",
        "{\"type\": \"epoch\", \"epoch\": 99999999999}",
        "{\"type\": \"live\", \"epoch\": \"1\"}",
        "{\"type\": \"epoch\", \"epoch\": 2, \"quantities\": {\"grad_out\": "
        "{\"conv1\": 3}}}",
        "{\"type\": \"epoch\", \"epoch\": 2, \"quantities\": {\"grad_out\": "
        "{\"fc\": {}, \"conv1\": {\"hist\": {\"notebook\": {\"first\": 49, "
        "\"counts\": [1], \"underflow\": 0, \"overflow\": 0}}}}}}",
        "{\"type\": \"epoch\", \"epoch\": 2, \"quantities\": {\"grad_out\": "
        "{\"conv1\": {\"hist\": {\"decade8\": {\"first\": 1, "
        "\"counts\": [-1], \"underflow\": 0, \"overflow\": 0}}}}}}",
    };
    struct history *h = history_new();
    add(h, epoch_event(1, two_layers(1, 2)));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct error err = { 0 };
        int rc = history_add(h, lines[i], strlen(lines[i]), &err);
        if (rc != ERR_SPEC || err.code != ERR_SPEC)
            fail_msg("taken: %s", lines[i]);
        assert_int_equal(history_epochs(h), 1);
        assert_true(history_record(history_epoch(h, 0), 1)->stats[0] == 2);
    }
    history_free(h);
}

static void test_cut_and_strange_lines_do_no_harm(void **state)
{
    (void)state;
    struct history *h = history_new();
    json_t *event = epoch_event(1, two_layers(1, 2));
    json_object_set_new(event, "early", json_pack("[{s:i}, i, n]",
                                                  "quantities", 3, 4));
    char *line = json_dumps(event, JSON_COMPACT);
    for (size_t len = 0; len < strlen(line); len++)
        assert_int_equal(history_add(h, line, len, NULL), ERR_SPEC);
    add(h, event);
    add(h, json_pack("{s:s, s:[i, {s:[]}], s:[s]}", "type", "started",
                     "layers", 3, "name", "spec", "x"));
    add(h, json_pack("{s:s}", "type", "of a later version"));
    add(h, json_pack("{s:s, s:i, s:{s:{s:{}}, s:i}}", "type", "epoch", "epoch",
                     1, "quantities", "new", "conv1", "grad_out", 3));
    assert_int_equal(h->n_series, 0);
    free(line);
    history_free(h);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct history *h = history_new();
    add(h, epoch_event(1, two_layers(1, 2)));
    h->max_bytes = history_bytes(h) + 700;
    struct error err = { 0 };
    json_t *big = with_samples(record_of(40, 1), json_array());
    for (int i = 0; i < 100; i++)
        json_array_append_new(json_object_get(big, "samples"), json_real(1));
    int rc = add_event(h, epoch_event(2, json_pack("{s:o}", "conv1", big)),
                       &err);
    assert_int_equal(rc, ERR_LIMIT);
    assert_int_equal(history_epochs(h), 2);
    assert_true(history_epoch(h, 1)->loss == 2.5);
    assert_null(history_record(history_epoch(h, 1), 0));
    assert_non_null(history_record(history_epoch(h, 0), 0));
    history_free(h);
}

// The figure that the header promises: 54 layers, 300 epochs, 20 samples, each
// layer's norms spread over three decades. A tenth of the epochs, for speed:
// all take the same.
static void test_a_long_job_takes_few_megabytes(void **state)
{
    (void)state;
    struct history *h = history_new();
    json_t *layers = json_object();
    for (int l = 0; l < 54; l++) {
        char name[32];
        json_t *samples = json_array();
        for (int i = 0; i < 20; i++)
            json_array_append_new(samples, json_real(pow(10, i * 0.15 - l)));
        snprintf(name, sizeof name, "layer%d", l);
        json_object_set_new(layers, name,
            with_hists(with_samples(record_of(6250, 1), samples)));
    }
    char *line = NULL;
    for (int e = 1; e <= 30; e++) {
        json_t *event = epoch_event(e, json_incref(layers));
        line = json_dumps(event, JSON_COMPACT);
        assert_int_equal(history_add(h, line, strlen(line), NULL), 0);
        json_decref(event);
        free(line);
    }
    assert_int_equal(history_epochs(h), 30);
    assert_true(10 * history_bytes(h) < 8 << 20);
    json_decref(layers);
    history_free(h);
}

static json_t *probe_event(int step, double cosine)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:f, s:n, s:{s:{s:f, s:n}, s:[]}}",
        "type", "probe", "epoch", 1, "step", step, "images", 8, "loss", 2.5,
        "seconds", "layers", "conv1", "cosine", cosine, "snr", "odd");
}

// What is missing is not a number; another attempt's replaces what came before.
static void test_probes(void **state)
{
    (void)state;
    struct history *h = history_new();
    size_t empty = history_bytes(h);

    add(h, probe_event(0, 0.25));
    add(h, probe_event(5, 0.5));
    add(h, probe_event(9, 0.75));
    add(h, probe_event(5, -1));
    assert_int_equal(h->n_probes, 2);
    const struct history_probe *p = &h->probes[1];
    assert_int_equal(p->step, 5);
    assert_true(p->loss == 2.5 && isnan(p->seconds));
    assert_int_equal(p->n_layers, 2);
    assert_string_equal(p->layers[0].name, "conv1");
    assert_true(p->layers[0].numbers[0] == -1);
    assert_true(isnan(p->layers[0].numbers[1]));
    assert_true(isnan(p->layers[1].numbers[2]));

    struct view_query q = { .job = 3, .quantity = -1 };
    json_t *view = view_probe(h, &q, NULL);
    json_t *probes = json_object_get(view, "probes");
    json_t *layers = json_object_get(json_array_get(probes, 0), "layers");
    assert_int_equal(json_array_size(probes), 2);
    assert_true(json_number_value(json_object_get(json_object_get(layers,
                "conv1"), "cosine")) == 0.25);
    json_decref(view);

    add(h, started_event());            // starts over
    assert_int_equal(h->n_probes, 0);
    history_free(h);
    h = history_new();
    h->max_bytes = empty + 100;
    assert_int_equal(add_event(h, probe_event(0, 1), &(struct error){ 0 }),
                     ERR_LIMIT);
    assert_int_equal(history_bytes(h), empty);
    history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_records_are_kept),
        cmocka_unit_test(test_histograms_come_back),
        cmocka_unit_test(test_large_counts_come_back),
        cmocka_unit_test(test_live_is_the_epoch_in_progress),
        cmocka_unit_test(test_a_new_start_starts_over),
        cmocka_unit_test(test_an_epoch_told_again_replaces),
        cmocka_unit_test(test_early_steps),
        cmocka_unit_test(test_wrong_lines_change_nothing),
        cmocka_unit_test(test_cut_and_strange_lines_do_no_harm),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_a_long_job_takes_few_megabytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
