/* daemon/store_schema.c: the tables, and how those of older versions become
 * those of this one. */
#include "daemon/store_db.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32.h"
#include "common/mem.h"

// Row i takes a database of version i to version i + 1 (PRAGMA user_version), a
// new one through all of them. What was released is never changed: only rows
// are added.
static const char *const steps[] = {
    "CREATE TABLE jobs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL, state TEXT NOT NULL, spec TEXT NOT NULL,"
    "  summary TEXT NOT NULL, wish TEXT NOT NULL,"
    "  priority INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, created INTEGER NOT NULL,"
    "  started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  last_seq INTEGER NOT NULL);"
    "CREATE INDEX jobs_by_state ON jobs (state);"
    "CREATE TABLE events ("
    "  n INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,"
    "  seq INTEGER NOT NULL, last INTEGER NOT NULL, crc INTEGER NOT NULL,"
    "  line TEXT NOT NULL,"
    "  UNIQUE (job, seq));",

    // Version 1 could have the table of keys or not.
    "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY,"
    "  hash TEXT NOT NULL,"
    "  job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE);"
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "ALTER TABLE jobs ADD COLUMN crc INTEGER;"
    "UPDATE jobs SET crc = " JOB_CRC ";",
};
enum { SCHEMA = sizeof steps / sizeof *steps };
const int store_newest_version = SCHEMA;

// A start looks at all of the table of jobs in a database of up to 64 MiB, and
// at the newest rows of any: it must not take longer the longer the past is.
enum { LARGE_PAGES = 16384 };
#define NEWEST "1000"

// crc_of(a, b, ...): CRC-32 of the texts, each with the zero byte at its end.
static void crc_of(sqlite3_context *context, int n, sqlite3_value **values)
{
    uint32_t crc = 0;

    for (int i = 0; i < n; i++) {
        const unsigned char *text = sqlite3_value_text(values[i]);
        size_t len = (size_t)sqlite3_value_bytes(values[i]);
        if (text)
            crc = crc32_add(crc, text, len);
        crc = crc32_add(crc, "", 1);
    }
    sqlite3_result_int64(context, crc);
}

int store_functions(sqlite3 *db, struct error *err)
{
    if (sqlite3_create_function(db, "crc_of", -1, SQLITE_UTF8 |
                                SQLITE_DETERMINISTIC, NULL, crc_of, NULL,
                                NULL) != SQLITE_OK)
        return fail(err, ERR_IO, "cannot set up the database: %s",
                    sqlite3_errmsg(db));
    return 0;
}

int store_version(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) ==
            SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return version;
}

// All of a step or nothing.
static int take_step(struct store *s, int from, struct error *err)
{
    char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; "
                          "COMMIT;", steps[from], from + 1);
    int rc = 0;

    if (sqlite3_exec(s->writer, sql, NULL, NULL, NULL) != SQLITE_OK) {
        rc = store_fail(s, s->writer, from ? "cannot bring the database up to "
                        "date" : "cannot set up the database", err);
        sqlite3_exec(s->writer, "ROLLBACK", NULL, NULL, NULL);
    }
    free(sql);
    return rc;
}

int store_migrate(struct store *s, const char *path, struct error *err)
{
    int version = store_version(s->writer), rc = 0;

    if (version < 0)
        return store_fail(s, s->writer, "cannot read the database", err);
    if (version > SCHEMA)
        return fail(err, ERR_IO, "%s was made by a newer gradwatchd (its "
                    "format is %d, this one knows up to %d)", path, version,
                    SCHEMA);
    for (; version < SCHEMA && !rc; version++)
        rc = take_step(s, version, err);
    return rc;
}

// The first text that a query gives, or NULL. Caller owns.
static char *first_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    char *text = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return xstrdup(sqlite3_errmsg(db));
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        text = xstrdup((const char *)sqlite3_column_text(st, 0));
    else if (step != SQLITE_DONE)
        text = xstrdup(sqlite3_errmsg(db));
    sqlite3_finalize(st);
    return text;
}

static int64_t pages_of(sqlite3 *db)
{
    char *text = first_of(db, "PRAGMA page_count");
    int64_t n = text ? strtoll(text, NULL, 10) : 0;

    free(text);
    return n;
}

// Events carry a checksum each, which is looked at when they are read: going
// through them all would take minutes, and so would all rows of a long past.
int store_quick_check(struct store *s, const char *path, struct error *err)
{
    bool large = pages_of(s->reader) > LARGE_PAGES;
    char *said = large ? NULL : first_of(s->reader, "PRAGMA quick_check(jobs)");
    char *row = NULL;
    int rc = 0;

    if (!said || !strcmp(said, "ok"))
        row = first_of(s->reader, "SELECT 'the row of job ' || id FROM (SELECT"
                       " * FROM jobs ORDER BY id DESC LIMIT " NEWEST ")"
                       " WHERE crc IS NOT " JOB_CRC " LIMIT 1");
    if ((said && strcmp(said, "ok")) || row)
        rc = fail(err, ERR_IO, "the database %s is damaged (%.200s): put back "
                  "a copy of it; gradwatchd --check-state tells all that is "
                  "damaged", path, row ? row : said);
    free(said);
    free(row);
    return rc;
}
