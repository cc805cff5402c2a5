#include "daemon/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

enum { SCHEMA = 1 };            // PRAGMA user_version of the tables below

static const char schema[] =
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
    "  UNIQUE (job, seq));"
    "PRAGMA user_version = 1;";

// Older daemons know nothing of it and need not.
static const char keys_schema[] =
    "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY,"
    "  hash TEXT NOT NULL,"
    "  job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE);";

int store_fail(struct error *err, sqlite3 *db, const char *what)
{
    bool full = sqlite3_errcode(db) == SQLITE_FULL;
    return fail(err, full ? ERR_FULL : ERR_IO, "%s: %s", what,
                sqlite3_errmsg(db));
}

void job_row_clear(struct job_row *row)
{
    free(row->name);
    free(row->state);
    free(row->spec);
    free(row->summary);
    free(row->wish);
    *row = (struct job_row){ 0 };
}

static int make_dirs(const char *dir, struct error *err)
{
    char *path = xstrdup(dir);
    int rc = 0;

    for (char *p = path + 1; ; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            rc = fail(err, ERR_IO, "cannot make the state directory %s: %s",
                      path, strerror(errno));
            break;
        }
        *p = c;
        if (c == '\0')
            break;
    }
    free(path);
    return rc;
}

static int lock_dir(struct store *s, const char *dir, struct error *err)
{
    char *path = xasprintf("%s/lock", dir);
    int rc = 0;

    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        rc = fail(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        rc = fail(err, ERR_STATE, "another gradwatchd uses %s; stop it or "
                  "choose another --state", dir);
    free(path);
    return rc;
}

static int exec(sqlite3 *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_fail(err, db, "cannot set up the database");
    return 0;
}

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) ==
            SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return version;
}

static int open_writer(struct store *s, const char *path, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, &s->writer, flags, NULL) != SQLITE_OK)
        return fail(err, ERR_IO, "cannot open %s: %s", path,
                    sqlite3_errmsg(s->writer));
    int rc = exec(s->writer, "PRAGMA journal_mode = WAL;"
                  "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;", err);
    if (rc)
        return rc;
    int version = user_version(s->writer);
    if (version > SCHEMA)
        return fail(err, ERR_IO, "%s was made by a newer gradwatchd (its "
                    "format is %d, this one knows up to %d)", path, version,
                    SCHEMA);
    if (version < 0)
        return store_fail(err, s->writer, "cannot read the database");
    if (version == 0) {
        char *sql = xasprintf("BEGIN;%sCOMMIT;", schema);
        rc = exec(s->writer, sql, err);
        free(sql);
    }
    if (!rc)
        rc = exec(s->writer, keys_schema, err);
    return rc;
}

static int open_reader(struct store *s, const char *path, struct error *err)
{
    if (sqlite3_open_v2(path, &s->reader, SQLITE_OPEN_READWRITE |
                        SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return fail(err, ERR_IO, "cannot open %s: %s", path,
                    sqlite3_errmsg(s->reader));
    sqlite3_busy_timeout(s->reader, 5000);
    return exec(s->reader, "PRAGMA query_only = ON;", err);
}

static int prepare_all(struct store *s, struct error *err)
{
    static const struct { bool writes; const char *text; } rows[] = {
#define X(tag, writes, text) { writes, text },
        STATEMENTS(X)
#undef X
    };

    for (int i = 0; i < ST_COUNT_OF; i++) {
        sqlite3 *db = rows[i].writes ? s->writer : s->reader;
        if (sqlite3_prepare_v3(db, rows[i].text, -1, SQLITE_PREPARE_PERSISTENT,
                               &s->st[i], NULL) != SQLITE_OK)
            return store_fail(err, db, "cannot use the database");
    }
    return 0;
}

int store_open(const char *dir, struct store **out, struct error *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    char *path = xasprintf("%s/gradwatch.db", dir);
    int rc = make_dirs(dir, err);

    s->lock_fd = -1;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->reading, NULL);
    if (!rc)
        rc = lock_dir(s, dir, err);
    if (!rc)
        rc = open_writer(s, path, err);
    if (!rc)
        rc = open_reader(s, path, err);
    if (!rc)
        rc = prepare_all(s, err);
    if (!rc) {
        if (sqlite3_step(s->st[ST_LAST_N]) == SQLITE_ROW)
            s->committed_n = sqlite3_column_int64(s->st[ST_LAST_N], 0);
        sqlite3_reset(s->st[ST_LAST_N]);
        s->next_n = s->committed_n;
    }
    free(path);
    if (rc) {
        store_close(s);
        s = NULL;
    }
    *out = s;
    return rc;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < ST_COUNT_OF; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->reader);
    sqlite3_close(s->writer);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->writing);
    pthread_mutex_destroy(&s->reading);
    free(s);
}
