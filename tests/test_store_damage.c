// The store when things go wrong: a disk that fails, damage in the file, a
// database of an older version.
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "daemon/store.h"
#include "scratch.h"

static struct store *s;
static struct error err;

// Stands in for libc's, of which the database library has no other way to the
// disk: counts, and fails for files whose name ends so.
static const char *failing = NULL;
static int syncs;

static int sync_file(int fd, long call)
{
    char link[40], path[PATH_MAX];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    size_t len = failing ? strlen(failing) : 0;
    syncs++;
    if (failing && n > (ssize_t)len && !strcmp(path + n - len, failing)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

static int add(const char *name, int64_t *id)
{
    struct job_row row = { .name = (char *)name, .state = (char *)"done",
                           .spec = (char *)"{}", .summary = (char *)"{}",
                           .wish = (char *)"", .attempt = 1, .created = 1000 };
    int rc = store_begin(s, &err);

    if (rc)
        return rc;
    assert_int_equal(store_add_job(s, &row, &err), 0);
    *id = row.id;
    return store_commit(s, &err);
}

static int append(int64_t job, const char *line)
{
    struct stored_event e;

    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_append(s, job, line, false, &e, &err), 0);
    free(e.line);
    return store_commit(s, &err);
}

// As somebody else, past the store.
static void change(const char *dir, const char *sql)
{
    char *path = xasprintf("%s/gradwatch.db", dir), *why = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
    free(path);
}

// Nothing is stored from now on, and nobody tries.
static void assert_broken(void)
{
    struct error why = { 0 };
    int before = syncs;
    int64_t id;

    assert_true(store_broken(s, &why));
    assert_non_null(strstr(why.text, "disk I/O error"));
    failing = NULL;                     // the disk says that all is well again
    assert_int_equal(add("later", &id), ERR_IO);
    assert_non_null(strstr(err.text, "nothing can be stored any more"));
    store_close(s);
    assert_int_equal(syncs, before);
}

static void a_failed_sync_ends_all_writing(void **state)
{
    int64_t first, second;
    struct job_row row;
    struct error why;

    assert_int_equal(add("told", &first), 0);
    assert_false(store_broken(s, &why));
    failing = "-wal";
    assert_int_equal(add("untold", &second), ERR_IO);
    assert_non_null(strstr(err.text, "cannot save: disk I/O error"));
    assert_int_equal(store_job(s, second, &row, &err), ERR_NOT_FOUND);
    assert_broken();
    assert_int_equal(store_open(*state, &s, &err), 0);
    assert_int_equal(store_job(s, first, &row, &err), 0);
    assert_string_equal(row.name, "told");
    job_row_clear(&row);
}

// The log has it, so the commit holds; but the log must not be given up.
static void a_failed_sync_of_the_file_itself_too(void **state)
{
    enum { LINE = 6 << 20 };            // more than the log takes
    char *line = xmalloc(LINE);
    struct stored_event e;
    int64_t job;

    memset(line, 'x', LINE);
    memcpy(line, "{\"type\":\"", 9);
    strcpy(line + LINE - 3, "\"}");
    assert_int_equal(add("told", &job), 0);
    failing = ".db";
    assert_int_equal(append(job, line), 0);
    assert_broken();
    assert_int_equal(store_open(*state, &s, &err), 0);
    assert_int_equal(store_event(s, job, 0, &e, &err), 1);
    assert_int_equal(e.seq, 1);
    assert_true(strlen(e.line) >= LINE - 1);
    free(e.line);
    free(line);
}

static void a_damaged_row_is_named_and_not_served(void **state)
{
    struct job_row row, *rows;
    int64_t a, b;

    assert_int_equal(add("a", &a), 0);
    assert_int_equal(add("b", &b), 0);
    change(*state, "UPDATE jobs SET name = 'c' WHERE id = 2");
    assert_int_equal(store_job(s, a, &row, &err), 0);
    job_row_clear(&row);
    assert_int_equal(store_job(s, b, &row, &err), ERR_IO);
    assert_string_equal(err.text, "the row of job 2 is damaged on disk");
    assert_int_equal(store_jobs(s, "", "", 0, 10, &rows, &err), ERR_IO);
    store_close(s);
    assert_int_equal(store_open(*state, &s, &err), ERR_IO);
    assert_non_null(strstr(err.text, "is damaged (the row of job 2)"));
}

static void a_missing_event_is_no_end(void **state)
{
    struct stored_event e;
    int64_t job;

    assert_int_equal(add("a", &job), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(job, "{\"type\":\"warning\"}"), 0);
    change(*state, "DELETE FROM events WHERE seq = 2");
    assert_int_equal(store_event(s, job, 0, &e, &err), 1);
    free(e.line);
    assert_int_equal(store_event(s, job, 1, &e, &err), ERR_IO);
    assert_string_equal(err.text, "event 2 of job 1 is missing on disk");
    change(*state, "DELETE FROM events WHERE seq = 3");
    assert_int_equal(store_event(s, job, 1, &e, &err), ERR_IO);
    assert_string_equal(err.text, "event 2 of job 1 is missing on disk");
}

static void what_is_no_database_is_left_alone(void **state)
{
    static const char text[] = "dear diary, this is not what you look for";
    char *path = scratch_path(*state, "gradwatch.db");

    store_close(s);
    unlink(path);
    scratch_write(*state, "gradwatch.db", text, strlen(text));
    assert_int_equal(store_open(*state, &s, &err), ERR_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "is damaged"));
    free(path);
}

