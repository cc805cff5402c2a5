// The daemon from outside: jobs, their events, what is said about them. The
// worker is tests/fake_worker.c, which does what a job's name says.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

static struct daemon d;         // one for all tests of this file

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "(none)";
}

static char *job_path(int64_t id, const char *below)
{
    return xasprintf("/api/v1/jobs/%" PRId64 "%s", id, below);
}

static json_t *get_below(int64_t id, const char *below)
{
    char *path = job_path(id, below);
    json_t *json = get(&d, path);
    free(path);
    return json;
}

static int status_below(const char *method, int64_t id, const char *below)
{
    char *path = job_path(id, below);
    struct answer a = ask(&d, method, path, NULL, NULL);
    int status = a.status;
    answer_clear(&a);
    free(path);
    return status;
}

static struct stream follow(int64_t id, const char *query, int64_t last_id)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events%s", id, query);
    struct stream s = stream_open(&d, path, last_id);
    free(path);
    return s;
}

static void a_job_runs_and_is_told_event_by_event(void **state)
{
    (void)state;
    static const char *const types[] = { "queued", "started", "epoch", "epoch",
                                         "finished" };
    int64_t id = submit(&d, "well", 2, ""), seq, expected = 1;
    struct stream s = follow(id, "", -1);
    json_t *e;

    while ((e = stream_next(&s, &seq))) {
        assert_int_equal(number(e, "job"), id);
        if (seq < 0) {
            assert_string_equal(text(e, "type"), "live");
            assert_null(json_object_get(e, "seq"));
        } else {
            assert_int_equal(seq, expected);
            assert_int_equal(number(e, "seq"), seq);
            assert_string_equal(text(e, "type"), types[seq - 1]);
            expected++;
        }
        json_decref(e);
    }
    assert_int_equal(expected, 6);
    stream_close(&s);
}

static void a_stream_goes_on_where_it_was_left(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 3, ""), seq;

    run_to_end(&d, id, NULL);           // six events
    for (int from = 0; from < 6; from++) {
        char query[20];
        snprintf(query, sizeof query, "?since=%d", from);
        struct stream by_query = follow(id, query, -1);
        struct stream by_header = follow(id, "?since=0", from);
        for (int want = from + 1; want <= 6; want++) {
            json_decref(stream_next(&by_query, &seq));
            assert_int_equal(seq, want);
            json_decref(stream_next(&by_header, &seq));
            assert_int_equal(seq, want);
        }
        assert_null(stream_next(&by_query, &seq));
        assert_null(stream_next(&by_header, &seq));
        stream_close(&by_query);
        stream_close(&by_header);
    }
    assert_int_equal(status_below("GET", id, "/events?since=6"), 204);
    assert_int_equal(status_below("GET", id, "/events?since=99"), 204);
}

static void one_stream_has_the_events_of_all_jobs(void **state)
{
    (void)state;
    json_t *list = get(&d, "/api/v1/jobs");
    int64_t n, before = number(list, "last_event_id");
    char *path = xasprintf("/api/v1/events?since=%" PRId64, before);
    struct stream s = stream_open(&d, path, -1);
    int64_t first = submit(&d, "well", 1, ""), second = submit(&d, "well", 1,
                                                               "");
    int ended = 0;

    json_decref(list);
    for (int64_t expected = before + 1; ended < 2; ) {
        json_t *e = stream_next(&s, &n);
        assert_non_null(e);
        assert_true(number(e, "job") == first || number(e, "job") == second);
        if (strcmp(text(e, "type"), "live") != 0) {
            assert_int_equal(n, expected++);
            assert_int_equal(number(e, "n"), n);
        }
        ended += !strcmp(text(e, "type"), "finished");
        json_decref(e);
    }
    stream_close(&s);
    free(path);
}

static void a_job_has_all_its_members(void **state)
{
    (void)state;
    static const char *const members[] = { "id", "name", "state", "spec",
        "created_at", "started_at", "ended_at", "device", "attempt",
        "parameters", "progress", "loss", "accuracy", "error", "links" };
    json_t *job;

    assert_string_equal(run_to_end(&d, submit(&d, "well", 2, ""), &job),
                        "done");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        assert_non_null(json_object_get(job, members[i]));
    const json_t *progress = json_object_get(job, "progress");
    assert_int_equal(number(progress, "epoch"), 2);
    assert_int_equal(number(progress, "epochs"), 2);
    assert_int_equal(number(progress, "step"), 4);
    assert_int_equal(number(json_object_get(job, "parameters"), "held"), 200);
    assert_int_equal(number(job, "attempt"), 1);
    assert_true(json_real_value(json_object_get(job, "loss")) == 1.0);
    assert_true(json_is_null(json_object_get(job, "error")));
    json_decref(job);
}

