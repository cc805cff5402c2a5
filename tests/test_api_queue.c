// The queue from outside: several devices, what a job waits for, draining, and
// jobs that start from the weights of another.
#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

static struct daemon d;
static char *dir;

static int start_with(const char *gpus, const char *worker)
{
    dir = scratch_new();
    setenv("FAKE_GPUS", gpus, 1);
    setenv("OMP_NUM_THREADS", "2", 1);
    if (worker)
        setenv("GRADWATCH_TEST_WORKER", worker, 1);
    else
        unsetenv("GRADWATCH_TEST_WORKER");
    d = daemon_start(dir, NULL);
    return 0;
}

static int start_one(void **state)
{
    (void)state;
    return start_with("0", NULL);
}

static int start_three(void **state)
{
    (void)state;
    return start_with("2", NULL);
}

static int start_real(void **state)
{
    (void)state;
    return start_with("0", "../worker/gradwatch-train");
}

static int stop(void **state)
{
    (void)state;
    daemon_stop(&d);
    scratch_remove(dir);
    return 0;
}

static json_t *job_of(int64_t id)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64, id);
    json_t *job = get(&d, path);

    free(path);
    return job;
}

// A member of a job that is a text, "" for null.
static const char *text_of(int64_t id, const char *name)
{
    static char text[64];
    json_t *job = job_of(id);
    const char *s = json_string_value(json_object_get(job, name));

    snprintf(text, sizeof text, "%s", s ? s : "");
    json_decref(job);
    return text;
}

static void post(const char *path, const char *body, int want)
{
    struct answer a = ask(&d, "POST", path, body, NULL);

    if (a.status != want)
        fail_msg("POST %s: %d %s", path, a.status, a.body);
    answer_clear(&a);
}

static void post_job(int64_t id, const char *what, const char *body, int want)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/%s", id, what);

    post(path, body, want);
    free(path);
}

// Reads a job's events until one of that type comes.
static void wait_for(int64_t id, const char *type)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events", id);
    struct stream s = stream_open(&d, path, -1);
    int64_t seq;
    json_t *event = stream_find(&s, type, &seq);

    assert_non_null(event);
    json_decref(event);
    stream_close(&s);
    free(path);
}

static int64_t job_on(const char *backend, int index)
{
    json_t *found = get(&d, "/api/v1/devices"), *row;
    int64_t id = -1;
    size_t i;

    json_array_foreach(json_object_get(found, "devices"), i, row)
        if (!strcmp(json_string_value(json_object_get(row, "backend")),
                    backend) &&
            json_integer_value(json_object_get(row, "index")) == index)
            id = json_integer_value(json_object_get(row, "job"));
    json_decref(found);
    return id;
}

static void devices_work_side_by_side(void **state)
{
    (void)state;
    int64_t a = submit(&d, "hang", 1, ""), b = submit(&d, "hang", 1, "");
    int64_t c = submit(&d, "hang", 1, ", \"device\": \"cpu\"");
    int64_t e = submit(&d, "well", 1, ", \"device\": \"cuda:1\"");

    wait_for(a, "started");
    wait_for(b, "started");
    wait_for(c, "started");
    assert_int_equal(job_on("cuda", 0), a);
    assert_int_equal(job_on("cuda", 1), b);
    assert_int_equal(job_on("cpu", 0), c);
    assert_string_equal(text_of(e, "state"), "queued");
    assert_string_equal(text_of(e, "waiting_for"), "cuda:1");
    json_t *job = job_of(b);
    assert_int_equal(json_integer_value(json_object_get(
                     json_object_get(job, "device"), "index")), 1);
    json_decref(job);
    post_job(b, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, e, NULL), "done");
    post_job(a, "cancel", NULL, 202);
    post_job(c, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, a, NULL), "cancelled");
    assert_string_equal(run_to_end(&d, c, NULL), "cancelled");
}

// Several workers die with the daemon, and their jobs go on.
static void all_are_taken_up_again(void **state)
{
    (void)state;
    int64_t a = submit(&d, "hang", 1, ""), b = submit(&d, "hang", 1, "");

    wait_for(a, "started");
    wait_for(b, "started");
    daemon_kill(&d);
    d = daemon_start(dir, NULL);
    wait_for(a, "interrupted");
    wait_for(b, "interrupted");
    post_job(a, "cancel", NULL, 202);
    post_job(b, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, a, NULL), "cancelled");
    assert_string_equal(run_to_end(&d, b, NULL), "cancelled");
}

