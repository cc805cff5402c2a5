/* Verdicts: what the rules make of records whose meaning is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include "daemon/verdict.h"
#include "daemon/views.h"
#include "tests/event_lines.h"

enum { LAYERS = 16 };

static struct history *history;

static int setup(void **state)
{
    (void)state;
    history = history_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_free(history);
    return 0;
}

static void add(json_t *event)
{
    struct error err = { 0 };
    if (add_event(history, event, &err))
        fail_msg("%s", err.text);
}

// Layers c1..c16 of the main path and fc.
static void add_started(void)
{
    json_t *layers = json_array();
    for (int i = 1; i <= LAYERS; i++) {
        char *name = xasprintf("c%d", i);
        json_array_append_new(layers, json_pack("{s:s, s:i, s:b}", "name", name,
                                                "depth", i, "main", 1));
        free(name);
    }
    json_array_append_new(layers, json_pack("{s:s, s:i, s:b}", "name", "fc",
                                            "depth", LAYERS, "main", 0));
    add(json_pack("{s:s, s:o}", "type", "started", "layers", layers));
}

// Norms with this slope, in decades a layer towards the input; `scale` is that
// of the last layer.
static json_t *line(double decades, double scale)
{
    json_t *layers = json_object();
    for (int i = 1; i <= LAYERS; i++) {
        char *name = xasprintf("c%d", i);
        json_object_set_new(layers, name,
            record_of(40, scale * pow(10, decades * (LAYERS - i))));
        free(name);
    }
    json_object_set_new(layers, "fc", record_of(40, scale));
    return layers;
}

static json_t *epoch_with(int epoch, json_t *layers, double loss)
{
    json_t *event = epoch_event(epoch, layers);
    json_object_set_new(event, "loss", json_real(loss));
    return event;
}

static json_t *verdict(void)
{
    struct view_query q = { .job = 7, .quantity = -1 };
    struct error err = { 0 };
    json_t *answer = view_verdict(history, &q, &err);
    if (!answer)
        fail_msg("%s", err.text);
    return answer;
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    assert_non_null(s);
    return s;
}

// The row of the rule that decided, borrowed.
static const json_t *deciding(const json_t *answer)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "evidence"), i, row)
        if (json_is_true(json_object_get(row, "decides")))
            return row;
    return NULL;
}

static void check(const char *want, const char *rule, const char *says)
{
    json_t *answer = verdict();
    const json_t *row = deciding(answer);
    if (strcmp(text(answer, "verdict"), want) ||
        !strstr(text(answer, "summary"), says))
        fail_msg("%s", json_dumps(answer, JSON_COMPACT));
    assert_true((rule == NULL) == (row == NULL));
    if (rule)
        assert_string_equal(text(row, "rule"), rule);
    json_decref(answer);
}

/* ---- by slopes ---- */