static void records_are_served_as_views(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 2, "");

    run_to_end(&d, id, NULL);
    json_t *g = get_below(id, "/gradients?layers=conv1&epochs=2");
    const json_t *epoch = json_array_get(json_object_get(g, "epochs"), 0);
    const json_t *conv1 = json_object_get(json_object_get(epoch, "layers"),
                                          "conv1");
    // The fake worker's second epoch has 2e-3, 4e-3, 6e-3, 8e-3.
    assert_int_equal(number(conv1, "count"), 4);
    assert_true(json_real_value(json_object_get(conv1, "min")) == 2e-3);
    assert_int_equal(json_array_size(json_object_get(conv1, "samples")), 4);
    json_decref(g);
    g = get_below(id, "/histograms?layers=fc");
    assert_int_equal(number(g, "job"), id);
    assert_int_equal(json_array_size(json_object_get(g, "epochs")), 2);
    json_decref(g);
    g = get_below(id, "/metrics");
    assert_int_equal(json_array_size(json_object_get(g, "epochs")), 2);
    json_decref(g);
    json_decref(get_below(id, "/profile"));
    json_decref(get_below(id, "/verdict"));
    assert_int_equal(status_below("GET", id, "/verdict?layers=x"), 400);
    assert_int_equal(status_below("GET", 999999, "/verdict"), 404);
    assert_int_equal(status_below("GET", id, "/gradients.csv"), 200);
    assert_int_equal(status_below("GET", id, "/histograms?bins=7"), 400);
    assert_int_equal(status_below("GET", id, "/log"), 200);
    assert_int_equal(status_below("GET", 999999, "/histograms"), 404);
}

static void check_comparison(int64_t a, int64_t b, const char *more, int want)
{
    char *path = xasprintf("/api/v1/compare?jobs=%" PRId64 ",%" PRId64 "%s", a,
                           b, more);
    struct answer answer = ask(&d, "GET", path, NULL, NULL);
    if (answer.status != want)
        fail_msg("%s: %d", path, answer.status);
    answer_clear(&answer);
    free(path);
}

// Every fake job has the same records.
static void jobs_are_compared(void **state)
{
    (void)state;
    int64_t a = submit(&d, "well", 2, ""), b = submit(&d, "well", 2, "");

    run_to_end(&d, a, NULL);
    run_to_end(&d, b, NULL);
    check_comparison(a, b, "&epochs=last", 200);
    check_comparison(a, b, "&epochs=9", 400);
    check_comparison(a, b, "&layers=conv9", 400);
    check_comparison(a, b, "&against=1", 400);
    check_comparison(a, b, ",", 400);
    check_comparison(a, 999999, "", 404);
    char *path = xasprintf("/api/v1/compare?jobs=%" PRId64 ",%" PRId64, a, b);
    json_t *c = get(&d, path);
    const json_t *conv1 = json_object_get(json_object_get(c, "layers"),
                                          "conv1");
    assert_true(json_real_value(json_object_get(conv1, "factor")) == 1);
    assert_string_equal(text(c, "unit"), "step");
    json_decref(c);
    free(path);
}

// What a worker can do wrong ends its job, with a reason, and nothing else.
static void a_broken_worker_fails_its_job_alone(void **state)
{
    (void)state;
    static const struct { const char *name, *code, *says; } rows[] = {
        { "crash",    "worker_died",    "SIGSEGV; its last words: about to" },
        { "exit",     "worker_died",    "exited with 9" },
        { "garbage",  "protocol_error", "not a JSON object" },
        { "giant",    "protocol_error", "16777216 bytes" },
        { "unknown",  "protocol_error", "unknown type surprise" },
        { "disorder", "protocol_error", "epoch 3 comes after epoch 1" },
        { "stamped",  "protocol_error", "with job, seq or n" },
        { "return",   "protocol_error", "control character" },
        { "fail",     "data",           "no images here" },
    };
    enum { N = sizeof rows / sizeof *rows };
    int64_t id[N];

    for (int i = 0; i < N; i++)
        id[i] = submit(&d, rows[i].name, 1, "");
    int64_t after_all = submit(&d, "well", 1, "");
    for (int i = 0; i < N; i++) {
        json_t *job;
        assert_string_equal(run_to_end(&d, id[i], &job), "failed");
        const json_t *error = json_object_get(job, "error");
        assert_string_equal(text(error, "code"), rows[i].code);
        assert_non_null(strstr(text(error, "message"), rows[i].says));
        json_decref(job);
    }
    assert_string_equal(run_to_end(&d, after_all, NULL), "done");
}

