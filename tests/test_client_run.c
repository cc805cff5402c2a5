/* A watched job: what is known of it after its events, and its picture. */
#include "client/run.h"
#include "client/screen.h"
#include "client/text.h"
#include "common/mem.h"
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

static struct run *run_new(void)
{
    struct run *run = xcalloc(1, sizeof *run);

    strcpy(run->state, "queued");
    return run;
}

static void run_end(struct run *run)
{
    run_clear(run);
    free(run);
}

static void apply(struct run *run, const char *event)
{
    json_t *parsed = json_loads(event, 0, NULL);

    assert_non_null(parsed);
    run_apply(run, parsed);
    json_decref(parsed);
}

static const char started[] =
    "{\"type\": \"started\", \"device\": {\"backend\": \"cpu\", \"index\": 0, "
    "\"name\": \"Tiny \\u001b[31m\"}, \"spec\": {\"name\": \"plain\", "
    "\"train\": {\"epochs\": 3}}, \"steps_per_epoch\": 40, \"layers\": ["
    "{\"name\": \"conv1\"}, {\"name\": \"layer1.0.conv2\"}, "
    "{\"name\": \"fc\"}]}";
#define RECORD(median, first, counts) "{\"median\": " median ", \"hist\": "    \
    "{\"decade8\": {\"first\": " first ", \"counts\": [" counts "]}}}"
static const char live[] =
    "{\"type\": \"live\", \"epoch\": 2, \"epochs\": 3, \"step\": 20, "
    "\"steps_per_epoch\": 40, \"images_per_second\": 205.1, \"loss\": 2.2, "
    "\"accuracy\": 0.2, \"eta_seconds\": 8.5, \"quantities\": {\"grad_out\": {"
    "\"layer1.0.conv2\": " RECORD("1", "240", "1") ", "
    "\"fc\": " RECORD("0.01", "224", "1, 2") ", "
    "\"conv1\": " RECORD("0.001", "216", "3") "}}}";

static void test_a_run_follows_its_events(void **state)
{
    (void)state;
    struct run *run = run_new();
    int indices[3];
    double low, high;

    apply(run, started);
    assert_string_equal(run->state, "running");
    assert_int_equal(run->n_history, 0);
    apply(run, live);
    assert_int_equal(run->epoch, 2);
    assert_int_equal(run->n_history, 1);
    // The notebook's layers alone, in the order of the network.
    assert_int_equal(run_layers(run, 0, 0, false, indices), 2);
    assert_string_equal(run->layers[indices[0]], "conv1");
    assert_string_equal(run->layers[indices[1]], "fc");
    assert_true(run_range(run, 0, 0, indices, 2, &low, &high));
    assert_float_equal(low, -3, 0);
    assert_float_equal(high, -1.75, 0);
    assert_int_equal(run_layers(run, 0, 0, true, indices), 3);
    assert_string_equal(run->layers[indices[1]], "layer1.0.conv2");
    apply(run, "{\"type\": \"failed\", \"error\": {\"code\": \"device\", "
               "\"message\": \"lost\"}}");
    assert_string_equal(run->state, "failed");
    assert_string_equal(run->reason, "lost");
    assert_false(run_is_done(run));
    run_end(run);
}

static void test_without_the_notebooks_all_layers_are_shown(void **state)
{
    (void)state;
    struct run *run = run_new();
    int indices[3];

    apply(run, "{\"type\": \"live\", \"epoch\": 1, \"epochs\": 1, "
               "\"quantities\": {\"grad_w\": {\"a\": {\"median\": null}, "
               "\"b\": {}}}}");
    assert_int_equal(run_layers(run, 0, 0, false, indices), 2);
    assert_true(isnan(run_find(run, 0, 0, indices[0])->median));
    run_end(run);
}

// An epoch with the median of conv1, of two quantities.
static void epoch(struct run *run, int number, double median, double loss)
{
    char *text = xasprintf(
        "{\"type\": \"epoch\", \"epoch\": %d, \"steps\": 40, \"loss\": %g, "
        "\"quantities\": {\"grad_out\": {\"conv1\": {\"median\": %g}}, "
        "\"update\": {\"conv1\": {\"median\": 1}}}}", number, loss, median);

    apply(run, text);
    free(text);
}

static void test_epochs_are_kept_with_their_trend(void **state)
{
    (void)state;
    static const struct { double median; int trend; } rows[] = {
        {1, 9}, {1.2, 0}, {2, 1}, {1, -1}, {0, 9}, {1, 9},
    };
    struct run *run = run_new();
    int trend;

    apply(run, started);
    for (int i = 0; i < 6; i++)
        epoch(run, i + 1, rows[i].median, 1);
    assert_int_equal(run->n_history, 6);
    assert_int_equal(run->n_quantities, 2);
    for (int i = 0; i < 6; i++) {
        const struct run_row *row = run_find(run, i, 0, 0);
        assert_float_equal(row->median, rows[i].median, 0);
        bool known = run_trend(run, i, row, &trend);
        assert_int_equal(known ? trend : 9, rows[i].trend);
    }
    assert_null(run_find(run, 6, 0, 0));
    assert_null(run_find(run, 0, 0, 1));
    run_end(run);
}

