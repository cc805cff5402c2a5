// daemon/store.c: jobs and events, durable and in order.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "common/crc32.h"
#include "daemon/store.h"
#include "scratch.h"

static struct store *s;
static struct error err;

static int64_t add_job(const char *name, const char *state)
{
    struct job_row row = { .name = (char *)name, .state = (char *)state,
                           .spec = (char *)"{}", .summary = (char *)"{}",
                           .wish = (char *)"", .attempt = 1, .created = 1000 };

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_add_job(s, &row, &err), 0);
    assert_int_equal(store_commit(s, &err), 0);
    return row.id;
}

static struct stored_event add_event(int64_t job, bool last)
{
    struct stored_event e = { 0 };

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_append(s, job, "{\"type\":\"warning\"}", last, &e,
                                  &err), 0);
    assert_int_equal(store_commit(s, &err), 0);
    free(e.line);
    return e;
}

static void the_checksum_is_crc32(void **state)
{
    (void)state;
    // The check value of the CRC catalogue for CRC-32/ISO-HDLC.
    assert_int_equal(crc32_of("123456789", 9), 0xCBF43926);
    assert_int_equal(crc32_of("", 0), 0);
}

static void events_count_per_job_and_over_all(void **state)
{
    (void)state;
    int64_t a = add_job("a", "queued"), b = add_job("b", "queued");
    struct stored_event e;

    for (int i = 1; i <= 3; i++) {
        assert_int_equal(add_event(a, false).seq, i);
        assert_int_equal(add_event(b, i == 3).seq, i);
    }
    assert_int_equal(store_last_n(s), 6);
    int64_t after = 0;
    for (int i = 1; i <= 3; i++, after = e.seq) {
        assert_int_equal(store_event(s, b, after, &e, &err), 1);
        assert_int_equal(e.seq, i);
        assert_int_equal(e.n, 2 * i);
        assert_int_equal(e.job, b);
        assert_int_equal(e.last, i == 3);
        assert_non_null(strstr(e.line, "\"type\":\"warning\""));
        free(e.line);
    }
    assert_int_equal(store_event(s, b, after, &e, &err), 0);
    for (after = 0; store_event(s, 0, after, &e, &err) == 1; after = e.n) {
        assert_int_equal(e.n, after + 1);
        free(e.line);
    }
    assert_int_equal(after, 6);
}

static void what_is_rolled_back_has_not_happened(void **state)
{
    (void)state;
    int64_t job = add_job("a", "queued");
    struct stored_event e;

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_append(s, job, "{}", false, &e, &err), 0);
    free(e.line);
    store_rollback(s);
    assert_int_equal(store_event(s, job, 0, &e, &err), 0);
    e = add_event(job, false);
    assert_int_equal(e.seq, 1);         // no hole
    assert_int_equal(e.n, 1);
}

static void nothing_is_seen_before_its_commit(void **state)
{
    (void)state;
    int64_t job = add_job("a", "queued");
    struct stored_event e, seen;

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_append(s, job, "{}", false, &e, &err), 0);
    free(e.line);
    assert_int_equal(store_event(s, job, 0, &seen, &err), 0);
    assert_int_equal(store_last_n(s), 0);
    assert_int_equal(store_commit(s, &err), 0);
    assert_int_equal(store_event(s, job, 0, &seen, &err), 1);
    free(seen.line);
    assert_int_equal(store_last_n(s), 1);
}

static void jobs_are_listed_newest_first(void **state)
{
    (void)state;
    struct job_row *rows;
    int64_t id[4];

    for (int i = 0; i < 4; i++)
        id[i] = add_job("x", i % 2 ? "done" : "undone");
    assert_int_equal(store_jobs(s, "done", "", 0, 10, &rows, &err), 2);
    assert_int_equal(rows[0].id, id[3]);
    assert_int_equal(rows[1].id, id[1]);
    for (int i = 0; i < 2; i++)
        job_row_clear(&rows[i]);
    free(rows);
    assert_int_equal(store_jobs(s, "", "", id[2], 1, &rows, &err), 1);
    assert_int_equal(rows[0].id, id[1]);
    job_row_clear(&rows[0]);
    free(rows);
    assert_int_equal(store_count(s, "done"), 2);
}

