// daemon/queue.c: states of jobs, and which one is next.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <cmocka.h>

#include "common/event.h"
#include "common/log.h"
#include "daemon/queue.h"
#include "scratch.h"

static struct store *store;
static struct records *records;
static struct sse *sse;
static struct queue *q;
static int wake;
static char *dir;
static struct error err;

static void open_all(void)
{
    assert_int_equal(store_open(dir, &store, &err), 0);
    records = records_new(store);
    sse = sse_new(store, 10);
    wake = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(queue_open(store, records, sse, dir, wake, &q, &err), 0);
    queue_set_devices(q, (const char *const[]){ "cpu" }, 1);
}

static void close_all(void)
{
    queue_close(q);
    sse_free(sse);
    records_free(records);
    store_close(store);
    close(wake);
}

// A job with these members; its id, or the error's code.
static int64_t submit(const char *spec)
{
    json_t *json = json_loads(spec, 0, NULL), *problems;
    struct job *job = job_parse(json, &problems);
    int64_t id;

    assert_non_null(job);
    int rc = queue_submit(q, job, &id, &err);
    job_free(job);
    json_decref(json);
    return rc ? rc : id;
}

// The next job, or 0. Its device is free again at once: which job gets which
// is the subject of test_queue_devices.c.
static int64_t next(void)
{
    struct queue_start start = { 0 };
    int rc = queue_next(q, &start, &err);

    int64_t id = start.id;

    assert_true(rc >= 0);
    queue_release(q, id);
    queue_start_clear(&start);
    return rc ? id : 0;
}

static void say(int64_t id, json_t *event)
{
    char *line = event_text(event);

    assert_int_equal(queue_events(q, id, &(struct queue_said){ event, line },
                                  1, &err), 0);
    free(line);
    json_decref(event);
}

static void finish(int64_t id, const char *state)
{
    json_t *event = event_new("finished");

    json_object_set_new(event, "state", json_string(state));
    say(id, event);
}

static void check_state(int64_t id, const char *state)
{
    struct job_row row;

    // In the store, not only in memory.
    assert_int_equal(store_job(store, id, &row, &err), 0);
    assert_string_equal(row.state, state);
    job_row_clear(&row);
}

static void a_job_goes_from_state_to_state(void **state)
{
    (void)state;
    int64_t id = submit("{}");
    json_t *job;

    check_state(id, "queued");
    assert_int_equal(next(), id);
    check_state(id, "starting");
    assert_int_equal(next(), 0);
    say(id, event_new("started"));
    check_state(id, "running");
    finish(id, "done");
    check_state(id, "done");
    assert_int_equal(queue_job(q, id, &job, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(job, "last_event_id")),
                     3);
    assert_true(json_is_string(json_object_get(job, "ended_at")));
    json_decref(job);
}

static void live_events_show_but_are_not_stored(void **state)
{
    (void)state;
    int64_t id = submit("{}");
    struct stored_event e;
    json_t *live = event_new("live"), *job;

    next();
    json_object_set_new(live, "epoch", json_integer(3));
    json_object_set_new(live, "loss", json_real(0.5));
    say(id, live);
    assert_int_equal(queue_job(q, id, &job, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(job,
                     "progress"), "epoch")), 3);
    assert_true(json_real_value(json_object_get(job, "loss")) == 0.5);
    json_decref(job);
    assert_int_equal(store_event(store, id, 1, &e, &err), 0);
}

static void higher_priority_goes_first_then_older(void **state)
{
    (void)state;
    int64_t a = submit("{}"), b = submit("{\"priority\": 1}"),
            c = submit("{\"priority\": 1}"), e = submit("{\"priority\": -1}");

    assert_int_equal(next(), b);
    assert_int_equal(next(), c);
    assert_int_equal(next(), a);
    assert_int_equal(next(), e);
}

static void a_job_waits_for_others_to_be_done(void **state)
{
    (void)state;
    int64_t a = submit("{}"), b = submit("{\"after\": [1], \"priority\": 9}");

    assert_int_equal(next(), a);
    assert_int_equal(next(), 0);
    say(a, event_new("started"));
    assert_int_equal(next(), 0);
    finish(a, "done");
    assert_int_equal(next(), b);
}

static void hopeless_jobs_fail_in_a_chain(void **state)
{
    (void)state;
    submit("{}");
    int64_t b = submit("{\"after\": [1]}"), c = submit("{\"after\": [2]}");

    next();
    finish(1, "diverged");
    assert_int_equal(next(), 0);
    check_state(b, "failed");
    check_state(c, "failed");
}

