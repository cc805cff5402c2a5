// People change their minds, and workers die: pause, resume, clone, move, edit;
// crashes, silence and checkpoints. Through the API, with the fake worker, and
// with the real one where checkpoints count.
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/sha256.h"
#include "daemon.h"
#include "scratch.h"

static struct daemon d;
static char *dir;

static int start(const char *worker, const char *const *args)
{
    dir = scratch_new();
    if (worker)
        setenv("GRADWATCH_TEST_WORKER", worker, 1);
    else
        unsetenv("GRADWATCH_TEST_WORKER");
    d = daemon_start(dir, args);
    return 0;
}

static int start_fake(void **state)
{
    (void)state;
    return start(NULL, NULL);
}

static int start_strict(void **state)
{
    (void)state;
    return start(NULL, (const char *[]){ "--heartbeat", "1", NULL });
}

static int start_real(void **state)
{
    (void)state;
    setenv("OMP_NUM_THREADS", "2", 1);
    return start("../worker/gradwatch-train", NULL);
}

static int stop(void **state)
{
    (void)state;
    daemon_stop(&d);
    scratch_remove(dir);
    return 0;
}

static char *path_of(int64_t id, const char *what)
{
    return xasprintf("/api/v1/jobs/%" PRId64 "%s", id, what);
}

static json_t *call(const char *method, int64_t id, const char *what,
                    const char *body, int want)
{
    char *path = path_of(id, what);
    struct answer a = ask(&d, method, path, body, NULL);
    json_t *json = json_incref(a.json);

    if (a.status != want)
        fail_msg("%s %s: %d %s", method, path, a.status, a.body);
    answer_clear(&a);
    free(path);
    return json;
}

static void post(int64_t id, const char *what, const char *body, int want)
{
    json_decref(call("POST", id, what, body, want));
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "(none)";
}

static struct stream follow(int64_t id)
{
    char *path = path_of(id, "/events");
    struct stream s = stream_open(&d, path, -1);
    free(path);
    return s;
}

// Waits for an event of the job; caller owns.
static json_t *wait_for(int64_t id, const char *type)
{
    struct stream s = follow(id);
    int64_t seq;
    json_t *e = stream_find(&s, type, &seq);
    if (!e)
        fail_msg("job %" PRId64 " has no %s", id, type);
    stream_close(&s);
    return e;
}

static void pausing_frees_the_device(void **state)
{
    (void)state;
    int64_t runs = submit(&d, "hang", 1, ""), waits = submit(&d, "well", 1,
                                                             "");
    json_decref(wait_for(runs, "started"));
    post(runs, "/resume", NULL, 409);
    post(runs, "/pause", NULL, 202);
    json_decref(wait_for(runs, "paused"));
    assert_string_equal(run_to_end(&d, waits, NULL), "done");
    json_t *job = call("GET", runs, "", NULL, 200);
    assert_string_equal(text(job, "state"), "paused");
    json_decref(job);
    post(runs, "/pause", NULL, 409);
    post(runs, "/resume", NULL, 202);
    json_decref(wait_for(runs, "resumed"));
    struct stream s = follow(runs);
    int64_t seq;
    json_decref(stream_find(&s, "resumed", &seq));
    json_t *again = stream_find(&s, "started", &seq);
    assert_int_equal(json_integer_value(json_object_get(again, "attempt")), 2);
    json_decref(again);
    stream_close(&s);
    post(runs, "/cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, runs, NULL), "cancelled");
    post(runs, "/pause", NULL, 409);
    post(999, "/pause", NULL, 404);
}

static void what_waits_can_be_paused_and_cancelled(void **state)
{
    (void)state;
    int64_t runs = submit(&d, "hang", 1, ""), waits = submit(&d, "well", 1,
                                                             "");
    post(waits, "/pause", NULL, 202);
    post(runs, "/cancel", NULL, 202);
    run_to_end(&d, runs, NULL);
    daemon_kill(&d);                    // paused is paused
    d = daemon_start(dir, NULL);
    json_t *job = call("GET", waits, "", NULL, 200);
    assert_string_equal(text(job, "state"), "paused");
    json_decref(job);
    post(waits, "/cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, waits, NULL), "cancelled");
}

static void a_clone_is_the_job_with_changes(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 1, ",\"priority\":3");
    json_t *clone = call("POST", id, "/clone", "{\"train\":{\"epochs\":2},"
                         "\"priority\":null}", 201);
    const json_t *spec = json_object_get(clone, "spec");

    assert_string_equal(text(clone, "name"), "well");
    assert_int_equal(json_integer_value(json_object_get(spec, "priority")), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(spec,
                     "train"), "epochs")), 2);
    json_decref(clone);
    json_decref(call("POST", id, "/clone", NULL, 201));
    json_decref(call("POST", id, "/clone", "{\"train\":{\"epochs\":0}}", 422));
    json_decref(call("POST", 999, "/clone", "{}", 404));
    json_decref(call("POST", id, "/clone", "[]", 400));
}