static void diverging_is_an_outcome(void **state)
{
    (void)state;
    json_t *job;

    assert_string_equal(run_to_end(&d, submit(&d, "diverge", 1, ""), &job),
                        "diverged");
    assert_string_equal(text(json_object_get(job, "error"), "code"),
                        "diverged");
    json_decref(job);
}

static void a_worker_takes_its_children_along_and_no_descriptors(void **state)
{
    (void)state;
    // A child of this one holds the pipe open; the job must end all the same.
    assert_string_equal(run_to_end(&d, submit(&d, "family", 1, ""), NULL),
                        "done");
    int64_t id = submit(&d, "open", 1, "");
    run_to_end(&d, id, NULL);
    char *path = job_path(id, "/log");
    struct answer a = ask(&d, "GET", path, NULL, NULL);
    assert_string_equal(a.body, "open: 0\nopen: 1\nopen: 2\n");
    answer_clear(&a);
    free(path);
}

static void jobs_are_cancelled_waiting_or_running(void **state)
{
    (void)state;
    int64_t running = submit(&d, "hang", 1, ""), waiting = submit(&d, "well",
                                                                  1, ""), id;
    struct stream s = follow(running, "", -1);

    json_decref(stream_find(&s, "started", &id));
    assert_int_equal(status_below("POST", waiting, "/cancel"), 202);
    assert_string_equal(run_to_end(&d, waiting, NULL), "cancelled");
    assert_int_equal(status_below("POST", running, "/cancel"), 202);
    json_t *last = stream_find(&s, "cancelled", &id);
    assert_non_null(last);
    json_decref(last);
    stream_close(&s);
    assert_string_equal(run_to_end(&d, running, NULL), "cancelled");

    char *path = job_path(running, "/cancel");
    struct answer a = ask(&d, "POST", path, NULL, NULL);
    assert_int_equal(a.status, 409);
    assert_string_equal(text(a.json, "state"), "cancelled");
    answer_clear(&a);
    free(path);
    assert_int_equal(status_below("POST", 999999, "/cancel"), 404);
}

// Ten seconds: as long as a worker has to obey.
static void a_deaf_worker_is_killed(void **state)
{
    (void)state;
    int64_t id = submit(&d, "deaf", 1, ""), seq;
    struct stream s = follow(id, "", -1);

    json_decref(stream_find(&s, "started", &seq));
    assert_int_equal(status_below("POST", id, "/cancel"), 202);
    json_t *last = stream_find(&s, "cancelled", &seq);
    assert_non_null(last);
    json_decref(last);
    stream_close(&s);
}

static void priority_and_after_decide_the_order(void **state)
{
    (void)state;
    int64_t blocker = submit(&d, "hang", 1, ""), seq, order[4];
    struct stream s = follow(blocker, "", -1);
    char more[60];

    json_decref(stream_find(&s, "started", &seq));
    int64_t low = submit(&d, "well", 1, ", \"priority\": -1");
    int64_t plain = submit(&d, "well", 1, "");
    snprintf(more, sizeof more, ", \"priority\": 9, \"after\": [%" PRId64 "]",
             low);
    int64_t last = submit(&d, "well", 1, more);
    int64_t first = submit(&d, "well", 1, ", \"priority\": 5");
    json_t *list = get(&d, "/api/v1/jobs?limit=1");
    char *path = xasprintf("/api/v1/events?since=%" PRId64,
                           number(list, "last_event_id"));
    json_decref(list);
    struct stream all = stream_open(&d, path, -1);
    free(path);
    status_below("POST", blocker, "/cancel");
    for (int i = 0; i < 4; i++) {
        json_t *e = stream_find(&all, "started", &seq);
        order[i] = number(e, "job");
        json_decref(e);
    }
    assert_int_equal(order[0], first);
    assert_int_equal(order[1], plain);
    assert_int_equal(order[2], low);
    assert_int_equal(order[3], last);
    stream_close(&all);
    stream_close(&s);
}

static void a_job_whose_condition_fails_does_too(void **state)
{
    (void)state;
    int64_t bad = submit(&d, "fail", 1, "");
    char more[40];
    json_t *job;

    snprintf(more, sizeof more, ", \"after\": [%" PRId64 "]", bad);
    assert_string_equal(run_to_end(&d, submit(&d, "well", 1, more), &job),
                        "failed");
    assert_string_equal(text(json_object_get(job, "error"), "code"),
                        "dependency");
    json_decref(job);
}