// The same answer whatever the size of the norms.
static void test_slopes(void **state)
{
    (void)state;
    static const struct { double decades; const char *want, *rule, *says; }
    cases[] = {
        { -0.45, "vanishing", "slope", "gradients vanish: around c1 their norm "
          "is about 2 million times smaller than around c16; each layer towards"
          " the input multiplies it by 0.355" },
        { -0.21, "vanishing", "slope", "gradients vanish" },
        { -0.1, "healthy", NULL, "gradients are healthy" },
        { 0, "healthy", NULL, "norm is as large as around c16" },
        { 0.04, "healthy", NULL, "gradients are healthy" },
        { 0.06, "exploding", "slope", "gradients explode towards the input" },
        { 0.45, "exploding", "slope", "about 2 million times larger" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (double scale = 1e-12; scale < 1e13; scale *= 1e12) {
            add_started();
            add(epoch_with(1, line(cases[i].decades, scale), 2.3));
            check(cases[i].want, cases[i].rule, cases[i].says);
        }
}

// A cliff in the middle is no line, but the ends tell.
static void test_ratio(void **state)
{
    (void)state;
    json_t *layers = line(0, 1);
    for (int i = 1; i <= 2; i++) {
        char *name = xasprintf("c%d", i);
        json_object_set_new(layers, name, record_of(40, 1e-5));
        free(name);
    }
    add_started();
    add(epoch_with(1, layers, 2.3));
    check("vanishing", "ratio", "about 100,000 times smaller");
}

static void test_zeros(void **state)
{
    (void)state;
    json_t *layers = line(0.01, 1);
    for (int i = 3; i <= 6; i++) {
        char *name = xasprintf("c%d", i);
        json_t *record = record_of(40, 0);
        json_object_set_new(record, "zeros", json_integer(40));
        json_object_set_new(layers, name, record);
        free(name);
    }
    add_started();
    add(epoch_with(1, layers, 2.3));
    check("dead", "zeros", "4 dead layers: nothing but zeros in c3, c4, c5 and "
                           "others");
}

// Where activations are recorded, their zeros decide, and not a gradient's.
static void test_activations_that_are_zero(void **state)
{
    (void)state;
    json_t *layers = line(0.01, 1), *record = record_of(40, 0);
    json_object_set_new(record, "zeros", json_integer(40));
    json_object_set_new(layers, "c3", record);
    json_t *event = epoch_with(1, layers, 2.3);
    json_object_set_new(json_object_get(event, "quantities"), "act_zeros",
        json_pack("{s:o, s:o, s:o}", "c2", record_of(40, 0.6),
                  "c7", record_of(40, 0.985), "c8", record_of(40, 0.995)));
    add_started();
    add(event);
    check("dead", "zeros", "1 dead layer: nothing but zeros in c8");
    json_t *answer = verdict();
    assert_string_equal(text(deciding(answer), "href"), "/api/v1/jobs/7/"
                        "gradients?quantity=act_zeros&epochs=1");
    json_decref(answer);
}

// Underflow at the end of a steep slope is vanishing, not death.
static void test_underflow_is_vanishing(void **state)
{
    (void)state;
    json_t *layers = line(-4, 1);
    json_t *record = record_of(40, 0);
    json_object_set_new(record, "zeros", json_integer(40));
    json_object_set_new(layers, "c1", record);
    add_started();
    add(epoch_with(1, layers, 2.3));
    check("vanishing", "slope", "at 1 layer it is too small for a float");
}

/* ---- by the loss ---- */

static void test_loss_that_does_not_fall(void **state)
{
    (void)state;
    add_started();
    add(epoch_with(1, line(0, 1), 2.303));
    check("healthy", NULL, "the loss went from 2.303 to 2.303");
    add(epoch_with(2, line(0, 1), 2.310));
    add(epoch_with(3, line(0, 1), 2.300));
    check("stalled", "loss", "training stands still: gradients reach all "
                             "layers, but the loss went from 2.303 to 2.3");
    add(epoch_with(4, line(0, 1), 1.5));
    check("healthy", NULL, "the loss went from 2.303 to 1.5");
}

// A fall within the noise between steps, as the early ones show it, is none.
static void test_noise_is_no_fall(void **state)
{
    (void)state;
    json_t *first = epoch_with(1, line(0, 1), 2.3), *early = json_array();
    for (int i = 0; i < 8; i++)
        json_array_append_new(early, json_pack("{s:i, s:f, s:{}}", "step", i,
            "loss", i % 2 ? 2.0 : 2.6, "quantities"));
    json_object_set_new(first, "early", early);
    add_started();
    add(first);
    add(epoch_with(2, line(0, 1), 2.1));    // 0.2 +- 0.42 sqrt(2 / 40)
    check("stalled", "loss", "stands still");
    add(epoch_with(3, line(0, 1), 1.9));
    check("healthy", NULL, "healthy");
}

// Wild first steps say that the loss is noisy; a clear fall is one all the
// same.
static void test_a_clear_fall_is_one(void **state)
{
    (void)state;
    json_t *first = epoch_with(1, line(0, 1), 9.9), *early = json_array();
    for (int i = 0; i < 8; i++)
        json_array_append_new(early, json_pack("{s:i, s:f, s:{}}", "step", i,
            "loss", i % 2 ? 2.0 : 90.0, "quantities"));
    json_object_set_new(first, "early", early);
    add_started();
    add(first);
    add(epoch_with(2, line(0, 1), 8.0));
    check("stalled", "loss", "stands still");
    add(epoch_with(3, line(0, 1), 1.4));
    check("healthy", NULL, "the loss went from 9.9 to 1.4");
}

static void test_weights_that_stand_still(void **state)
{
    (void)state;
    json_t *event = epoch_with(1, line(0, 1), 2.3);
    json_object_set_new(json_object_get(event, "quantities"), "weight",
                        line(0, 4));
    add_started();
    add(event);
    check("stalled", "still", "no weight moves");

    json_t *updates = line(0, 0), *layer;
    const char *name;
    json_object_foreach(updates, name, layer)
        json_object_set_new(layer, "zeros", json_integer(40));
    event = epoch_with(1, line(0, 1), 2.3);
    json_object_set_new(json_object_get(event, "quantities"), "update",
                        updates);
    add_started();
    add(event);
    check("stalled", "still", "no weight moves");
}

static void test_diverged(void **state)
{
    (void)state;
    json_t *event = epoch_with(1, line(0, 1), 2.3);
    json_object_set_new(event, "nonfinite_steps", json_integer(3));
    json_object_set_new(event, "complete", json_false());
    add_started();
    add(event);
    check("diverged", "loss_nonfinite", "not a number in 3 of 40 steps");
    add_started();
    add(epoch_with(1, line(0, 1), 2.3));
    add(epoch_with(2, line(0, 1), 2.3e3));
    check("diverged", "loss_grew", "the loss of epoch 2 is 2.3e+03");
    json_t *answer = verdict();
    assert_float_equal(json_number_value(json_object_get(deciding(answer),
                       "value")), 1000, 1e-9);
    json_decref(answer);
    add_started();
    add(epoch_with(1, line(0, 1), 2.3));
    add(json_pack("{s:s, s:s}", "type", "finished", "state", "diverged"));
    check("diverged", NULL, "training diverged");
}

/* ---- shape ---- */

static void test_nothing_is_unknown(void **state)
{
    (void)state;
    check("unknown", NULL, "not known");
    add_started();
    check("unknown", NULL, "not known");
    add(epoch_with(1, json_pack("{s:o, s:o}", "c1", record_of(40, 1),
                                "c2", record_of(40, 1)), 2.3));
    check("unknown", NULL, "not known");
    add(epoch_with(2, json_object(), 2.3));
    check("unknown", NULL, "not known");
}

static void test_how_it_started(void **state)
{
    (void)state;
    json_t *first = epoch_with(1, line(0, 1), 2.3), *values = json_object();
    for (int i = 1; i <= LAYERS; i++) {
        char *name = xasprintf("c%d", i);
        json_object_set_new(values, name, json_real(pow(1.21, LAYERS - i)));
        free(name);
    }
    json_object_set_new(first, "early", json_pack("[{s:i, s:f, s:{s:o}}]",
        "step", 0, "loss", 2.3, "quantities", "grad_out", values));
    add_started();
    add(first);
    json_t *answer = verdict();
    assert_string_equal(text(answer, "verdict"), "healthy");
    assert_string_equal(text(json_object_get(answer, "start"), "verdict"),
                        "exploding");
    assert_non_null(strstr(text(answer, "summary"), "At step 0 gradients were "
                           "exploding: each layer towards the input "
                           "multiplied them by 1.21"));
    json_decref(answer);
}

static void test_shape(void **state)
{
    (void)state;
    add_started();
    add(epoch_with(1, line(-0.45, 1), 2.3));
    add(epoch_with(2, line(0, 1), 1.3));
    json_t *answer = verdict();
    json_t *want = json_pack("[{s:i, s:s, s:s}, {s:i, s:s, s:s}]",
        "epoch", 1, "verdict", "vanishing", "rule", "slope",
        "epoch", 2, "verdict", "healthy", "rule", "none");
    assert_true(json_equal(json_object_get(answer, "epochs"), want));
    assert_int_equal(json_integer_value(json_object_get(answer, "job")), 7);
    const json_t *row = json_array_get(json_object_get(answer, "evidence"), 0);
    assert_string_equal(text(row, "rule"), "slope");
    assert_string_equal(text(row, "href"), "/api/v1/jobs/7/profile?"
                        "quantity=grad_out&epochs=2");
    assert_true(json_is_number(json_object_get(row, "value")));
    assert_true(json_is_number(json_object_get(row, "threshold")));
    assert_int_equal(json_array_size(json_object_get(row, "layers")), 2);
    assert_int_equal(json_array_size(json_object_get(row, "epochs")), 1);
    json_decref(want);
    json_decref(answer);
}

// What a daemon is told takes the place of the defaults.
static void test_other_limits(void **state)
{
    (void)state;
    struct verdict_limits strict = verdict_defaults;
    struct view_query q = { .job = 7, .quantity = -1, .limits = &strict };
    add_started();
    add(epoch_with(1, line(-0.1, 1), 2.3));

    check("healthy", NULL, "");
    strict.vanishing_slope = -0.05;
    json_t *answer = view_verdict(history, &q, NULL);
    assert_string_equal(text(answer, "verdict"), "vanishing");
    assert_true(json_number_value(json_object_get(json_object_get(answer,
                "limits"), "vanishing_slope")) == -0.05);
    json_decref(answer);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_slopes), T(test_ratio), T(test_zeros),
        T(test_activations_that_are_zero),
        T(test_underflow_is_vanishing), T(test_loss_that_does_not_fall),
        T(test_noise_is_no_fall), T(test_a_clear_fall_is_one),
        T(test_weights_that_stand_still),
        T(test_diverged), T(test_nothing_is_unknown), T(test_how_it_started),
        T(test_shape),
        T(test_other_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
