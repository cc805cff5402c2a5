/* tests/small_job.h: a history for tests of what is said about it. */
#pragma once
#include "daemon/views.h"
#include "tests/event_lines.h"

static struct history *history;

static inline int setup(void **state)
{
    (void)state;
    history = history_new();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    history_free(history);
    return 0;
}

static inline void add(json_t *event)
{
    struct error err = { 0 };
    if (add_event(history, event, &err))
        fail_msg("%s", err.text);
}

// "bins=notebook&source=samples" into a query, which must be right.
static inline struct view_query query_of(enum view view, const char *text)
{
    struct view_param params[8];
    struct view_query q;
    json_t *problems;
    char *copy = xstrdup(text), *rest = copy, *part;
    int n = 0;
    while (*text && (part = strsep(&rest, "&"))) {
        params[n].name = strsep(&part, "=");
        params[n++].value = part;
    }
    if (view_query_parse(&q, view, params, n, &problems))
        fail_msg("%s: %s", text, json_dumps(problems, JSON_COMPACT));
    assert_null(problems);
    free(copy);
    q.job = 7;
    return q;
}

static inline void check_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * fabs(want)))
        fail_msg("%.17g instead of %.17g", got, want);
}

// Borrowed: answer.epochs[i].layers.<layer>
static inline void add_small_job(void)
{
    add(started_event());
    for (int e = 1; e <= 3; e++)
        add(epoch_event(e, json_pack("{s:o, s:o, s:o}",
            "conv1", with_samples(record_of(40, 0.5),
                                  json_pack("[f, n]", 0.25 * e, 1)),
            "layer1.0.conv1", record_of(40, 0.25),
            "fc", record_of(40, -1))));
    add(live_event(4, 10, json_pack("{s:o}", "conv1", record_of(10, 1))));
}

// A test with a history of its own.
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
