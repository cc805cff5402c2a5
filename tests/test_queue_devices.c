// daemon/queue_place.c and queue_expect.c: which device a job gets, what the
// others wait for, and until when.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <cmocka.h>

#include "common/clock.h"
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
}

static void close_all(void)
{
    queue_close(q);
    sse_free(sse);
    records_free(records);
    store_close(store);
    close(wake);
}

static void have_devices(const char *first, const char *second,
                         const char *third)
{
    const char *const names[] = { first, second, third };
    queue_set_devices(q, names, third ? 3 : second ? 2 : 1);
}

static int64_t submit(const char *spec)
{
    json_t *json = json_loads(spec, 0, NULL), *problems;
    struct job *job = job_parse(json, &problems);
    int64_t id;

    assert_non_null(job);
    assert_int_equal(queue_submit(q, job, &id, &err), 0);
    job_free(job);
    json_decref(json);
    return id;
}

// The next job starts, on that device; 0 when none can.
static int64_t next(const char *device)
{
    struct queue_start start = { 0 };
    int rc = queue_next(q, &start, &err);
    int64_t id = start.id;

    assert_true(rc >= 0);
    if (rc)
        assert_int_equal(queue_device_job(q, device), id);
    queue_start_clear(&start);
    return rc ? id : 0;
}

// Takes event.
static void say(int64_t id, json_t *event)
{
    char *line = event_text(event);

    assert_int_equal(queue_events(q, id, &(struct queue_said){ event, line },
                                  1, &err), 0);
    free(line);
    json_decref(event);
}

static void say_started(int64_t id, const char *backend, int index)
{
    json_t *event = event_new("started");

    json_object_set_new(event, "device", json_pack("{s:s, s:i, s:s}",
        "backend", backend, "index", index, "name", "a machine"));
    say(id, event);
}

static void say_epoch(int64_t id, int epoch, double seconds)
{
    json_t *event = event_new("epoch");

    json_object_update_new(event, json_pack("{s:i, s:b, s:i, s:f, s:{}}",
        "epoch", epoch, "complete", 1, "steps", 4, "duration_seconds", seconds,
        "quantities"));
    say(id, event);
}

static void say_live(int64_t id, double eta)
{
    json_t *event = event_new("live");

    json_object_update_new(event, json_pack("{s:i, s:i, s:f}", "epoch", 1,
        "step", 1, "eta_seconds", eta));
    say(id, event);
}

static void finish(int64_t id)
{
    json_t *event = event_new("finished");

    json_object_set_new(event, "state", json_string("done"));
    say(id, event);
    queue_release(q, id);
}

// A member of the job as it is served; "" for null.
static const char *waits_for(int64_t id)
{
    static char text[64];
    json_t *job;

    assert_int_equal(queue_job(q, id, &job, &err), 0);
    const char *s = json_string_value(json_object_get(job, "waiting_for"));
    snprintf(text, sizeof text, "%s", s ? s : "");
    json_decref(job);
    return text;
}

// Seconds from now; NAN for null.
static double expected(int64_t id, const char *what)
{
    json_t *job;
    struct tm tm = { 0 };
    double seconds = NAN;

    assert_int_equal(queue_job(q, id, &job, &err), 0);
    const char *s = json_string_value(json_object_get(
        json_object_get(job, "expected"), what));
    if (s && strptime(s, "%Y-%m-%dT%H:%M:%S", &tm))
        seconds = (double)timegm(&tm) - (double)clock_unix_millis() / 1000;
    json_decref(job);
    return seconds;
}

// Times are served in whole seconds and asked for some moments later; a minute
// is far less than the difference of any two that could be mistaken.
#define assert_soon(got, want) assert_true(fabs((got) - (want)) < 60)

static void each_device_has_one_job(void **state)
{
    (void)state;
    have_devices("cuda:0", "cuda:1", "cpu");
    int64_t any1 = submit("{}"), any2 = submit("{}"), any3 = submit("{}");
    int64_t one = submit("{\"device\": \"cuda:1\"}");
    int64_t cpu = submit("{\"device\": \"cpu\"}");

    assert_int_equal(next("cuda:0"), any1);
    assert_int_equal(next("cuda:1"), any2);
    assert_int_equal(next("cpu"), cpu);         // not held up by the others
    assert_int_equal(next("cpu"), 0);
    assert_string_equal(waits_for(any3), "cuda:0");
    assert_string_equal(waits_for(one), "cuda:1");
    assert_string_equal(waits_for(any1), "");
    queue_release(q, any2);
    assert_int_equal(next("cuda:1"), any3);     // the older one
    assert_int_equal(next(""), 0);
    queue_release(q, any3);
    assert_int_equal(next("cuda:1"), one);
}

