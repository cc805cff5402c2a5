// The daemon's own end and return: in order, killed, twice at once.
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "(none)";
}

static json_t *get_job(const struct daemon *d, int64_t id)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64, id);
    json_t *job = get(d, path);
    free(path);
    return job;
}

static struct stream follow(const struct daemon *d, int64_t id)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events", id);
    struct stream s = stream_open(d, path, -1);
    free(path);
    return s;
}

static void cancel(const struct daemon *d, int64_t id)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/cancel", id);
    struct answer a = ask(d, "POST", path, NULL, NULL);
    assert_int_equal(a.status, 202);
    answer_clear(&a);
    free(path);
}

// A job that runs and one that waits; returns when the first has started.
static void begin(const struct daemon *d, int64_t *runs, int64_t *waits)
{
    int64_t id;

    *runs = submit(d, "hang", 1, "");
    *waits = submit(d, "well", 1, "");
    struct stream s = follow(d, *runs);
    json_t *started = stream_find(&s, "started", &id);
    assert_non_null(started);
    json_decref(started);
    stream_close(&s);
}

// What the next daemon makes of them.
static void check_taken_up(struct daemon *d, int64_t runs, int64_t waits)
{
    static const char *const types[] = { "queued", "started", "interrupted",
                                         "started", "cancelled" };
    struct stream s = follow(d, runs);
    int64_t id;

    for (int i = 0; i < 5; i++) {
        json_t *e = stream_next(&s, &id);
        assert_non_null(e);
        assert_int_equal(id, i + 1);
        assert_string_equal(text(e, "type"), types[i]);
        if (i == 2)
            assert_string_equal(text(e, "reason"), "daemon_died");
        json_decref(e);
        if (i == 3) {
            json_t *job = get_job(d, runs);
            assert_string_equal(text(job, "state"), "running");
            assert_int_equal(json_integer_value(json_object_get(job,
                             "attempt")), 2);
            json_decref(job);
            cancel(d, runs);
        }
    }
    stream_close(&s);
    assert_string_equal(run_to_end(d, waits, NULL), "done");
}

static void stopping_in_order_loses_nothing(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t runs, waits;

    begin(&d, &runs, &waits);
    assert_int_equal(daemon_stop(&d), 0);
    d = daemon_start(*state, NULL);
    check_taken_up(&d, runs, waits);
    assert_int_equal(daemon_stop(&d), 0);
}

static void streams_end_when_the_daemon_stops(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t runs, waits, id;

    begin(&d, &runs, &waits);
    struct stream one = follow(&d, runs);
    struct stream all = stream_open(&d, "/api/v1/events", -1);
    json_decref(stream_find(&one, "started", &id));
    json_decref(stream_find(&all, "started", &id));
    assert_int_equal(daemon_stop(&d), 0);
    assert_null(stream_find(&one, "finished", &id));
    assert_null(stream_find(&all, "finished", &id));
    stream_close(&one);
    stream_close(&all);
}

// The only child of a process.
static pid_t child_of(pid_t pid)
{
    char path[60];
    int child = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &child), 1);
    fclose(f);
    return child;
}

static void a_killed_daemon_takes_its_worker_along(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t runs, waits;

    begin(&d, &runs, &waits);
    int worker = (int)syscall(SYS_pidfd_open, child_of(d.pid), 0);
    assert_true(worker >= 0);
    assert_int_equal(daemon_kill(&d), 128 + 9);
    struct pollfd gone = { .fd = worker, .events = POLLIN };
    assert_int_equal(poll(&gone, 1, 120000), 1);
    close(worker);
    d = daemon_start(*state, NULL);
    check_taken_up(&d, runs, waits);
    assert_int_equal(daemon_stop(&d), 0);
}

// Its next `started` after event *seq.
static void wait_started(const struct daemon *d, int64_t id, int64_t *seq)
{
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events?since=%" PRId64,
                           id, *seq);
    struct stream s = stream_open(d, path, -1);

    json_decref(stream_find(&s, "started", seq));
    stream_close(&s);
    free(path);
}

