#include "daemon/queue_own.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/summary.h"

enum { PAGE = 500 };            // rows read at a time

const char *const queue_states[] = {
    "queued", "starting", "running", "paused", "done", "failed", "cancelled",
    "diverged", NULL };

bool queue_is_ended(const char *state)
{
    return !strcmp(state, "done") || !strcmp(state, "failed") ||
           !strcmp(state, "cancelled") || !strcmp(state, "diverged");
}

void queue_wake(struct queue *q)
{
    uint64_t one = 1;
    ssize_t n = write(q->wake, &one, sizeof one);
    (void)n;                    // full means that it is awake already
}

// The supervisor ends the daemon then.
static void wake_if_broken(struct queue *q)
{
    struct error why;

    if (store_broken(q->store, &why))
        queue_wake(q);
}

static void active_free(struct active *a)
{
    job_row_clear(&a->row);
    free(a->kind);
    json_decref(a->summary);
    free(a->after);
    free(a);
}

struct active *queue_find(const struct queue *q, int64_t id)
{
    struct active *a = q->jobs;

    while (a && a->row.id != id)
        a = a->next;
    return a;
}

// Takes row. Under both locks, or before there are other threads.
struct active *queue_insert(struct queue *q, struct job_row *row)
{
    struct active *a = xcalloc(1, sizeof *a), **p = &q->jobs;
    json_t *spec = json_loads(row->spec, 0, NULL);
    const json_t *after = json_object_get(spec, "after");
    const char *device = json_string_value(json_object_get(spec, "device"));

    a->row = *row;
    a->kind = queue_kind(row->spec);
    a->summary = json_loads(row->summary, 0, NULL);
    a->told_start = a->told_end = NAN;
    a->n_after = (int)json_array_size(after);
    a->after = xcalloc((size_t)a->n_after, sizeof *a->after);
    for (int i = 0; i < a->n_after; i++)
        a->after[i] = json_integer_value(json_array_get(after, (size_t)i));
    snprintf(a->device, sizeof a->device, "%s", device ? device : "auto");
    a->init = job_init_of(spec);
    json_decref(spec);
    while (*p && (*p)->row.id < row->id)
        p = &(*p)->next;
    a->next = *p;
    *p = a;
    return a;
}

static void take_out(struct queue *q, struct active *gone)
{
    struct active **p = &q->jobs;

    while (*p != gone)
        p = &(*p)->next;
    *p = gone->next;
    active_free(gone);
}

// Changes: one event, one transaction, then everybody hears of it.

static void set_text(char **to, const char *text)
{
    char *copy = xstrdup(text);
    free(*to);
    *to = copy;
}

// The state that an event takes its job to; NULL when it leaves it.
static const char *state_after(const json_t *event)
{
    static const struct { const char *type, *state; } rows[] = {
        { "started", "running" },       { "paused", "paused" },
        { "resumed", "queued" },        { "interrupted", "queued" },
        { "failed", "failed" },         { "cancelled", "cancelled" },
    };
    const char *type = event_type(event);

    if (!strcmp(type, "finished"))
        return json_string_value(json_object_get(event, "state"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].type, type))
            return rows[i].state;
    return NULL;
}

// Brings the row up to date with an event that is stored.
static void advance(struct job_row *row, const json_t *event)
{
    const char *type = event_type(event), *state = state_after(event);

    if (state)
        set_text(&row->state, state);
    if (!strcmp(type, "started"))
        row->started = clock_unix_millis();
    if (queue_is_ended(row->state))
        row->ended = clock_unix_millis();
    if (!strcmp(type, "interrupted") ||
        (!strcmp(type, "resumed") && row->started))
        row->attempt++;
    if (!strcmp(type, "paused"))
        set_text(&row->wish, "");
}

static void row_copy(struct job_row *to, const struct job_row *from)
{
    *to = *from;
    to->name = xstrdup(from->name);
    to->state = xstrdup(from->state);
    to->spec = xstrdup(from->spec);
    to->summary = xstrdup(from->summary);
    to->wish = xstrdup(from->wish);
}