// The order in which jobs start, as their ids.
static void expect_order(int64_t first, const int64_t *ids, int n)
{
    struct stream s = stream_open(&d, "/api/v1/events", 0);
    int64_t seq;

    post(first, "/cancel", NULL, 202);
    for (int i = -1; i < n; i++) {
        json_t *e = stream_find(&s, "started", &seq);
        int64_t job = json_integer_value(json_object_get(e, "job"));
        if (job != (i < 0 ? first : ids[i]))
            fail_msg("place %d: job %" PRId64, i, job);
        json_decref(e);
    }
    stream_close(&s);
}

static void jobs_move(void **state)
{
    (void)state;
    int64_t first = submit(&d, "hang", 1, "");
    json_decref(wait_for(first, "started"));
    int64_t a = submit(&d, "well", 1, ""), b = submit(&d, "well", 1, "");
    int64_t c = submit(&d, "well", 1, ",\"priority\":5");
    int64_t e = submit(&d, "well", 1, "");
    char before[60];

    snprintf(before, sizeof before, "{\"before\":%" PRId64 "}", b);
    post(e, "/move", before, 202);                      // c a e b
    snprintf(before, sizeof before, "{\"before\":%" PRId64 "}", e);
    post(c, "/move", before, 202);                      // a c e b
    post(a, "/move", "{\"before\":null}", 202);         // c e b a
    post(first, "/move", "{\"before\":null}", 409);
    post(a, "/move", "{\"before\":999}", 422);
    post(a, "/move", "{}", 422);
    int64_t f = submit(&d, "well", 1, "");              // c e b a f
    const int64_t order[] = { c, e, b, a, f };
    daemon_kill(&d);
    d = daemon_start(dir, NULL);
    json_decref(wait_for(first, "interrupted"));
    struct stream s = follow(first);
    int64_t seq;
    json_decref(stream_find(&s, "interrupted", &seq));
    json_t *again = stream_find(&s, "started", &seq);
    assert_non_null(again);
    json_decref(again);
    stream_close(&s);
    struct stream all = stream_open(&d, "/api/v1/events", 0);
    post(first, "/cancel", NULL, 202);
    json_decref(stream_find(&all, "cancelled", &seq));
    for (int i = 0; i < 5; i++) {
        json_t *started = stream_find(&all, "started", &seq);
        assert_int_equal(json_integer_value(json_object_get(started, "job")),
                         order[i]);
        json_decref(started);
    }
    stream_close(&all);
}

static void names_and_priorities_change(void **state)
{
    (void)state;
    int64_t first = submit(&d, "hang", 1, "");
    json_decref(wait_for(first, "started"));
    int64_t a = submit(&d, "well", 1, ""), b = submit(&d, "well", 1, "");
    json_t *job = call("PATCH", b, "", "{\"name\":\"fail\",\"priority\":7}",
                       200);

    assert_string_equal(text(job, "name"), "fail");
    assert_string_equal(text(json_object_get(job, "spec"), "name"), "fail");
    json_decref(job);
    json_decref(call("PATCH", b, "", "{\"priority\":9999}", 422));
    json_decref(call("PATCH", b, "", "{\"train\":{}}", 422));
    json_decref(call("PATCH", 999, "", "{}", 404));
    const int64_t order[] = { b, a };
    expect_order(first, order, 2);
    run_to_end(&d, b, NULL);
    job = call("PATCH", b, "", "{\"name\":\"was it\"}", 200);
    assert_string_equal(text(job, "name"), "was it");
    json_decref(job);
}

