// daemon/records.c: histories are loaded when asked for and forgotten when
// others need the room, and come back the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/event.h"
#include "daemon/records.h"
#include "scratch.h"

enum { JOBS = 12 };

static struct store *store;
static struct records *records;
static char *dir;
static struct error err;

// Job i has i epochs.
static void add_job(int i)
{
    struct job_row row = { .name = (char *)"a", .state = (char *)"done",
        .spec = (char *)"{}", .summary = (char *)"{}", .wish = (char *)"",
        .attempt = 1, .created = 1 };
    struct stored_event e;

    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(store_add_job(store, &row, &err), 0);
    assert_int_equal(row.id, i);
    for (int k = 1; k <= i; k++) {
        json_t *event = event_new("epoch");
        json_object_update_new(event, json_pack("{s:i, s:b, s:i, s:{}}",
            "epoch", k, "complete", 1, "steps", 4, "quantities"));
        char *line = event_text(event);
        assert_int_equal(store_append(store, i, line, false, &e, &err), 0);
        free(e.line);
        free(line);
        json_decref(event);
    }
    assert_int_equal(store_commit(store, &err), 0);
}

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    assert_int_equal(store_open(dir, &store, &err), 0);
    for (int i = 1; i <= JOBS; i++)
        add_job(i);
    records = records_new(store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    records_free(records);
    store_close(store);
    scratch_remove(dir);
    return 0;
}

static void look_at(int job)
{
    const struct history *h;

    assert_int_equal(records_open(records, job, &h, &err), 0);
    assert_int_equal(history_epochs(h), job);
    records_close(records, h);
}

static void nothing_is_held_before_it_is_asked_for(void **state)
{
    (void)state;
    size_t bytes;

    assert_int_equal(records_held(records, &bytes), 0);
    look_at(3);
    assert_int_equal(records_held(records, &bytes), 1);
    assert_true(bytes > 0);
}

static void the_oldest_are_forgotten_by_number(void **state)
{
    (void)state;
    size_t bytes;

    records_limit(records, 4, SIZE_MAX);
    for (int round = 0; round < 2; round++)
        for (int job = 1; job <= JOBS; job++) {
            look_at(job);
            assert_true(records_held(records, &bytes) <= 4);
        }
}

static void and_by_size(void **state)
{
    (void)state;
    size_t bytes, most;

    look_at(JOBS);
    records_held(records, &most);       // of the largest
    records_limit(records, JOBS, 2 * most);
    for (int job = 1; job <= JOBS; job++) {
        look_at(job);
        records_held(records, &bytes);
        assert_true(bytes <= 2 * most);
    }
    assert_true(records_held(records, &bytes) < JOBS);
}

static void what_is_in_use_stays(void **state)
{
    (void)state;
    const struct history *h;

    records_limit(records, 1, 1);
    assert_int_equal(records_open(records, 5, &h, &err), 0);
    for (int job = 1; job <= JOBS; job++)
        if (job != 5)
            look_at(job);
    assert_int_equal(history_epochs(h), 5);
    records_close(records, h);
}

#define with_records(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_records(nothing_is_held_before_it_is_asked_for),
        with_records(the_oldest_are_forgotten_by_number),
        with_records(and_by_size),
        with_records(what_is_in_use_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