static void a_drained_queue_starts_nothing(void **state)
{
    (void)state;
    int64_t runs = submit(&d, "hang", 1, "");
    char text[40];

    wait_for(runs, "started");
    post("/api/v1/queue/drain", NULL, 200);
    int64_t waits = submit(&d, "well", 1, ""), after;
    snprintf(text, sizeof text, ", \"after\": [%" PRId64 "]", waits);
    after = submit(&d, "well", 1, text);
    assert_string_equal(text_of(runs, "state"), "running");
    assert_string_equal(text_of(waits, "waiting_for"), "undrain");
    snprintf(text, sizeof text, "job %" PRId64, waits);
    assert_string_equal(text_of(after, "waiting_for"), text);
    post_job(runs, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, runs, NULL), "cancelled");
    daemon_kill(&d);                    // it was told, so it holds
    d = daemon_start(dir, NULL);
    json_t *queue = get(&d, "/api/v1/queue");
    assert_true(json_is_true(json_object_get(queue, "draining")));
    assert_int_equal(json_integer_value(json_object_get(queue, "queued")), 2);
    assert_int_equal(json_integer_value(json_object_get(queue, "running")), 0);
    json_decref(queue);
    struct answer a = ask(&d, "GET", "/api/v1/queue", NULL, NULL);
    char *tag = xasprintf("If-None-Match: %s", answer_header(&a, "ETag"));
    answer_clear(&a);
    a = ask(&d, "GET", "/api/v1/queue", NULL, (const char *[]){ tag, NULL });
    assert_int_equal(a.status, 304);
    answer_clear(&a);
    free(tag);
    assert_string_equal(text_of(waits, "waiting_for"), "undrain");
    post("/api/v1/queue/undrain", NULL, 200);
    assert_string_equal(run_to_end(&d, waits, NULL), "done");
    assert_string_equal(run_to_end(&d, after, NULL), "done");
}

static void the_first_place_can_be_asked_for(void **state)
{
    (void)state;
    int64_t ids[3];

    post("/api/v1/queue/drain", NULL, 200);
    for (int i = 0; i < 3; i++)
        ids[i] = submit(&d, "well", 1, "");
    post_job(ids[2], "move", "{\"first\": true}", 202);
    post_job(ids[2], "move", "{\"first\": false}", 422);
    post_job(ids[2], "move", "{\"first\": true, \"before\": null}", 422);
    post("/api/v1/queue/undrain", NULL, 200);
    for (int i = 0; i < 3; i++)
        assert_string_equal(run_to_end(&d, ids[i], NULL), "done");
    struct stream s = stream_open(&d, "/api/v1/events?since=0", -1);
    static const int order[] = { 2, 0, 1 };
    for (int i = 0; i < 3; i++) {
        int64_t n;
        json_t *started = stream_find(&s, "started", &n);
        assert_int_equal(json_integer_value(json_object_get(started, "job")),
                         ids[order[i]]);
        json_decref(started);
    }
    stream_close(&s);
}

static void a_job_that_runs_can_be_cloned(void **state)
{
    (void)state;
    int64_t runs = submit(&d, "hang", 3, "");

    wait_for(runs, "started");
    post_job(runs, "clone", "{\"name\": \"well\"}", 201);
    json_t *clone = job_of(runs + 1);
    assert_string_equal(json_string_value(json_object_get(clone, "state")),
                        "queued");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(
        json_object_get(clone, "spec"), "train"), "epochs")), 3);
    json_decref(clone);
    assert_string_equal(text_of(runs, "state"), "running");
    post_job(runs, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, runs + 1, NULL), "done");
}

// A job that waits is the same job, whatever the one before it says meanwhile.
static void who_asks_again_has_nothing_to_read(void **state)
{
    (void)state;
    int64_t runs = submit(&d, "flood", 1, ""), seq;
    int64_t waits = submit(&d, "well", 1, "");
    char *path = xasprintf("/api/v1/jobs/%" PRId64, waits);
    char *events = xasprintf("/api/v1/jobs/%" PRId64 "/events", runs), tag[80];
    struct stream s = stream_open(&d, events, -1);

    json_decref(stream_find(&s, "live", &seq));
    struct answer a = ask(&d, "GET", path, NULL, NULL);
    assert_non_null(strstr(a.body, "\"start_at\":\"2"));
    snprintf(tag, sizeof tag, "If-None-Match: %s", answer_header(&a, "ETag"));
    answer_clear(&a);
    for (int i = 0; i < 10; i++) {
        json_decref(stream_find(&s, "live", &seq));
        a = ask(&d, "GET", path, NULL, (const char *const[]){ tag, NULL });
        assert_int_equal(a.status, 304);
        answer_clear(&a);
    }
    stream_close(&s);
    post_job(runs, "cancel", NULL, 202);
    assert_string_equal(run_to_end(&d, waits, NULL), "done");
    free(events);
    free(path);
}

