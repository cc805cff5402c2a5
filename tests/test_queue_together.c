// What waits is stored together: a worker's events, the jobs of several people,
// the places of a queue. A sync each would be what people wait for.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
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

// Stands in for libc's, of which the database library has no other way to the
// disk: counts, and holds the first one up until `arrived` is ARRIVALS.
enum { ARRIVALS = 16 };

static atomic_int syncs, arrived;
static atomic_bool hold;

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    while (atomic_load(&hold) && atomic_load(&arrived) < ARRIVALS)
        usleep(1000);
    atomic_store(&hold, false);
    return (int)syscall(SYS_fdatasync, fd);
}

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

static struct job *job_of(const char *spec)
{
    json_t *json = json_loads(spec, 0, NULL), *problems;
    struct job *job = job_parse(json, &problems);

    assert_non_null(job);
    json_decref(json);
    return job;
}

static int64_t submit(const char *spec)
{
    struct job *job = job_of(spec);
    int64_t id;

    assert_int_equal(queue_submit(q, job, &id, &err), 0);
    job_free(job);
    return id;
}

static int64_t start(void)
{
    struct queue_start s = { 0 };

    assert_int_equal(queue_next(q, &s, &err), 1);
    int64_t id = s.id;
    queue_start_clear(&s);
    return id;
}

// Events.

static struct queue_said said_of(json_t *event)
{
    return (struct queue_said){ event, event_text(event) };
}

static void said_clear(struct queue_said *said, int n)
{
    for (int i = 0; i < n; i++) {
        json_decref((json_t *)said[i].event);
        free((char *)said[i].line);
    }
}

static struct queue_said live(int epoch)
{
    json_t *event = event_new("live");

    json_object_set_new(event, "epoch", json_integer(epoch));
    return said_of(event);
}

static struct queue_said epoch(int number)
{
    json_t *event = event_new("epoch");

    json_object_update_new(event, json_pack("{s:i, s:b, s:i, s:{}}", "epoch",
        number, "complete", 1, "steps", 4, "quantities"));
    return said_of(event);
}

static struct queue_said warning(int number)
{
    json_t *event = event_new("warning");

    json_object_set_new(event, "number", json_integer(number));
    return said_of(event);
}

static struct queue_said finished(void)
{
    json_t *event = event_new("finished");

    json_object_set_new(event, "state", json_string("done"));
    return said_of(event);
}

static void events_at_once_are_one_sync(void **state)
{
    (void)state;
    enum { WARNINGS = 100, N = WARNINGS + 5 };
    static const char *const tail[] = { "epoch", "epoch", "finished" };
    struct queue_said said[N];
    struct stored_event e;
    int n = 0;

    submit("{}");
    int64_t id = start();
    said[n++] = said_of(event_new("started"));
    for (int i = 0; i < WARNINGS; i++)
        said[n++] = warning(i);
    said[n++] = epoch(1);
    said[n++] = live(2);
    said[n++] = epoch(2);
    said[n++] = finished();
    assert_int_equal(n, N);
    int before = syncs;
    assert_int_equal(queue_events(q, id, said, n, &err), 0);
    assert_int_equal(syncs - before, 1);
    said_clear(said, n);
    for (int i = 0; i < WARNINGS; i++) {        // after queued, started
        assert_int_equal(store_event(store, id, 2 + i, &e, &err), 1);
        json_t *event = json_loads(e.line, 0, NULL);
        assert_int_equal(json_integer_value(json_object_get(event, "number")),
                         i);
        json_decref(event);
        free(e.line);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_event(store, id, 2 + WARNINGS + i, &e, &err), 1);
        assert_non_null(strstr(e.line, tail[i]));
        assert_int_equal(e.last, i == 2);
        free(e.line);
    }
    json_t *job;
    assert_int_equal(queue_job(q, id, &job, &err), 0);
    assert_string_equal(json_string_value(json_object_get(job, "state")),
                        "done");
    assert_int_equal(json_integer_value(json_object_get(job, "last_event_id")),
                     5 + WARNINGS);
    json_decref(job);
}

static void what_is_only_live_is_no_sync(void **state)
{
    (void)state;
    struct queue_said said[] = { live(1), live(1) };

    submit("{}");
    int64_t id = start();
    int before = syncs;
    assert_int_equal(queue_events(q, id, said, 2, &err), 0);
    assert_int_equal(syncs, before);
    said_clear(said, 2);
}

// Submissions.