static void ids_to_wait_for_must_exist(void **state)
{
    (void)state;
    assert_int_equal(submit("{\"after\": [7]}"), ERR_SPEC);
    assert_non_null(strstr(err.text, "no job 7"));
}

static void no_more_than_the_limit_wait(void **state)
{
    (void)state;
    enum { LIMIT = 5 };

    queue_set_limit(q, LIMIT);
    for (int i = 0; i < LIMIT; i++)
        assert_true(submit("{}") > 0);
    assert_int_equal(submit("{}"), ERR_LIMIT);
    assert_int_equal(queue_cancel(q, 1, &err), 0);
    assert_true(submit("{}") > 0);
}

static void cancelling_depends_on_the_state(void **state)
{
    (void)state;
    int64_t waits = submit("{}"), runs;

    assert_int_equal(queue_cancel(q, waits, &err), 0);
    check_state(waits, "cancelled");
    assert_int_equal(queue_cancel(q, waits, &err), ERR_STATE);
    runs = submit("{}");
    next();
    assert_false(queue_wants_cancel(q, runs));
    assert_int_equal(queue_cancel(q, runs, &err), 0);
    assert_true(queue_wants_cancel(q, runs));
    check_state(runs, "starting");
    assert_int_equal(queue_end_cancelled(q, runs, &err), 0);
    check_state(runs, "cancelled");
    assert_int_equal(queue_cancel(q, 99, &err), ERR_NOT_FOUND);
}

static void only_ended_jobs_nobody_waits_for_are_removed(void **state)
{
    (void)state;
    int64_t a = submit("{}");

    assert_int_equal(queue_remove(q, a, &err), ERR_STATE);
    next();
    finish(a, "done");
    int64_t b = submit("{\"after\": [1]}");
    assert_int_equal(queue_remove(q, a, &err), ERR_STATE);
    assert_int_equal(queue_cancel(q, b, &err), 0);
    assert_int_equal(queue_remove(q, a, &err), 0);
    assert_int_equal(queue_remove(q, a, &err), ERR_NOT_FOUND);
}

static void the_next_daemon_takes_up_what_had_not_ended(void **state)
{
    (void)state;
    int64_t runs = submit("{}"), waits = submit("{}"), unwanted;
    struct queue_start start = { 0 };

    next();
    say(runs, event_new("started"));
    unwanted = submit("{\"priority\": 5}");
    next();
    assert_int_equal(queue_cancel(q, unwanted, &err), 0);
    close_all();
    open_all();
    check_state(runs, "queued");
    check_state(waits, "queued");
    check_state(unwanted, "cancelled");
    assert_int_equal(queue_next(q, &start, &err), 1);
    assert_int_equal(start.id, runs);
    assert_int_equal(start.attempt, 2);
    queue_release(q, runs);
    queue_start_clear(&start);
    assert_int_equal(next(), waits);
}

static void what_happened_is_in_the_history_of_the_job(void **state)
{
    (void)state;
    int64_t id = submit("{}");
    const struct history *h;

    assert_int_equal(records_open(records, id, &h, &err), 0);
    assert_int_equal(history_epochs(h), 0);
    records_close(records, h);
    next();
    say(id, event_new("started"));
    json_t *epoch = event_new("epoch");
    json_object_update_new(epoch, json_pack("{s:i, s:b, s:i, s:i, s:f, s:f,"
        " s:{}}", "epoch", 1, "complete", 1, "steps", 4, "images", 64,
        "loss", 1.0, "accuracy", 0.5, "quantities"));
    say(id, epoch);
    assert_int_equal(records_open(records, id, &h, &err), 0);
    assert_int_equal(history_epochs(h), 1);
    records_close(records, h);
}

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    open_all();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    scratch_remove(dir);
    return 0;
}

#define with_queue(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_queue(a_job_goes_from_state_to_state),
        with_queue(live_events_show_but_are_not_stored),
        with_queue(higher_priority_goes_first_then_older),
        with_queue(a_job_waits_for_others_to_be_done),
        with_queue(hopeless_jobs_fail_in_a_chain),
        with_queue(ids_to_wait_for_must_exist),
        with_queue(no_more_than_the_limit_wait),
        with_queue(cancelling_depends_on_the_state),
        with_queue(only_ended_jobs_nobody_waits_for_are_removed),
        with_queue(the_next_daemon_takes_up_what_had_not_ended),
        with_queue(what_happened_is_in_the_history_of_the_job),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