// How many events of a type the job has.
static int count(int64_t id, const char *type, const char *reason)
{
    struct stream s = follow(id);
    int64_t seq;
    int n = 0;

    for (json_t *e; (e = stream_find(&s, type, &seq)); json_decref(e))
        n += !reason || !strcmp(text(e, "reason"), reason);
    stream_close(&s);
    return n;
}

static void three_deaths_in_a_row_are_the_end(void **state)
{
    (void)state;
    int64_t id = submit(&d, "crash", 3, "");
    json_t *job;

    assert_string_equal(run_to_end(&d, id, &job), "failed");
    assert_int_equal(json_integer_value(json_object_get(job, "attempt")), 3);
    assert_int_equal(count(id, "interrupted", "worker_died"), 2);
    assert_int_equal(count(id, "started", NULL), 3);
    assert_int_equal(count(id, "epoch", NULL), 1);      // the same each time
    json_decref(job);
}

static void silence_is_noticed(void **state)
{
    (void)state;
    int64_t id = submit(&d, "deaf", 1, "");
    json_t *job;

    assert_string_equal(run_to_end(&d, id, &job), "failed");
    assert_int_equal(count(id, "interrupted", "stalled"), 2);
    assert_non_null(strstr(text(json_object_get(job, "error"), "message"),
                           "said nothing"));
    json_decref(job);
}

#define TINY "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625},\"data\":{" \
    "\"image_size\":16,\"synthetic\":{\"classes\":3,\"images\":22," \
    "\"size\":16}},\"device\":\"cpu\",\"train\":{\"epochs\":3,\"batch\":8}," \
    "\"checkpoint\":{\"initial\":true}}"

static void checkpoints_are_listed_and_handed_out(void **state)
{
    (void)state;
    struct answer a = ask(&d, "POST", "/api/v1/jobs", TINY, NULL);
    int64_t id = json_integer_value(json_object_get(a.json, "id"));
    static const int epochs[] = { 0, 2, 3 };
    json_t *row;
    size_t i;

    assert_int_equal(a.status, 201);
    answer_clear(&a);
    assert_string_equal(run_to_end(&d, id, NULL), "done");
    json_t *list = call("GET", id, "/checkpoints", NULL, 200);
    json_t *rows = json_object_get(list, "checkpoints");
    assert_int_equal(json_array_size(rows), 3);
    json_array_foreach(rows, i, row) {
        char sum[SHA256_TEXT];
        assert_int_equal(json_integer_value(json_object_get(row, "epoch")),
                         epochs[i]);
        a = ask(&d, "GET", text(row, "href"), NULL, NULL);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, json_integer_value(json_object_get(row,
                                                                   "bytes")));
        sha256_of(a.body, a.len, sum);
        assert_string_equal(sum, text(row, "sha256"));
        answer_clear(&a);
    }
    json_decref(list);
    json_decref(call("GET", id, "/checkpoints/1", NULL, 404));

    // Damage is named, never served.
    char *path = xasprintf("%s/checkpoints/%" PRId64
                           "/epoch-000003.safetensors", dir, id);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
    close(fd);
    json_t *problem = call("GET", id, "/checkpoints/last", NULL, 500);
    assert_non_null(strstr(text(problem, "detail"), "damaged"));
    json_decref(problem);
    json_decref(call("GET", id, "/checkpoints/2", NULL, 200));
    json_decref(call("DELETE", id, "", NULL, 204));
    assert_int_equal(access(path, F_OK), -1);
    free(path);
}

#define FAKE(f) cmocka_unit_test_setup_teardown(f, start_fake, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE(pausing_frees_the_device),
        FAKE(what_waits_can_be_paused_and_cancelled),
        FAKE(a_clone_is_the_job_with_changes),
        FAKE(jobs_move),
        FAKE(names_and_priorities_change),
        FAKE(three_deaths_in_a_row_are_the_end),
        cmocka_unit_test_setup_teardown(silence_is_noticed, start_strict,
                                        stop),
        cmocka_unit_test_setup_teardown(checkpoints_are_listed_and_handed_out,
                                        start_real, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
