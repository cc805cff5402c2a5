#include "daemon/store_db.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32.h"
#include "common/mem.h"

static char *text_of(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return xstrdup(text ? (const char *)text : "");
}

// ERR_IO when it is not as it was written; row is then empty.
static int read_row(sqlite3_stmt *st, struct job_row *row, struct error *err)
{
    *row = (struct job_row){ 0 };
    if (!sqlite3_column_int(st, 12))
        return fail(err, ERR_IO, "the row of job %" PRId64 " is damaged on "
                    "disk", (int64_t)sqlite3_column_int64(st, 0));
    *row = (struct job_row){
        .id = sqlite3_column_int64(st, 0),
        .name = text_of(st, 1),
        .state = text_of(st, 2),
        .spec = text_of(st, 3),
        .summary = text_of(st, 4),
        .wish = text_of(st, 5),
        .priority = sqlite3_column_int(st, 6),
        .attempt = sqlite3_column_int(st, 7),
        .created = sqlite3_column_int64(st, 8),
        .started = sqlite3_column_int64(st, 9),
        .ended = sqlite3_column_int64(st, 10),
        .last_seq = sqlite3_column_int64(st, 11),
    };
    return 0;
}

int store_job(struct store *s, int64_t id, struct job_row *out,
              struct error *err)
{
    sqlite3_stmt *st = s->st[ST_JOB];
    int rc = 0;

    pthread_mutex_lock(&s->reading);
    sqlite3_bind_int64(st, 1, id);
    switch (sqlite3_step(st)) {
    case SQLITE_ROW:
        rc = read_row(st, out, err);
        break;
    case SQLITE_DONE:
        rc = fail(err, ERR_NOT_FOUND, "there is no job %" PRId64, id);
        break;
    default:
        rc = store_fail(s, s->reader, "cannot read a job", err);
    }
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reading);
    return rc;
}

int store_once(struct store *s, const struct once *once, int64_t *job,
               struct error *err)
{
    sqlite3_stmt *st = s->st[ST_KEY];
    int rc = 0;

    pthread_mutex_lock(&s->reading);
    bind_text(st, 1, once->key);
    switch (sqlite3_step(st)) {
    case SQLITE_ROW:
        *job = sqlite3_column_int64(st, 0);
        rc = !strcmp((const char *)sqlite3_column_text(st, 1), once->hash) ? 1
           : fail(err, ERR_STATE, "this Idempotency-Key was used for another "
                  "request (job %" PRId64 ")", *job);
        break;
    case SQLITE_DONE:
        break;
    default:
        rc = store_fail(s, s->reader, "cannot read a key", err);
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    pthread_mutex_unlock(&s->reading);
    return rc;
}

int store_jobs(struct store *s, const char *states, const char *group,
               int64_t before, int limit, struct job_row **out,
               struct error *err)
{
    sqlite3_stmt *st = s->st[ST_JOBS];
    struct job_row *rows = xcalloc((size_t)limit, sizeof *rows);
    int n = 0, step, rc = 0;

    pthread_mutex_lock(&s->reading);
    sqlite3_bind_int64(st, 1, before > 0 ? before : INT64_MAX);
    bind_text(st, 2, states);
    sqlite3_bind_int(st, 3, limit);
    bind_text(st, 4, group);
    while ((step = sqlite3_step(st)) == SQLITE_ROW && n < limit && !rc)
        rc = read_row(st, &rows[n++], err);
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        rc = store_fail(s, s->reader, "cannot read jobs", err);
    if (rc) {
        while (n > 0)
            job_row_clear(&rows[--n]);
        free(rows);
        rows = NULL;
        n = rc;
    }
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reading);
    *out = rows;
    return n;
}

// The row that st is at. ERR_IO when it is not as it was written.
static int read_event(sqlite3_stmt *st, struct stored_event *out,
                      struct error *err)
{
    struct stored_event e = {
        .job = sqlite3_column_int64(st, 0),
        .seq = sqlite3_column_int64(st, 1),
        .n = sqlite3_column_int64(st, 2),
        .last = sqlite3_column_int(st, 3),
        .line = text_of(st, 5),
    };

    if (crc32_of(e.line, strlen(e.line)) !=
        (uint32_t)sqlite3_column_int64(st, 4)) {
        free(e.line);
        return fail(err, ERR_IO, "event %" PRId64 " of job %" PRId64
                    " is damaged on disk", e.seq, e.job);
    }
    *out = e;
    return 1;
}

// The next event: 1, 0 when there is none. Under reading.
static int find_event(struct store *s, int64_t job, int64_t after,
                      struct stored_event *out, struct error *err)
{
    sqlite3_stmt *st = s->st[job ? ST_EVENT : ST_EVENT_N];
    int rc = 0;

    sqlite3_bind_int64(st, 1, after);
    if (job)
        sqlite3_bind_int64(st, 2, job);
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        rc = read_event(st, out, err);
    else if (step != SQLITE_DONE)
        rc = store_fail(s, s->reader, "cannot read an event", err);
    sqlite3_reset(st);
    return rc;
}

// How many events a job should have; 0 when there is no such job. Under
// reading.
static int64_t last_seq(struct store *s, int64_t job)
{
    sqlite3_stmt *st = s->st[ST_LAST_SEQ];

    sqlite3_bind_int64(st, 1, job);
    int64_t seq = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0)
                                                 : 0;
    sqlite3_reset(st);
    return seq;
}

int store_event(struct store *s, int64_t job, int64_t after,
                struct stored_event *out, struct error *err)
{
    pthread_mutex_lock(&s->reading);
    int rc = find_event(s, job, after, out, err);
    // Perhaps it was committed between the two questions.
    int64_t last = job && !rc ? last_seq(s, job) : 0;
    if (last > after)
        rc = find_event(s, job, after, out, err);
    bool hole = job && rc == 1 ? out->seq != after + 1
                               : job && !rc && last > after;
    if (hole) {
        if (rc == 1)
            free(out->line);
        rc = fail(err, ERR_IO, "event %" PRId64 " of job %" PRId64
                  " is missing on disk", after + 1, job);
    }
    pthread_mutex_unlock(&s->reading);
    return rc;
}

char *store_setting(struct store *s, const char *name)
{
    sqlite3_stmt *st = s->st[ST_SETTING];

    pthread_mutex_lock(&s->reading);
    bind_text(st, 1, name);
    char *value = sqlite3_step(st) == SQLITE_ROW ? text_of(st, 0) : NULL;
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reading);
    return value;
}

int64_t store_last_n(struct store *s)
{
    return __atomic_load_n(&s->committed_n, __ATOMIC_ACQUIRE);
}

int64_t store_newest_n(struct store *s)
{
    return __atomic_load_n(&s->begun_n, __ATOMIC_SEQ_CST);
}

bool store_was_removed(struct store *s, int64_t id)
{
    sqlite3_stmt *st = s->st[ST_REMOVED];

    pthread_mutex_lock(&s->reading);
    sqlite3_bind_int64(st, 1, id);
    bool removed = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reading);
    return removed;
}

int64_t store_count(struct store *s, const char *state)
{
    sqlite3_stmt *st = s->st[ST_COUNT];
    int64_t count = 0;

    pthread_mutex_lock(&s->reading);
    bind_text(st, 1, state);
    if (sqlite3_step(st) == SQLITE_ROW)
        count = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    pthread_mutex_unlock(&s->reading);
    return count;
}