// A partial epoch gives way to the whole one, and to another attempt.
static void test_a_partial_epoch_is_replaced(void **state)
{
    (void)state;
    struct run *run = run_new();

    apply(run, started);
    epoch(run, 1, 1, 1);
    apply(run, live);
    assert_int_equal(run->n_history, 2);
    assert_false(run->history[1].whole);
    apply(run, started);
    assert_int_equal(run->n_history, 1);
    apply(run, live);
    epoch(run, 2, 5, 1);
    assert_int_equal(run->n_history, 2);
    assert_true(run->history[1].whole);
    run_end(run);
}

static void test_only_the_newest_epochs_are_kept(void **state)
{
    (void)state;
    struct run *run = run_new();
    double means[4];

    apply(run, started);
    for (int i = 1; i <= RUN_EPOCHS + 700; i++)
        epoch(run, i, i, i <= (RUN_EPOCHS + 700) / 2 ? 2 : 1);
    assert_int_equal(run->n_history, RUN_EPOCHS);
    assert_int_equal(run->history[0].number, 701);
    assert_float_equal(run_find(run, 0, 0, 0)->median, 701, 0);
    // The losses span all of it: half at 2, half at 1.
    assert_true(run_losses(run, means, 4));
    assert_float_equal(means[0], 2, 0);
    assert_float_equal(means[3], 1, 0);
    run_end(run);
}

static void test_losses_are_means_over_parts_of_the_time(void **state)
{
    (void)state;
    struct run *run = run_new();
    double means[4];

    assert_false(run_losses(run, means, 4));
    apply(run, started);
    epoch(run, 1, 1, 4);
    epoch(run, 2, 1, 3);
    epoch(run, 4, 1, 1);
    assert_true(run_losses(run, means, 4));
    // After 1, 2 and 4 of 4 epochs; nothing in the first part.
    assert_float_equal(means[0], 4, 0);
    assert_float_equal(means[1], 4, 0);
    assert_float_equal(means[2], 3, 0);
    assert_float_equal(means[3], 1, 0);
    run_end(run);
}

/* ---- its picture ---- */

static void assert_part(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_what_was_chosen_is_shown(void **state)
{
    (void)state;
    struct client c = {.columns = 80, .rows = 24};
    struct run *run = run_new();
    static const struct { struct screen s; const char *parts[3]; } rows[] = {
        {{0}, {"grad_out, epoch 2 so far", "0.00100 v", "fc"}},
        {{.epoch = 1}, {"grad_out, epoch 1 ", "2.00", NULL}},
        {{.epoch = 1, .quantity = 3}, {"update, epoch 1", "1.00", NULL}},
        {{.all = true}, {"layer1.0.conv2", "1.00", NULL}},
        {{.help = true}, {"the next quantity", NULL}},
        {{.keys = true}, {"? help", NULL}},
        {{.lost = true}, {"does not answer, trying again", NULL}},
    };

    apply(run, started);
    epoch(run, 1, 2, 3);
    apply(run, live);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct axis axis = {.low = 1, .high = 0};
        char *picture = screen_compose(&c, run, &rows[i].s, &axis);
        for (int k = 0; k < 3 && rows[i].parts[k]; k++)
            assert_part(picture, rows[i].parts[k]);
        free(picture);
    }
    run_end(run);
}

// Every line of a picture fits, whatever the terminal and the locale.
static void test_pictures_fit_the_terminal(void **state)
{
    (void)state;
    struct run *run = run_new();

    apply(run, started);
    apply(run, "{\"type\": \"warning\", \"code\": \"x\", \"path\": "
               "\"a\\u001b[2J\", \"reason\": \"\\u009b31m\"}");
    epoch(run, 1, 1, 3);
    apply(run, live);
    apply(run, "{\"type\": \"live\", \"epoch\": 2, \"epochs\": 3, "
               "\"quantities\": {\"\\u001b]0;x\\u0007\": {\"\\u001b[31m\": "
               RECORD("1", "240", "1") "}}}");
    for (int columns = 20; columns <= 140; columns += 3)
        for (int rows = 3; rows <= 40; rows++) {
            struct client c = {.columns = columns, .rows = rows,
                               .utf8 = columns % 2};
            struct screen s = {.all = rows % 2, .help = rows % 5 == 0,
                               .keys = true, .first = rows % 4,
                               .quantity = rows % 3};
            struct axis axis = {.low = 1, .high = 0};
            char *picture = screen_compose(&c, run, &s, &axis);
            int n = 0;
            for (char *line = picture, *end; *line; line = end + 1, n++) {
                end = strchr(line, '\n');
                *end = 0;
                assert_in_range(text_width(line), 0, columns - 1);
                assert_null(strchr(line, '\033'));
                assert_null(strstr(line, "\xc2\x9b"));
            }
            assert_in_range(n, 1, rows > 6 ? rows - 1 : 6);
            free(picture);
        }
    run_end(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_follows_its_events),
        cmocka_unit_test(test_without_the_notebooks_all_layers_are_shown),
        cmocka_unit_test(test_epochs_are_kept_with_their_trend),
        cmocka_unit_test(test_a_partial_epoch_is_replaced),
        cmocka_unit_test(test_only_the_newest_epochs_are_kept),
        cmocka_unit_test(test_losses_are_means_over_parts_of_the_time),
        cmocka_unit_test(test_what_was_chosen_is_shown),
        cmocka_unit_test(test_pictures_fit_the_terminal),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