static void rows_are_kept_as_given(void **state)
{
    (void)state;
    struct job_row row = { .id = add_job("x", "queued"), .name = (char *)"n\"'",
        .state = (char *)"running", .spec = (char *)"{\"a\":1}",
        .summary = (char *)"{\"b\":2}", .wish = (char *)"cancel",
        .priority = -3, .attempt = 2, .created = 5, .started = 6, .ended = 7 };
    struct job_row back;

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_update_job(s, &row, &err), 0);
    assert_int_equal(store_commit(s, &err), 0);
    assert_int_equal(store_job(s, row.id, &back, &err), 0);
    assert_string_equal(back.name, row.name);
    assert_string_equal(back.state, row.state);
    assert_string_equal(back.spec, row.spec);
    assert_string_equal(back.summary, row.summary);
    assert_string_equal(back.wish, row.wish);
    assert_int_equal(back.priority, -3);
    assert_int_equal(back.attempt, 2);
    assert_int_equal(back.started, 6);
    assert_int_equal(back.ended, 7);
    job_row_clear(&back);
}

static void a_removed_job_takes_its_events_along(void **state)
{
    int64_t job = add_job("a", "done");
    struct stored_event e;
    struct job_row row;

    add_event(job, true);
    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_delete_job(s, job, &err), 0);
    assert_int_equal(store_commit(s, &err), 0);
    assert_int_equal(store_job(s, job, &row, &err), ERR_NOT_FOUND);
    assert_int_equal(store_event(s, job, 0, &e, &err), 0);
    store_close(s);
    assert_int_equal(store_open(*state, &s, &err), 0);
    // Neither number comes back, not even after a restart.
    assert_true(add_job("b", "queued") > job);
    assert_int_equal(add_event(job + 1, false).n, 2);
}

static void damage_is_noticed(void **state)
{
    int64_t job = add_job("a", "done");
    char *path = xasprintf("%s/gradwatch.db", (char *)*state);
    sqlite3 *db;
    struct stored_event e;

    add_event(job, true);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE events SET line = "
        "replace(line, 'warning', 'warnung')", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_event(s, job, 0, &e, &err), ERR_IO);
    assert_string_equal(err.text, "event 1 of job 1 is damaged on disk");
    free(path);
}

static void one_store_has_one_owner(void **state)
{
    struct store *other;

    assert_int_equal(store_open(*state, &other, &err), ERR_STATE);
    assert_null(other);
    assert_non_null(strstr(err.text, "another gradwatchd"));
}

// A daemon was killed between fork and exec: for a moment its child still has
// the lock.
static void the_lock_of_a_dying_child_is_waited_for(void **state)
{
    char *path = xasprintf("%s/lock", (char *)*state);

    for (int i = 0; i < 20; i++) {
        store_close(s);
        int fd = open(path, O_RDWR | O_CLOEXEC), status;
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        close(fd);
        kill(child, SIGKILL);
        assert_int_equal(store_open(*state, &s, &err), 0);
        waitpid(child, &status, 0);
    }
    free(path);
}

static void what_a_newer_version_made_is_left_alone(void **state)
{
    char *path = xasprintf("%s/gradwatch.db", (char *)*state);
    sqlite3 *db;

    store_close(s);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(store_open(*state, &s, &err), ERR_IO);
    assert_null(s);
    assert_non_null(strstr(err.text, "newer"));
    free(path);
}

static void a_place_that_cannot_be_is_named(void **state)
{
    char *path = xasprintf("%s/file/state", (char *)*state);
    struct store *other;

    scratch_write(*state, "file", "", 0);
    assert_int_equal(store_open(path, &other, &err), ERR_IO);
    assert_non_null(strstr(err.text, "/file"));
    free(path);
}

static int setup(void **state)
{
    *state = scratch_new();
    return store_open(*state, &s, &err);
}

static int teardown(void **state)
{
    store_close(s);
    scratch_remove(*state);
    return 0;
}

#define with_store(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc32),
        with_store(events_count_per_job_and_over_all),
        with_store(what_is_rolled_back_has_not_happened),
        with_store(nothing_is_seen_before_its_commit),
        with_store(jobs_are_listed_newest_first),
        with_store(rows_are_kept_as_given),
        with_store(a_removed_job_takes_its_events_along),
        with_store(damage_is_noticed),
        with_store(one_store_has_one_owner),
        with_store(the_lock_of_a_dying_child_is_waited_for),
        with_store(what_a_newer_version_made_is_left_alone),
        with_store(a_place_that_cannot_be_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