// Starting from the weights of another job.

#define TINY ", \"device\": \"cpu\", \"data\": {\"image_size\": 16, "         \
    "\"synthetic\": {\"classes\": 3, \"images\": 24, \"size\": 16}}, "        \
    "\"model\": {\"arch\": \"resnet18\", \"width\": 0.0625%s}"

static int64_t submit_tiny(const char *model)
{
    char *more = xasprintf(TINY, model);
    int64_t id = submit(&d, "tiny", 1, more);

    free(more);
    return id;
}

// How many files in the folder of a job's checkpoints begin so.
static int count_files(int64_t id, const char *stem)
{
    char *path = xasprintf("%s/checkpoints/%" PRId64, dir, id);
    DIR *folder = opendir(path);
    struct dirent *e;
    int n = 0;

    while (folder && (e = readdir(folder)))
        n += !strncmp(e->d_name, stem, strlen(stem));
    if (folder)
        closedir(folder);
    free(path);
    return n;
}

static void a_job_starts_from_the_weights_of_another(void **state)
{
    (void)state;
    int64_t from = submit_tiny(""), first, other;
    char model[60], path[40];
    json_t *job;

    assert_string_equal(run_to_end(&d, from, NULL), "done");
    snprintf(path, sizeof path, "/api/v1/jobs/%" PRId64, from);
    snprintf(model, sizeof model, ", \"init\": \"checkpoint:%" PRId64 "\"",
             from);
    post("/api/v1/queue/drain", NULL, 200);
    first = submit_tiny(model);
    struct answer a = ask(&d, "DELETE", path, NULL, NULL);
    assert_int_equal(a.status, 409);            // it is still needed
    answer_clear(&a);
    post("/api/v1/queue/undrain", NULL, 200);
    assert_string_equal(run_to_end(&d, first, NULL), "done");
    assert_int_equal(count_files(first, "init-"), 1);
    a = ask(&d, "DELETE", path, NULL, NULL);
    assert_int_equal(a.status, 204);
    answer_clear(&a);

    // Another network: told by name, with both shapes.
    snprintf(model, sizeof model, ", \"classes\": 5, \"init\": \"checkpoint:%"
             PRId64 "\"", first);
    other = submit_tiny(model);
    assert_string_equal(run_to_end(&d, other, &job), "failed");
    const json_t *error = json_object_get(job, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")),
                        "spec");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!strstr(message, "fc.weight is 3 x 32 F32, not 5 x 32 F32"))
        fail_msg("%s", message);
    json_decref(job);
}

static void weights_that_are_not_there_are_refused(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 1, "");     // makes no checkpoint
    char spec[80];

    assert_string_equal(run_to_end(&d, id, NULL), "done");
    for (int64_t from = id; from <= id + 1; from++) {
        snprintf(spec, sizeof spec, "{\"model\": {\"init\": \"checkpoint:%"
                 PRId64 "\"}}", from);
        struct answer a = ask(&d, "POST", "/api/v1/jobs", spec, NULL);
        assert_int_equal(a.status, 422);
        assert_non_null(strstr(a.body, "/model/init"));
        assert_non_null(strstr(a.body, from == id ? "has no checkpoint"
                                                  : "there is no job"));
        answer_clear(&a);
    }
}

#define queue_test(f, start) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(devices_work_side_by_side, start_three),
        queue_test(all_are_taken_up_again, start_three),
        queue_test(a_drained_queue_starts_nothing, start_one),
        queue_test(a_job_that_runs_can_be_cloned, start_one),
        queue_test(who_asks_again_has_nothing_to_read, start_one),
        queue_test(the_first_place_can_be_asked_for, start_one),
        queue_test(a_job_starts_from_the_weights_of_another, start_real),
        queue_test(weights_that_are_not_there_are_refused, start_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