static void a_job_is_told_what_the_spec_leaves_open(void **state)
{
    (void)state;
    struct queue_start start;

    have_devices("cuda:0", "cuda:1", "cpu");
    submit("{}");
    submit("{\"device\": \"cuda\"}");
    submit("{\"device\": \"reference\"}");
    static const char *const told[] = { "cuda:0", "cuda:1", "" };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(queue_next(q, &start, &err), 1);
        assert_string_equal(start.device, told[i]);
        queue_start_clear(&start);
    }
}

static void a_device_that_is_missing_is_the_workers_to_tell(void **state)
{
    (void)state;
    have_devices("cpu", NULL, NULL);
    int64_t id = submit("{\"device\": \"cuda:3\"}");

    assert_int_equal(next("cpu"), id);
}

static void until_devices_are_known_only_the_cpu_is(void **state)
{
    (void)state;
    int64_t any = submit("{}"), cpu = submit("{\"device\": \"cpu\"}");

    assert_int_equal(next("cpu"), cpu);
    assert_int_equal(next(""), 0);
    assert_string_equal(waits_for(any), "devices");
    have_devices("cuda:0", "cpu", NULL);
    assert_int_equal(queue_device_job(q, "cpu"), cpu);
    assert_int_equal(next("cuda:0"), any);
}

static void a_job_goes_on_where_it_began(void **state)
{
    (void)state;
    have_devices("cuda:0", "cuda:1", NULL);
    int64_t a = submit("{}"), b = submit("{}");

    assert_int_equal(next("cuda:0"), a);
    assert_int_equal(next("cuda:1"), b);
    say_started(a, "cuda", 0);
    say_started(b, "cuda", 1);
    close_all();
    open_all();
    have_devices("cuda:0", "cuda:1", NULL);
    assert_int_equal(queue_pause(q, a, &err), 0);
    assert_int_equal(next("cuda:1"), b);        // though 0 is free
    queue_release(q, b);
    close_all();
    open_all();
    have_devices("cpu", "cuda:0", NULL);        // a card was taken out
    assert_int_equal(next("cuda:0"), b);
}

static void what_a_job_waits_for_is_told(void **state)
{
    (void)state;
    char text[20];

    have_devices("cpu", NULL, NULL);
    int64_t a = submit("{}");
    json_t *spec = json_pack("{s:[I]}", "after", (json_int_t)a);
    char *body = event_text(spec);
    int64_t b = submit(body);
    free(body);
    json_decref(spec);
    snprintf(text, sizeof text, "job %d", (int)a);
    assert_string_equal(waits_for(b), text);
    assert_string_equal(waits_for(a), "");
    queue_set_room(q, false);
    assert_string_equal(waits_for(a), "space");
    assert_int_equal(next(""), 0);
    queue_set_room(q, true);
    assert_int_equal(next("cpu"), a);
    finish(a);
    assert_string_equal(waits_for(b), "");
    assert_int_equal(next("cpu"), b);
}

static void draining_lets_run_and_starts_nothing(void **state)
{
    (void)state;
    have_devices("cpu", NULL, NULL);
    int64_t a = submit("{}"), b = submit("{}");

    assert_int_equal(next("cpu"), a);
    assert_int_equal(queue_drain(q, true, &err), 0);
    finish(a);
    assert_int_equal(next(""), 0);
    assert_string_equal(waits_for(b), "undrain");
    close_all();                        // it was told, so it holds
    open_all();
    have_devices("cpu", NULL, NULL);
    assert_int_equal(next(""), 0);
    json_t *said = queue_describe(q);
    assert_true(json_is_true(json_object_get(said, "draining")));
    assert_int_equal(json_integer_value(json_object_get(said, "queued")), 1);
    json_decref(said);
    assert_int_equal(queue_drain(q, false, &err), 0);
    assert_int_equal(next("cpu"), b);
}

static void the_first_place_is_before_all(void **state)
{
    (void)state;
    have_devices("cpu", NULL, NULL);
    int64_t a = submit("{\"priority\": 5}"), b = submit("{}"), c = submit("{}");

    assert_int_equal(queue_move(q, c, QUEUE_FIRST, &err), 0);
    assert_int_equal(queue_move(q, c, QUEUE_FIRST, &err), 0);
    static const int order[] = { 3, 1, 2 };
    (void)a;
    (void)b;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next("cpu"), order[i]);
        queue_release(q, order[i]);
    }
}