struct person { pthread_t thread; const char *key; int64_t id; int rc; };

static void *person_submits(void *arg)
{
    struct person *p = arg;
    struct once once = { p->key, "the same" };
    struct error why;
    struct job *job = job_of("{}");

    atomic_fetch_add(&arrived, 1);
    p->rc = queue_submit_once(q, job, p->key ? &once : NULL, &p->id, &why);
    job_free(job);
    return NULL;
}

// Each gets an id of its own, but those with the same key, who get the same.
static void check_ids(const struct person *all)
{
    int64_t repeated = 0;
    int first = 0;

    for (int i = 0; i < ARRIVALS; i++) {
        struct job_row row;
        assert_int_equal(store_job(store, all[i].id, &row, &err), 0);
        job_row_clear(&row);
        if (all[i].key) {
            repeated = repeated ? repeated : all[i].id;
            assert_int_equal(all[i].id, repeated);
            assert_true(all[i].rc == 0 || all[i].rc == 1);
            first += all[i].rc == 0;
        } else {
            assert_int_equal(all[i].rc, 0);
        }
        for (int k = 0; k < i; k++)
            assert_true(all[k].id != all[i].id || all[k].key);
    }
    assert_int_equal(first, 1);
}

static void people_who_wait_share_a_sync(void **state)
{
    (void)state;
    struct person all[ARRIVALS] = { 0 };

    arrived = 0;
    hold = true;
    int before = syncs;
    for (int i = 0; i < ARRIVALS; i++) {
        all[i].key = i % 4 == 3 ? "a key" : NULL;
        assert_int_equal(pthread_create(&all[i].thread, NULL, person_submits,
                                        &all[i]), 0);
    }
    for (int i = 0; i < ARRIVALS; i++)
        pthread_join(all[i].thread, NULL);
    // The first one's is held until all the others are about to wait.
    assert_true(syncs - before < ARRIVALS / 2);
    check_ids(all);
}

// Those who are one too many are refused, not all.
static void the_limit_holds_for_all_together(void **state)
{
    (void)state;
    struct person all[ARRIVALS] = { 0 };
    int refused = 0;

    queue_set_limit(q, 10);
    arrived = 0;
    hold = true;
    for (int i = 0; i < ARRIVALS; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, person_submits,
                                        &all[i]), 0);
    for (int i = 0; i < ARRIVALS; i++) {
        pthread_join(all[i].thread, NULL);
        refused += all[i].rc == ERR_LIMIT;
    }
    assert_int_equal(refused, ARRIVALS - 10);
    assert_int_equal(store_count(store, "queued"), 10);
}

static void a_move_is_one_sync(void **state)
{
    (void)state;
    int64_t last = 0;

    for (int i = 0; i < 20; i++)
        last = submit("{}");
    int before = syncs;
    assert_int_equal(queue_move(q, last, QUEUE_FIRST, &err), 0);
    assert_int_equal(syncs - before, 1);
    close_all();
    open_all();
    assert_int_equal(start(), last);
}

// More than any page of the database's answers.
static void all_are_taken_up_again(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    char *spec, *summary;
    struct job_row row;
    struct stored_event e;

    int64_t first = submit("{}");
    assert_int_equal(store_job(store, first, &row, &err), 0);
    spec = xstrdup(row.spec);
    summary = xstrdup(row.summary);
    job_row_clear(&row);
    assert_int_equal(store_begin(store, &err), 0);
    for (int i = 1; i < MANY; i++) {
        row = (struct job_row){ .name = (char *)"a", .state = (char *)"queued",
            .spec = spec, .summary = summary, .wish = (char *)"", .attempt = 1,
            .created = 1 };
        assert_int_equal(store_add_job(store, &row, &err), 0);
        assert_int_equal(store_append(store, row.id, "{\"type\":\"queued\"}",
                                      false, &e, &err), 0);
        free(e.line);
    }
    assert_int_equal(store_commit(store, &err), 0);
    free(spec);
    free(summary);
    close_all();
    open_all();
    json_t *all = queue_describe(q);
    assert_int_equal(json_integer_value(json_object_get(all, "queued")), MANY);
    json_decref(all);
    assert_int_equal(start(), first);
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
        with_queue(events_at_once_are_one_sync),
        with_queue(what_is_only_live_is_no_sync),
        with_queue(people_who_wait_share_a_sync),
        with_queue(the_limit_holds_for_all_together),
        with_queue(a_move_is_one_sync),
        with_queue(all_are_taken_up_again),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