// Any bit of the pages that a start reads. Pages that do not matter to it, and
// bits in parts of them that are not used, change nothing.
static void a_flipped_bit_is_noticed_or_harmless(void **state)
{
    char *path = scratch_path(*state, "gradwatch.db");
    int noticed = 0, harmless = 0;
    struct job_row row;
    int64_t id;

    for (int i = 0; i < 40; i++)
        assert_int_equal(add("a name that fills a page or two", &id), 0);
    store_close(s);
    FILE *f = fopen(path, "r+e");
    fseek(f, 0, SEEK_END);
    long bytes = ftell(f);
    for (long at = 7; at < bytes; at += 97) {
        fseek(f, at, SEEK_SET);
        int c = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(c ^ 16, f);
        fflush(f);
        if (store_open(*state, &s, &err) != 0) {
            noticed++;
        } else {
            for (int64_t j = 1; j <= 40; j++) {
                assert_int_equal(store_job(s, j, &row, &err), 0);
                assert_string_equal(row.name,
                                    "a name that fills a page or two");
                job_row_clear(&row);
            }
            harmless++;
        }
        store_close(s);
        s = NULL;
        fseek(f, at, SEEK_SET);
        fputc(c, f);
        fflush(f);
    }
    fclose(f);
    assert_true(noticed > 10 && harmless > 10);
    assert_int_equal(store_open(*state, &s, &err), 0);
    free(path);
}

// An older version.

static void load_old(const char *dir)
{
    char *path = xasprintf("%s/dumps/store_1.sql", getenv("GRADWATCH_TESTS"));
    FILE *f = fopen(path, "re");
    char *sql = NULL;
    size_t room = 0;

    assert_non_null(f);
    assert_true(getdelim(&sql, &room, '\0', f) > 0);
    change(dir, sql);
    fclose(f);
    free(sql);
    free(path);
}

static void an_older_database_is_brought_up_to_date(void **state)
{
    static const struct {
        const char *name, *state;
        int priority, events;
    } jobs[] = { { "well", "done", 0, 5 }, { "diverge", "diverged", 3, 4 },
                 { "hang", "running", 0, 2 }, { "well", "queued", 0, 1 } };
    char *dir = scratch_path(*state, "old");
    struct stored_event e;
    struct job_row row;
    int64_t id;

    store_close(s);
    assert_int_equal(mkdir(dir, 0700), 0);
    load_old(dir);
    for (int again = 0; again < 2; again++) {
        if (store_open(dir, &s, &err) != 0)
            fail_msg("%s", err.text);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(store_job(s, i + 1, &row, &err), 0);
            assert_string_equal(row.name, jobs[i].name);
            assert_string_equal(row.state, jobs[i].state);
            assert_int_equal(row.priority, jobs[i].priority);
            assert_int_equal(row.last_seq, jobs[i].events);
            job_row_clear(&row);
            int n = 0;
            for (; store_event(s, i + 1, n, &e, &err) == 1; n++)
                free(e.line);
            assert_int_equal(n, jobs[i].events);
        }
        if (!again)
            store_close(s);
    }
    assert_int_equal(add("new", &id), 0);
    assert_int_equal(id, 5);
    free(dir);
}

static void a_step_that_fails_changes_nothing(void **state)
{
    char *dir = scratch_path(*state, "old");

    store_close(s);
    assert_int_equal(mkdir(dir, 0700), 0);
    load_old(dir);
    change(dir, "CREATE TABLE settings (of TEXT, somebody TEXT, else_ TEXT)");
    assert_int_equal(store_open(dir, &s, &err), ERR_IO);
    assert_non_null(strstr(err.text, "cannot bring the database up to date"));
    change(dir, "DROP TABLE settings");
    assert_int_equal(store_open(dir, &s, &err), 0);
    free(dir);
}

static int setup(void **state)
{
    failing = NULL;
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
        with_store(a_failed_sync_ends_all_writing),
        with_store(a_failed_sync_of_the_file_itself_too),
        with_store(a_damaged_row_is_named_and_not_served),
        with_store(a_missing_event_is_no_end),
        with_store(what_is_no_database_is_left_alone),
        with_store(a_flipped_bit_is_noticed_or_harmless),
        with_store(an_older_database_is_brought_up_to_date),
        with_store(a_step_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