// One running job says when it ends; the next ones take as long an epoch as
// jobs like them did.
static void the_queue_tells_when_jobs_will_be_done(void **state)
{
    (void)state;
    have_devices("cpu", NULL, NULL);
    int64_t done = submit("{\"train\": {\"epochs\": 2}}");
    next("cpu");
    say_started(done, "cpu", 0);
    say_epoch(done, 1, 1000);
    say_epoch(done, 2, 3000);
    finish(done);

    int64_t runs = submit("{\"model\": {\"width\": 0.5}}");
    int64_t like = submit("{\"name\": \"x\", \"train\": {\"seed\": 5, "
                          "\"epochs\": 4}}");
    int64_t other = submit("{\"model\": {\"width\": 0.25}}");
    int64_t behind = submit("{\"train\": {\"epochs\": 1}}");
    int64_t urgent = submit("{\"priority\": 1, \"train\": {\"epochs\": 1}}");

    assert_soon(expected(urgent, "start_at"), 0);
    assert_soon(expected(urgent, "end_at"), 3000);
    assert_int_equal(queue_cancel(q, urgent, &err), 0);
    assert_int_equal(next("cpu"), runs);
    assert_true(isnan(expected(runs, "end_at")));
    assert_true(isnan(expected(like, "start_at")));
    say_started(runs, "cpu", 0);
    say_live(runs, 7000);
    assert_soon(expected(runs, "end_at"), 7000);
    assert_soon(expected(like, "start_at"), 7000);
    assert_soon(expected(like, "end_at"), 7000 + 4 * 3000);
    assert_soon(expected(other, "start_at"), 7000 + 4 * 3000);
    assert_true(isnan(expected(other, "end_at")));
    assert_true(isnan(expected(behind, "start_at")));
    assert_int_equal(queue_move(q, behind, other, &err), 0);
    assert_soon(expected(behind, "end_at"), 7000 + 5 * 3000);
    queue_set_room(q, false);           // nobody knows how long
    assert_true(isnan(expected(behind, "start_at")));
    assert_soon(expected(runs, "end_at"), 7000);
    queue_set_room(q, true);
    assert_true(isnan(expected(done, "end_at")));
    close_all();                        // what jobs took is remembered
    open_all();
    have_devices("cpu", NULL, NULL);
    finish(runs);
    assert_soon(expected(like, "end_at"), 4 * 3000);
}

// The job as it is served. Caller owns.
static char *text_of(int64_t id)
{
    json_t *job;

    assert_int_equal(queue_job(q, id, &job, &err), 0);
    char *text = event_text(job);
    json_decref(job);
    return text;
}

// Guesses that are a little different each time are no news.
static void what_is_expected_moves_when_it_is_wrong(void **state)
{
    (void)state;
    have_devices("cpu", NULL, NULL);
    int64_t runs = submit("{}"), waits = submit("{}");

    assert_int_equal(next("cpu"), runs);
    say_started(runs, "cpu", 0);
    say_epoch(runs, 1, 1000);
    say_live(runs, 7000);
    char *first = text_of(waits);
    assert_soon(expected(waits, "start_at"), 7000);
    // A fiftieth of that is 140 s, far longer than this takes.
    for (int i = 1; i <= 8; i++) {
        say_live(runs, 7000 + (i % 2 ? 5 * i : -5 * i));
        char *again = text_of(waits);
        assert_string_equal(again, first);
        free(again);
    }
    say_live(runs, 7400);
    char *later = text_of(waits);
    assert_string_not_equal(later, first);
    assert_soon(expected(waits, "start_at"), 7400);
    assert_soon(expected(waits, "end_at"), 7400 + 10 * 1000);
    free(first);
    free(later);
}

static void no_space_is_no_death(void **state)
{
    (void)state;
    json_t *job;

    have_devices("cpu", NULL, NULL);
    int64_t id = submit("{}");
    for (int i = 0; i < 2 * QUEUE_DEATHS; i++) {
        assert_int_equal(next("cpu"), id);
        assert_int_equal(queue_interrupt(q, id, "no_space", "full", &err), 0);
        queue_release(q, id);
    }
    assert_int_equal(queue_job(q, id, &job, &err), 0);
    assert_string_equal(json_string_value(json_object_get(job, "state")),
                        "queued");
    json_decref(job);
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
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
        with_queue(each_device_has_one_job),
        with_queue(a_job_is_told_what_the_spec_leaves_open),
        with_queue(a_device_that_is_missing_is_the_workers_to_tell),
        with_queue(until_devices_are_known_only_the_cpu_is),
        with_queue(a_job_goes_on_where_it_began),
        with_queue(what_a_job_waits_for_is_told),
        with_queue(draining_lets_run_and_starts_nothing),
        with_queue(the_first_place_is_before_all),
        with_queue(the_queue_tells_when_jobs_will_be_done),
        with_queue(what_is_expected_moves_when_it_is_wrong),
        with_queue(no_space_is_no_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