static void a_worker_that_outlived_its_daemon_is_ended(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t id = submit(&d, "stubborn", 1, ""), seq = 0;

    wait_started(&d, id, &seq);
    int worker = (int)syscall(SYS_pidfd_open, child_of(d.pid), 0);
    assert_true(worker >= 0);
    daemon_kill(&d);
    struct pollfd gone = { .fd = worker, .events = POLLIN };
    assert_int_equal(poll(&gone, 1, 0), 0);
    d = daemon_start(*state, NULL);
    assert_int_equal(poll(&gone, 1, 0), 1);     // before another one begins
    close(worker);
    wait_started(&d, id, &seq);
    cancel(&d, id);
    assert_int_equal(daemon_kill(&d), 128 + 9);
    d = daemon_start(*state, NULL);
    assert_string_equal(run_to_end(&d, id, NULL), "cancelled");
    assert_int_equal(daemon_stop(&d), 0);
}

// More of them than of a worker that are the end of a job.
static void deaths_of_the_daemon_are_not_the_jobs(void **state)
{
    enum { DEATHS = 5 };
    struct daemon d = daemon_start(*state, NULL);
    int64_t id = submit(&d, "hang", 1, ""), seq = 0;

    for (int i = 0; i < DEATHS; i++) {
        wait_started(&d, id, &seq);
        assert_int_equal(daemon_kill(&d), 128 + 9);
        d = daemon_start(*state, NULL);
    }
    json_t *job = get_job(&d, id);
    assert_int_equal(json_integer_value(json_object_get(job, "attempt")),
                     DEATHS + 1);
    json_decref(job);
    cancel(&d, id);
    assert_string_equal(run_to_end(&d, id, NULL), "cancelled");
    assert_int_equal(daemon_stop(&d), 0);
}

static void a_cancel_that_was_accepted_holds(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t id = submit(&d, "deaf", 1, ""), seq;
    struct stream s = follow(&d, id);

    json_decref(stream_find(&s, "started", &seq));
    stream_close(&s);
    cancel(&d, id);             // the worker does not obey
    daemon_kill(&d);
    d = daemon_start(*state, NULL);
    assert_string_equal(run_to_end(&d, id, NULL), "cancelled");
    assert_int_equal(daemon_stop(&d), 0);
}

static void ids_are_never_used_again(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    int64_t id = submit(&d, "well", 1, ""), last;
    char *path = xasprintf("/api/v1/jobs/%" PRId64, id);

    run_to_end(&d, id, NULL);
    json_t *list = get(&d, "/api/v1/jobs");
    last = json_integer_value(json_object_get(list, "last_event_id"));
    json_decref(list);
    struct answer a = ask(&d, "DELETE", path, NULL, NULL);
    assert_int_equal(a.status, 204);
    answer_clear(&a);
    free(path);
    daemon_stop(&d);
    d = daemon_start(*state, NULL);
    assert_true(submit(&d, "well", 1, "") > id);
    list = get(&d, "/api/v1/jobs");
    assert_true(json_integer_value(json_object_get(list, "last_event_id")) >
                last);
    json_decref(list);
    daemon_stop(&d);
}

static void a_second_daemon_is_refused(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    char err[1000];
    const char *args[] = { "--listen", "127.0.0.1:0", "--state", *state, NULL };

    assert_int_equal(daemon_try(args, err, sizeof err), 1);
    assert_non_null(strstr(err, "another gradwatchd uses"));
    assert_non_null(strstr(err, *state));
    assert_int_equal(daemon_stop(&d), 0);
}

