#include "daemon/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "common/crc32.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "daemon/checkpoints.h"
#include "daemon/store_db.h"

struct check {
    const char *dir;
    FILE       *out;
    sqlite3    *db;
    int         damaged;
    int64_t     jobs, events, checkpoints;
};

__attribute__((format(printf, 2, 3)))
static void damage(struct check *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(c->out, fmt, args);
    va_end(args);
    fputc('\n', c->out);
    c->damaged++;
}

// Calls `row` for each row of the answer. Where the database is too damaged to
// go on, that is one damage more.
static void each(struct check *c, const char *sql,
                 void (*row)(struct check *c, sqlite3_stmt *st))
{
    sqlite3_stmt *st = NULL;
    int step = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);

    if (step == SQLITE_OK)
        while ((step = sqlite3_step(st)) == SQLITE_ROW)
            row(c, st);
    if (step != SQLITE_DONE)
        damage(c, "database: %s", sqlite3_errmsg(c->db));
    sqlite3_finalize(st);
}

static void structure(struct check *c, sqlite3_stmt *st)
{
    const char *said = (const char *)sqlite3_column_text(st, 0);

    if (said && strcmp(said, "ok") != 0)
        damage(c, "database: %s", said);
}

// Checkpoints.

static bool is_whole(const char *path, const char *sha256)
{
    char chunk[1 << 15], got[SHA256_TEXT];
    FILE *f = fopen(path, "re");
    struct sha256 sha;
    size_t n;

    if (!f)
        return false;
    sha256_begin(&sha);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        sha256_add(&sha, chunk, n);
    sha256_end(&sha, got);
    fclose(f);
    return sha256 && !strcmp(got, sha256);
}

// An older one may be gone already when its job was killed at that moment.
static void check_checkpoint(struct check *c, int64_t job, const json_t *row,
                             bool newest)
{
    int64_t epoch = json_integer_value(json_object_get(row, "epoch"));
    const char *sha256 = json_string_value(json_object_get(row, "sha256"));
    char name[CHECKPOINTS_NAME];

    checkpoints_name(epoch, name);
    char *path = xasprintf("%s/checkpoints/%" PRId64 "/%s", c->dir, job, name);
    bool there = access(path, F_OK) == 0;
    if (there || newest) {
        c->checkpoints++;
        if (!there)
            damage(c, "job %" PRId64 ": %s is missing", job, path);
        else if (!is_whole(path, sha256))
            damage(c, "job %" PRId64 ": %s is damaged", job, path);
    }
    free(path);
}

// Jobs: id, whether the row is whole, how many events it should have and has,
// summary.
static void check_job(struct check *c, sqlite3_stmt *st)
{
    int64_t id = sqlite3_column_int64(st, 0);
    int64_t wants = sqlite3_column_int64(st, 2);
    int64_t has = sqlite3_column_int64(st, 3);
    const char *text = (const char *)sqlite3_column_text(st, 4);
    const json_t *row;
    size_t i;

    c->jobs++;
    c->events += has;
    if (!sqlite3_column_int(st, 1)) {
        damage(c, "job %" PRId64 ": its row is damaged", id);
        return;
    }
    if (wants != has)
        damage(c, "job %" PRId64 ": %" PRId64 " of its %" PRId64 " events are "
               "there", id, has, wants);
    json_t *summary = json_loads(text ? text : "", 0, NULL);
    const json_t *list = json_object_get(summary, "checkpoints");
    json_array_foreach(list, i, row)
        check_checkpoint(c, id, row, i + 1 == json_array_size(list));
    json_decref(summary);
}

static void check_event(struct check *c, sqlite3_stmt *st)
{
    damage(c, "job %" PRId64 ": its event %" PRId64 " is damaged",
           (int64_t)sqlite3_column_int64(st, 0),
           (int64_t)sqlite3_column_int64(st, 1));
}

// CRC-32 of one text as the events have it, in SQL.
static void crc32_text(sqlite3_context *context, int n, sqlite3_value **values)
{
    const void *text = sqlite3_value_text(values[0]);

    int64_t crc = -1;

    (void)n;
    if (text)
        crc = crc32_of(text, (size_t)sqlite3_value_bytes(values[0]));
    sqlite3_result_int64(context, crc);
}

static int open_database(struct check *c, const char *path, struct error *err)
{
    if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return fail(err, ERR_IO, "cannot open %s: %s", path,
                    sqlite3_errmsg(c->db));
    sqlite3_create_function(c->db, "crc32", 1, SQLITE_UTF8, NULL, crc32_text,
                            NULL, NULL);
    int version = store_version(c->db);
    if (version > 0 && version != store_newest_version)
        return fail(err, ERR_IO, "%s has format %d and this gradwatchd checks "
                    "%d; an older one is brought up to date by a start", path,
                    version, store_newest_version);
    return store_functions(c->db, err);
}

static void check_all(struct check *c)
{
    each(c, "PRAGMA query_only = ON", structure);
    each(c, "PRAGMA integrity_check", structure);
    each(c, "SELECT id, crc IS " JOB_CRC ", last_seq, (SELECT count(*) FROM"
         " events WHERE job = id), summary FROM jobs ORDER BY id", check_job);
    each(c, "SELECT job, seq FROM events WHERE crc IS NOT crc32(line)",
         check_event);
}

int check_state(const char *dir, FILE *out, struct error *err)
{
    struct check c = { .dir = dir, .out = out };
    char *path = xasprintf("%s/gradwatch.db", dir);
    int lock = -1, rc = 0;

    if (access(path, R_OK) != 0)
        rc = fail(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (!rc)
        rc = store_lock(dir, &lock, err);
    if (!rc)
        rc = open_database(&c, path, err);
    if (!rc) {
        check_all(&c);
        fprintf(out, "%" PRId64 " jobs, %" PRId64 " events, %" PRId64
                " checkpoints: ", c.jobs, c.events, c.checkpoints);
        fprintf(out, c.damaged ? "%d damaged\n" : "no damage\n", c.damaged);
        rc = c.damaged;
    }
    sqlite3_close(c.db);
    if (lock >= 0)
        close(lock);
    free(path);
    return rc;
}
