// daemon/check.c: every kind of damage in a state directory has its line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "common/sha256.h"
#include "daemon/check.h"
#include "daemon/store.h"
#include "scratch.h"

static char *dir;
static struct error err;
static const char content[] = "the weights of a network";

// A job with two events and the checkpoint that they tell of.
static int setup(void **state)
{
    char sha256[SHA256_TEXT];
    struct stored_event e;
    struct store *s;

    (void)state;
    dir = scratch_new();
    sha256_of(content, strlen(content), sha256);
    char *summary = xasprintf("{\"checkpoints\":[{\"epoch\":1,\"sha256\":"
                              "\"gone\"},{\"epoch\":2,\"sha256\":\"%s\"}]}",
                              sha256);
    struct job_row row = { .name = (char *)"a", .state = (char *)"done",
        .spec = (char *)"{}", .summary = summary, .wish = (char *)"",
        .attempt = 1, .created = 1 };
    assert_int_equal(store_open(dir, &s, &err), 0);
    assert_int_equal(store_begin(s, &err), 0);
    assert_int_equal(store_add_job(s, &row, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_append(s, row.id, "{\"type\":\"warning\"}", i,
                                      &e, &err), 0);
        free(e.line);
    }
    assert_int_equal(store_commit(s, &err), 0);
    store_close(s);
    scratch_write(dir, "checkpoints/1/epoch-000002.safetensors", content,
                  strlen(content));
    free(summary);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

static void change(const char *sql)
{
    char *path = xasprintf("%s/gradwatch.db", dir);
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

enum { SOME = 1000 };           // how many is the database library's affair

// How many are damaged, and what is printed has the text.
static void expect(int damaged, const char *text)
{
    char *said = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&said, &size);
    int rc = check_state(dir, out, &err);

    fclose(out);
    if ((damaged == SOME ? rc <= 0 : rc != damaged) || !strstr(said, text))
        fail_msg("%d: %s%s", rc, said, rc < 0 ? err.text : "");
    free(said);
}

static void all_is_well(void **state)
{
    (void)state;
    expect(0, "1 jobs, 2 events, 1 checkpoints: no damage\n");
}

static void a_row(void **state)
{
    (void)state;
    change("UPDATE jobs SET state = 'dune'");
    expect(1, "job 1: its row is damaged\n");
}

static void an_event(void **state)
{
    (void)state;
    change("UPDATE events SET line = replace(line, 'w', 'v') WHERE seq = 2");
    expect(1, "job 1: its event 2 is damaged\n");
}

static void a_hole(void **state)
{
    (void)state;
    change("DELETE FROM events WHERE seq = 1");
    expect(1, "job 1: 1 of its 2 events are there\n");
}

static void a_checkpoint(void **state)
{
    (void)state;
    scratch_write(dir, "checkpoints/1/epoch-000002.safetensors", "x", 1);
    expect(1, "epoch-000002.safetensors is damaged\n");
    char *path = scratch_path(dir, "checkpoints/1/epoch-000002.safetensors");
    unlink(path);
    free(path);
    expect(1, "epoch-000002.safetensors is missing\n");
}

static void an_index(void **state)
{
    (void)state;
    // Its entry goes, the row stays: as a lost page would have it.
    change("CREATE TABLE t (x); PRAGMA writable_schema = 1;"
           "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM "
           "sqlite_schema WHERE name = 't') WHERE name = 'jobs_by_state'");
    expect(SOME, "database: ");
}

static void what_cannot_be_looked_at(void **state)
{
    struct store *s;

    (void)state;
    assert_int_equal(store_open(dir, &s, &err), 0);
    expect(ERR_STATE, "");
    store_close(s);
    change("PRAGMA user_version = 99");
    expect(ERR_IO, "");
    assert_non_null(strstr(err.text, "has format 99"));
    char *path = scratch_path(dir, "gradwatch.db");
    unlink(path);
    free(path);
    expect(ERR_IO, "");
}

#define with_state(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_state(all_is_well),
        with_state(a_row),
        with_state(an_event),
        with_state(a_hole),
        with_state(a_checkpoint),
        with_state(an_index),
        with_state(what_cannot_be_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
