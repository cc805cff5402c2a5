// Streams of events that break off and are taken up again, all the time.
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

#define JOBS "/api/v1/jobs"

static struct daemon d;

// A client that reads a few events, leaves, and comes back.
struct reader {
    char   *path;
    int64_t last;               // id of the newest event that it has
    int64_t end;                // of the last one that it waits for
    int     connections;
};

// How many events it reads this time: none, one, a few.
static int appetite(int n)
{
    static const int most[] = { 1, 0, 2, 1, 4, 0, 2, 1, 1, 3 };

    return most[n % 10];
}

// Connects once more and reads; each event must be the next one. False when
// there is nothing more to come.
static bool read_some(struct reader *r)
{
    struct stream s = stream_open(&d, r->path, r->last);
    int n = appetite(r->connections++);
    bool more = true;
    int64_t id;

    for (int i = 0; i < n && more && r->last < r->end; i++) {
        json_t *e;
        do {                    // live ones have no id
            e = stream_next(&s, &id);
            more = e != NULL;
            json_decref(e);
        } while (more && id < 0);
        if (more)
            assert_int_equal(id, ++r->last);
    }
    stream_close(&s);
    return more;
}

// While the job runs, from three places in it at once.
static void a_thousand_reconnects_miss_and_repeat_nothing(void **state)
{
    (void)state;
    enum { EPOCHS = 500, READERS = 3, ALL = EPOCHS + 3 };
    int64_t id = submit(&d, "well", EPOCHS, "");
    struct reader readers[READERS] = { 0 };
    int connections = 0;
    bool more = true;

    for (int i = 0; i < READERS; i++) {
        readers[i].end = INT64_MAX;     // to the end of the stream
        readers[i].path = xasprintf(JOBS "/%" PRId64 "/events", id);
    }
    while (more) {
        more = false;
        for (int i = 0; i < READERS; i++)
            more |= read_some(&readers[i]);
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(readers[i].last, ALL);
        connections += readers[i].connections;
        free(readers[i].path);
    }
    // Then those who come back to a job that has ended.
    struct reader late = { .path = xasprintf(JOBS "/%" PRId64 "/events", id),
                           .end = INT64_MAX };
    for (; connections < 1000; connections++) {
        late.last = connections % ALL;
        late.connections = 2;   // two events
        read_some(&late);
    }
    free(late.path);
}

// The stream of all jobs, of which several are told in turn; and the daemon is
// killed in between.
static void the_stream_of_all_jobs_goes_on_after_a_crash(void **state)
{
    json_t *list = get(&d, JOBS);
    struct reader r = { .path = xstrdup("/api/v1/events") };
    char *own = scratch_path(*state, "state");
    enum { EPOCHS = 40, EVENTS = 2 * (EPOCHS + 3) };

    r.last = json_integer_value(json_object_get(list, "last_event_id"));
    int64_t first = submit(&d, "well", EPOCHS, ""), end = r.last + EVENTS;
    submit(&d, "well", EPOCHS, "");
    json_decref(list);
    r.end = r.last + EVENTS / 2;
    while (r.last < r.end)
        read_some(&r);
    assert_int_equal(daemon_kill(&d), 128 + 9);
    d = daemon_start(own, NULL);
    // Where the crash met a job there are two more: interrupted, started.
    r.end = end;
    while (r.last < r.end)
        read_some(&r);
    assert_string_equal(run_to_end(&d, first, NULL), "done");
    assert_string_equal(run_to_end(&d, first + 1, NULL), "done");
    free(own);
    free(r.path);
}

static int setup(void **state)
{
    char *dir = scratch_new(), *own = scratch_path(dir, "state");

    *state = dir;
    d = daemon_start(own, NULL);
    free(own);
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
        cmocka_unit_test(a_thousand_reconnects_miss_and_repeat_nothing),
        cmocka_unit_test(the_stream_of_all_jobs_goes_on_after_a_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