static void a_port_that_is_taken_is_named(void **state)
{
    struct daemon d = daemon_start(*state, NULL);
    char err[1000], listen[40], *other = xasprintf("%s/other", (char *)*state);

    snprintf(listen, sizeof listen, "127.0.0.1:%d", d.port);
    const char *args[] = { "--listen", listen, "--state", other, NULL };
    assert_int_equal(daemon_try(args, err, sizeof err), 1);
    assert_non_null(strstr(err, "Address already in use"));
    free(other);
    assert_int_equal(daemon_stop(&d), 0);
}

static void wrong_usage_is_explained(void **state)
{
    (void)state;
    static const struct { const char *args[4], *says; } rows[] = {
        { { "--listen", "0.0.0.0:7050" }, "--allow-host" },
        { { "--listen", "[::]:7050", "--no-auth" }, "no-auth" },
        { { "--listen", "example.org:7050" }, "not a numeric address" },
        { { "--listen", "127.0.0.1:70500" }, "port" },
        { { "--listen", "7050" }, "HOST:PORT" },
        { { "--data", "x" }, "NAME=VALUE" },
        { { "--data", "x=/does/not/exist" }, "No such file" },
        { { "--data", "a/b=/tmp" }, "letters" },
        { { "--allow-host", "http://x" }, "host name" },
        { { "--config", "/does/not/exist" }, "/does/not/exist" },
        { { "--lisen", "x" }, "--listen" },
        { { "extra" }, "extra" },
    };
    char err[1000];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(daemon_try(rows[i].args, err, sizeof err), 2);
        assert_non_null(strstr(err, rows[i].says));
    }
}

static void a_file_says_what_options_say(void **state)
{
    char err[1000], *path = scratch_path(*state, "conf");
    static const char good[] = "# comment\n\nlisten = 127.0.0.1:0\n"
                               "data = pictures=/tmp\nstate = /nowhere\n";
    static const struct { const char *file, *says; } rows[] = {
        { "listen 127.0.0.1:0\n", "conf:1: \"listen 127.0.0.1:0\" is not" },
        { "\nlistn = 127.0.0.1:0\n", "conf:2: unknown key listn, did you mean "
                                     "listen" },
        { "state = a\nstate = b\n", "conf:2: state: is given twice" },
        { "listen = a.b:1\n", "conf:1: listen: cannot listen" },
        { "no-auth = yes\n", "conf:1: no-auth: \"yes\" is not true or "
          "false" },
        { "listen = 8.8.8.8:1\n", "--allow-host" },
        { "listen = 8.8.8.8:1\nallow-host = a\nno-auth = true\n",
          "no-auth" },
    };
    const char *args[] = { "--check-config", "--config", path, NULL };

    scratch_write(*state, "conf", good, strlen(good));
    assert_int_equal(daemon_try(args, err, sizeof err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scratch_write(*state, "conf", rows[i].file, strlen(rows[i].file));
        assert_int_equal(daemon_try(args, err, sizeof err), 2);
        assert_non_null(strstr(err, rows[i].says));
    }
    // Of a start only the first job would tell.
    scratch_write(*state, "conf", good, strlen(good));
    setenv("GRADWATCH_TEST_WORKER", "no_such_worker", 1);
    assert_int_equal(daemon_try(args, err, sizeof err), 2);
    unsetenv("GRADWATCH_TEST_WORKER");
    assert_non_null(strstr(err, "no_such_worker: No such file or directory"));
    free(path);
}

static int setup(void **state)
{
    *state = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

#define own_folder(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        own_folder(stopping_in_order_loses_nothing),
        own_folder(streams_end_when_the_daemon_stops),
        own_folder(a_killed_daemon_takes_its_worker_along),
        own_folder(a_worker_that_outlived_its_daemon_is_ended),
        own_folder(deaths_of_the_daemon_are_not_the_jobs),
        own_folder(a_cancel_that_was_accepted_holds),
        own_folder(ids_are_never_used_again),
        own_folder(a_second_daemon_is_refused),
        own_folder(a_port_that_is_taken_is_named),
        own_folder(wrong_usage_is_explained),
        own_folder(a_file_says_what_options_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