int queue_end(struct queue *q, int rc, struct error *err)
{
    if (rc)
        store_rollback(q->store);
    else
        rc = store_commit(q->store, err);
    if (rc)
        wake_if_broken(q);
    return rc;
}

// Stores those events whose type is, and the row with them. stored[i] is filled
// from said[i].
static int commit(struct queue *q, struct job_row *row,
                  const struct queue_said *said, int n,
                  struct stored_event *stored, struct error *err)
{
    int64_t seq = row->last_seq;
    int rc = store_begin(q->store, err);

    if (rc)
        return rc;
    for (int i = 0; i < n && !rc; i++) {
        const char *type = event_type(said[i].event);
        if (event_is_stored(type))
            rc = store_append(q->store, row->id, said[i].line,
                              event_is_last(type), &stored[i], err);
        seq = stored[i].seq ? stored[i].seq : seq;
    }
    if (!rc)
        rc = store_update_job(q->store, row, err);
    rc = queue_end(q, rc, err);
    if (!rc)
        row->last_seq = seq;
    for (int i = 0; i < n && rc; i++)
        free(stored[i].line);
    return rc;
}

void queue_tell(struct queue *q, struct stored_event *e)
{
    records_add(q->records, e->job, e->seq, e->line);
    sse_publish(q->sse, e);
    free(e->line);
}

// Takes what is in stored.
static void tell_all(struct queue *q, int64_t id,
                     const struct queue_said *said, int n,
                     struct stored_event *stored)
{
    for (int i = 0; i < n; i++) {
        if (stored[i].line) {
            queue_tell(q, &stored[i]);
        } else {
            records_add(q->records, id, 0, said[i].line);
            sse_publish_live(q->sse, id, said[i].line);
        }
    }
}

// Puts row and summary, which it takes, in the place of a's.
static void replace(struct queue *q, struct active *a, struct job_row *row,
                    json_t *summary, bool live)
{
    pthread_mutex_lock(&q->table);
    job_row_clear(&a->row);
    json_decref(a->summary);
    a->row = *row;
    a->summary = summary;
    a->told = live ? clock_unix_millis() : a->told;
    queue_note_epoch(q, a->kind, summary);
    if (queue_is_ended(row->state))
        take_out(q, a);
    pthread_mutex_unlock(&q->table);
}

int queue_change(struct queue *q, struct active *a,
                 const struct queue_said *said, int n, struct error *err)
{
    struct stored_event *stored = xcalloc((size_t)n, sizeof *stored);
    json_t *summary = json_deep_copy(a->summary);
    bool stores = false, live = false;
    struct job_row row;
    int rc = 0;

    row_copy(&row, &a->row);
    for (int i = 0; i < n; i++) {
        bool kept = event_is_stored(event_type(said[i].event));
        summary_apply(summary, said[i].event);
        if (kept)
            advance(&row, said[i].event);
        stores = stores || kept;
        live = live || !kept;
    }
    if (stores) {
        free(row.summary);
        row.summary = event_text(summary);
        rc = commit(q, &row, said, n, stored, err);
    }
    if (rc) {
        job_row_clear(&row);
        json_decref(summary);
    } else {
        int64_t id = row.id;
        if (strcmp(a->row.state, row.state) != 0)
            log_info("job %" PRId64 ": %s", id, row.state);
        replace(q, a, &row, summary, live);
        tell_all(q, id, said, n, stored);
        if (stores)
            queue_wake(q);
    }
    free(stored);
    return rc;
}

int queue_change_own(struct queue *q, struct active *a, json_t *event,
                     struct error *err)
{
    char *line = event_text(event);
    int rc = queue_change(q, a, &(struct queue_said){ event, line }, 1, err);

    free(line);
    json_decref(event);
    return rc;
}

int queue_save_rows(struct queue *q, const struct job_row *rows, int n,
                    struct error *err)
{
    int rc = store_begin(q->store, err);

    if (rc)
        return rc;
    for (int i = 0; i < n && !rc; i++)
        rc = store_update_job(q->store, &rows[i], err);
    return queue_end(q, rc, err);
}