static void ended_jobs_can_be_removed(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 1, ""), hangs;

    run_to_end(&d, id, NULL);
    assert_int_equal(status_below("DELETE", id, ""), 204);
    assert_int_equal(status_below("GET", id, ""), 404);
    assert_int_equal(status_below("GET", id, "/events"), 404);
    assert_int_equal(status_below("DELETE", id, ""), 404);
    hangs = submit(&d, "hang", 1, "");
    assert_true(hangs > id);
    assert_int_equal(status_below("DELETE", hangs, ""), 409);
    assert_int_equal(status_below("POST", hangs, "/cancel"), 202);
    run_to_end(&d, hangs, NULL);
}

static void lists_go_page_by_page(void **state)
{
    (void)state;
    int64_t id[3], before = 0;

    for (int i = 0; i < 3; i++)
        id[i] = submit(&d, "well", 1, "");
    for (int i = 0; i < 3; i++)
        run_to_end(&d, id[i], NULL);
    for (int i = 2; i >= 0; i--) {
        char *path = xasprintf("/api/v1/jobs?state=done&limit=1&cursor=%"
                               PRId64, i == 2 ? id[2] + 1 : before);
        struct answer a = ask(&d, "GET", path, NULL, NULL);
        const json_t *jobs = json_object_get(a.json, "jobs");
        assert_int_equal(json_array_size(jobs), 1);
        assert_int_equal(number(json_array_get(jobs, 0), "id"), id[i]);
        before = number(a.json, "next");
        assert_int_equal(before, id[i]);
        assert_non_null(strstr(answer_header(&a, "Link"), "rel=\"next\""));
        answer_clear(&a);
        free(path);
    }
    json_t *none = get(&d, "/api/v1/jobs?state=paused");
    assert_int_equal(json_array_size(json_object_get(none, "jobs")), 0);
    assert_true(json_is_null(json_object_get(none, "next")));
    json_decref(none);
}

// Jobs that come and go between two pages, the one that the cursor names among
// them, neither hide others nor show them twice.
static void pages_go_on_while_jobs_come_and_go(void **state)
{
    (void)state;
    enum { N = 7 };
    int64_t id[N], cursor = 0;
    int seen[N] = { 0 }, n_pages = 0;

    for (int i = 0; i < N; i++)
        id[i] = submit(&d, "well", 1, ", \"group\": \"pages\"");
    for (int i = 0; i < N; i++)
        run_to_end(&d, id[i], NULL);
    do {
        char cursor_text[40] = "";
        if (cursor)
            snprintf(cursor_text, sizeof cursor_text, "&cursor=%" PRId64,
                     cursor);
        char *path = xasprintf("/api/v1/jobs?group=pages&limit=2%s",
                               cursor_text);
        json_t *list = get(&d, path), *job;
        size_t k;
        json_array_foreach(json_object_get(list, "jobs"), k, job)
            for (int i = 0; i < N; i++)
                seen[i] += number(job, "id") == id[i];
        cursor = json_integer_value(json_object_get(list, "next"));
        json_decref(list);
        free(path);
        run_to_end(&d, submit(&d, "well", 1, ", \"group\": \"pages\""), NULL);
        path = xasprintf("/api/v1/jobs/%" PRId64, cursor);
        struct answer a = ask(&d, "DELETE", path, NULL, NULL);
        assert_int_equal(a.status, cursor ? 204 : 404);
        answer_clear(&a);
        free(path);
    } while (cursor && ++n_pages < 20);
    for (int i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
}

static int setup(void **state)
{
    *state = scratch_new();
    d = daemon_start(*state, NULL);
    return 0;
}

static int teardown(void **state)
{
    int rc = daemon_stop(&d);

    scratch_remove(*state);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_and_is_told_event_by_event),
        cmocka_unit_test(a_stream_goes_on_where_it_was_left),
        cmocka_unit_test(one_stream_has_the_events_of_all_jobs),
        cmocka_unit_test(a_job_has_all_its_members),
        cmocka_unit_test(records_are_served_as_views),
        cmocka_unit_test(jobs_are_compared),
        cmocka_unit_test(a_broken_worker_fails_its_job_alone),
        cmocka_unit_test(diverging_is_an_outcome),
        cmocka_unit_test(a_worker_takes_its_children_along_and_no_descriptors),
        cmocka_unit_test(jobs_are_cancelled_waiting_or_running),
        cmocka_unit_test(a_deaf_worker_is_killed),
        cmocka_unit_test(priority_and_after_decide_the_order),
        cmocka_unit_test(a_job_whose_condition_fails_does_too),
        cmocka_unit_test(ended_jobs_can_be_removed),
        cmocka_unit_test(lists_go_page_by_page),
        cmocka_unit_test(pages_go_on_while_jobs_come_and_go),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
