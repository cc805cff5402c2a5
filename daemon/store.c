#include "daemon/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
    BUSY_MILLIS = 5000,         // while somebody else reads the file
    WAL_PAGES = 1000,           // then they go to the database itself
};
static const double LOCK_PATIENCE_S = 1;

// What a full disk, or a full tmpfs under a shared map, looks like.
static bool is_full(int code)
{
    return code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE;
}

// After a failed sync nobody knows what is on the disk, and trying again would
// say that all is well: the pages count as written.
static void note_broken(struct store *s, int code, const struct error *why)
{
    int kind = code & 0xff;

    if (is_full(code) || atomic_load(&s->broken) ||
        (kind != SQLITE_IOERR && kind != SQLITE_CORRUPT &&
         kind != SQLITE_NOTADB))
        return;
    s->why = *why;
    atomic_store(&s->broken, true);
}

int store_fail(struct store *s, sqlite3 *db, const char *what,
               struct error *err)
{
    int code = sqlite3_extended_errcode(db);
    int rc = is_full(code) ? ERR_FULL : ERR_IO;
    struct error why;

    fail(&why, rc, "%s: %s", what, sqlite3_errmsg(db));
    if (db == s->writer)
        note_broken(s, code, &why);
    if (err)
        *err = why;
    return rc;
}

bool store_broken(const struct store *s, struct error *why)
{
    bool broken = atomic_load(&s->broken);

    if (broken)
        *why = s->why;
    return broken;
}

// After each commit. The library's own hook would pass over a failed sync of
// the database file.
static int on_commit(void *store, sqlite3 *db, const char *name, int pages)
{
    struct store *s = store;
    struct error why;

    if (pages < WAL_PAGES)
        return SQLITE_OK;
    int rc = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE,
                                       NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
        store_fail(s, db, "cannot write the database", &why);
    return SQLITE_OK;
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

// A daemon that was killed while it started a worker leaves the lock to that
// child for the moments until the child dies too.
static int wait_for_lock(int fd)
{
    const struct timespec pause = { .tv_nsec = 20000000 };
    double until = clock_seconds() + LOCK_PATIENCE_S;
    int rc;

    while ((rc = flock(fd, LOCK_EX | LOCK_NB)) != 0 &&
           clock_seconds() < until)
        nanosleep(&pause, NULL);
    return rc;
}

int store_lock(const char *dir, int *fd, struct error *err)
{
    char *path = xasprintf("%s/lock", dir);
    int rc = 0;

    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        rc = fail(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    else if (wait_for_lock(*fd) != 0)
        rc = fail(err, ERR_STATE, "another gradwatchd uses %s; stop it or "
                  "choose another --state", dir);
    free(path);
    return rc;
}

static int open_file(struct store *s, sqlite3 **db, const char *path,
                     const char *setup, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, db, flags, NULL) != SQLITE_OK)
        return fail(err, ERR_IO, "cannot open %s: %s", path,
                    sqlite3_errmsg(*db));
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, BUSY_MILLIS);
    if (sqlite3_exec(*db, setup, NULL, NULL, NULL) != SQLITE_OK) {
        int code = sqlite3_errcode(*db) & 0xff;
        bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
        char *what = xasprintf(damaged ? "the database %s is damaged"
                               : "cannot use the database %s", path);
        int rc = store_fail(s, *db, what, err);
        free(what);
        return rc;
    }
    return store_functions(*db, err);
}

static int open_both(struct store *s, const char *path, struct error *err)
{
    int rc = open_file(s, &s->writer, path, "PRAGMA journal_mode = WAL;"
                       "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                       "SELECT 1 FROM sqlite_schema;", err);
    if (!rc)
        sqlite3_wal_hook(s->writer, on_commit, s);
    if (!rc)
        rc = store_migrate(s, path, err);
    if (!rc)
        rc = open_file(s, &s->reader, path, "PRAGMA query_only = ON;", err);
    return rc ? rc : store_quick_check(s, path, err);
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
            return store_fail(s, db, "cannot use the database", err);
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
        rc = store_lock(dir, &s->lock_fd, err);
    if (!rc)
        rc = open_both(s, path, err);
    if (!rc)
        rc = prepare_all(s, err);
    if (!rc) {
        if (sqlite3_step(s->st[ST_LAST_N]) == SQLITE_ROW)
            s->committed_n = sqlite3_column_int64(s->st[ST_LAST_N], 0);
        sqlite3_reset(s->st[ST_LAST_N]);
        s->next_n = s->begun_n = s->committed_n;
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
    // What is in the log stays there for the next one to try.
    if (atomic_load(&s->broken))
        sqlite3_db_config(s->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(s->reader);
    sqlite3_close(s->writer);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->writing);
    pthread_mutex_destroy(&s->reading);
    free(s);
}
