#include "daemon/store_db.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32.h"
#include "common/event.h"

// Runs a statement of the writer that gives no rows.
static int run(struct store *s, enum statement which, const char *what,
               struct error *err)
{
    int rc = sqlite3_step(s->st[which]) == SQLITE_DONE
        ? 0 : store_fail(s, s->writer, what, err);
    sqlite3_reset(s->st[which]);
    sqlite3_clear_bindings(s->st[which]);
    return rc;
}

int store_begin(struct store *s, struct error *err)
{
    struct error why;

    pthread_mutex_lock(&s->writing);
    int rc = store_broken(s, &why)
        ? fail(err, ERR_IO, "nothing can be stored any more: %s", why.text)
        : run(s, ST_BEGIN, "cannot write", err);
    if (rc)
        pthread_mutex_unlock(&s->writing);
    return rc;
}

int store_commit(struct store *s, struct error *err)
{
    __atomic_store_n(&s->begun_n, s->next_n, __ATOMIC_SEQ_CST);
    int rc = run(s, ST_COMMIT, "cannot save", err);

    if (rc && !sqlite3_get_autocommit(s->writer))
        run(s, ST_ROLLBACK, "cannot roll back", NULL);
    if (rc)
        s->next_n = s->committed_n;
    else
        __atomic_store_n(&s->committed_n, s->next_n, __ATOMIC_RELEASE);
    __atomic_store_n(&s->begun_n, s->committed_n, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&s->writing);
    return rc;
}

void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->writer))
        run(s, ST_ROLLBACK, "cannot roll back", NULL);
    s->next_n = s->committed_n;
    pthread_mutex_unlock(&s->writing);
}

// The ten columns that ADD and UPDATE share.
static void bind_row(sqlite3_stmt *st, const struct job_row *row)
{
    bind_text(st, 1, row->name);
    bind_text(st, 2, row->state);
    bind_text(st, 3, row->spec);
    bind_text(st, 4, row->summary);
    bind_text(st, 5, row->wish);
    sqlite3_bind_int(st, 6, row->priority);
    sqlite3_bind_int(st, 7, row->attempt);
    sqlite3_bind_int64(st, 8, row->created);
    sqlite3_bind_int64(st, 9, row->started);
    sqlite3_bind_int64(st, 10, row->ended);
}

int store_add_job(struct store *s, struct job_row *row, struct error *err)
{
    bind_row(s->st[ST_ADD], row);
    int rc = run(s, ST_ADD, "cannot add a job", err);
    if (!rc)
        row->id = sqlite3_last_insert_rowid(s->writer);
    if (!rc && row->once) {
        bind_text(s->st[ST_ADD_KEY], 1, row->once->key);
        bind_text(s->st[ST_ADD_KEY], 2, row->once->hash);
        sqlite3_bind_int64(s->st[ST_ADD_KEY], 3, row->id);
        rc = run(s, ST_ADD_KEY, "cannot add a job", err);
    }
    return rc;
}

int store_update_job(struct store *s, const struct job_row *row,
                     struct error *err)
{
    bind_row(s->st[ST_UPDATE], row);
    sqlite3_bind_int64(s->st[ST_UPDATE], 11, row->id);
    return run(s, ST_UPDATE, "cannot update a job", err);
}

int store_delete_job(struct store *s, int64_t id, struct error *err)
{
    sqlite3_bind_int64(s->st[ST_DELETE], 1, id);
    return run(s, ST_DELETE, "cannot delete a job", err);
}

int store_set(struct store *s, const char *name, const char *value,
              struct error *err)
{
    bind_text(s->st[ST_SET], 1, name);
    bind_text(s->st[ST_SET], 2, value);
    return run(s, ST_SET, "cannot store a setting", err);
}

static int next_seq(struct store *s, int64_t job, int64_t *seq,
                    struct error *err)
{
    sqlite3_stmt *st = s->st[ST_NEXT_SEQ];
    int rc = 0;

    sqlite3_bind_int64(st, 1, job);
    switch (sqlite3_step(st)) {
    case SQLITE_ROW:
        *seq = sqlite3_column_int64(st, 0);
        break;
    case SQLITE_DONE:
        rc = fail(err, ERR_NOT_FOUND, "there is no job %" PRId64, job);
        break;
    default:
        rc = store_fail(s, s->writer, "cannot store an event", err);
    }
    sqlite3_reset(st);
    return rc;
}

int store_append(struct store *s, int64_t job, const char *line, bool last,
                 struct stored_event *out, struct error *err)
{
    sqlite3_stmt *st = s->st[ST_APPEND];
    struct stored_event e = { .job = job, .last = last };
    int rc = next_seq(s, job, &e.seq, err);

    if (rc)
        return rc;
    e.n = s->next_n + 1;
    e.line = event_stamp(line, job, e.seq, e.n);
    sqlite3_bind_int64(st, 1, e.n);
    sqlite3_bind_int64(st, 2, job);
    sqlite3_bind_int64(st, 3, e.seq);
    sqlite3_bind_int(st, 4, last);
    sqlite3_bind_int64(st, 5, crc32_of(e.line, strlen(e.line)));
    bind_text(st, 6, e.line);
    rc = run(s, ST_APPEND, "cannot store an event", err);
    if (rc) {
        free(e.line);
        return rc;
    }
    s->next_n = e.n;
    *out = e;
    return 0;
}