void queue_take_row(struct queue *q, struct active *a, struct job_row *row)
{
    pthread_mutex_lock(&q->table);
    job_row_clear(&a->row);
    a->row = *row;
    pthread_mutex_unlock(&q->table);
    *row = (struct job_row){ 0 };
}

// A change of the row that has no event.
int queue_change_row(struct queue *q, struct active *a, const char *state,
                      const char *wish, struct error *err)
{
    struct job_row row;

    row_copy(&row, &a->row);
    set_text(&row.state, state);
    set_text(&row.wish, wish);
    int rc = queue_save_rows(q, &row, 1, err);
    if (!rc)
        queue_take_row(q, a, &row);
    job_row_clear(&row);
    return rc;
}

// Opening.

// A job that ran when the last daemon went away.
static int recover(struct queue *q, struct active *a, struct error *err)
{
    json_t *event;

    if (!strcmp(a->row.state, "queued") || !strcmp(a->row.state, "paused"))
        return 0;
    if (!strcmp(a->row.wish, "cancel"))
        return queue_change_own(q, a, event_new("cancelled"), err);
    if (!strcmp(a->row.wish, "pause"))
        return queue_change_own(q, a, event_new("paused"), err);
    event = event_new("interrupted");
    json_object_set_new(event, "reason", json_string("daemon_died"));
    return queue_change_own(q, a, event, err);
}

// How long epochs took, of the newest jobs that have ended.
static int learn_paces(struct queue *q, struct error *err)
{
    struct job_row *rows = NULL;
    int n = store_jobs(q->store, "done,diverged,cancelled,failed", "", 0,
                       QUEUE_PACES, &rows, err);

    for (int i = n; i-- > 0; ) {
        json_t *summary = json_loads(rows[i].summary, 0, NULL);
        char *kind = queue_kind(rows[i].spec);
        queue_note_epoch(q, kind, summary);
        free(kind);
        json_decref(summary);
        job_row_clear(&rows[i]);
    }
    free(rows);
    return n < 0 ? n : 0;
}

// All that have not ended, however many, from the newest to the oldest.
static int read_active(struct queue *q, struct error *err)
{
    struct job_row *rows = NULL;
    int64_t before = 0;
    int n;

    do {
        n = store_jobs(q->store, "queued,starting,running,paused", "", before,
                       PAGE, &rows, err);
        for (int i = 0; i < n; i++) {
            before = rows[i].id;
            queue_insert(q, &rows[i]);
        }
        free(rows);
    } while (n == PAGE);
    return n < 0 ? n : 0;
}

int queue_open(struct store *store, struct records *records, struct sse *sse,
               const char *logs, int wake_fd, struct queue **out,
               struct error *err)
{
    struct queue *q = xcalloc(1, sizeof *q);

    *q = (struct queue){ .store = store, .records = records, .sse = sse,
                         .logs = xstrdup(logs), .wake = wake_fd,
                         .limit = INT_MAX,
                         .devices = { { "cpu", 0 } }, .n_devices = 1 };
    pthread_mutex_init(&q->order, NULL);
    pthread_mutex_init(&q->table, NULL);
    pthread_mutex_init(&q->joining, NULL);
    int rc = read_active(q, err);
    for (struct active *a = q->jobs, *next; a && !rc; a = next) {
        next = a->next;
        rc = recover(q, a, err);
    }
    queue_read_drain(q);
    if (!rc)
        rc = learn_paces(q, err);
    if (rc) {
        queue_close(q);
        q = NULL;
    }
    *out = q;
    return rc;
}

void queue_set_limit(struct queue *q, int jobs)
{
    q->limit = jobs;
}

int queue_limit(const struct queue *q)
{
    return q->limit;
}

void queue_close(struct queue *q)
{
    if (!q)
        return;
    while (q->jobs)
        take_out(q, q->jobs);
    for (int i = 0; i < QUEUE_PACES; i++)
        free(q->paces[i].kind);
    pthread_mutex_destroy(&q->order);
    pthread_mutex_destroy(&q->table);
    pthread_mutex_destroy(&q->joining);
    free(q->logs);
    free(q);
}
