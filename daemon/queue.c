#include "daemon/queue_own.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/summary.h"

enum { ACTIVE_MAX = 4096 };     // jobs taken up at the start

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
    a->summary = json_loads(row->summary, 0, NULL);
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

// Brings the row up to date with an event that takes the job to `state`.
static void advance(struct job_row *row, const char *state, const char *type,
                    const json_t *summary)
{
    set_text(&row->state, state);
    free(row->summary);
    row->summary = event_text(summary);
    if (!strcmp(type, "started"))
        row->started = clock_unix_millis();
    if (queue_is_ended(state))
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

int queue_commit(struct queue *q, struct job_row *row, const char *line,
                  bool last, struct stored_event *stored, struct error *err)
{
    int rc = store_begin(q->store, err);

    if (rc)
        return rc;
    rc = store_append(q->store, row->id, line, last, stored, err);
    if (!rc)
        rc = store_update_job(q->store, row, err);
    if (rc)
        store_rollback(q->store);
    else
        rc = store_commit(q->store, err);
    if (rc) {
        free(stored->line);
        stored->line = NULL;
        wake_if_broken(q);
    } else {
        row->last_seq = stored->seq;
    }
    return rc;
}

void queue_tell(struct queue *q, struct stored_event *e)
{
    records_add(q->records, e->job, e->seq, e->line);
    sse_publish(q->sse, e);
    free(e->line);
}

// The event takes job a to `state`. Under `order`; a is gone if it has ended.
int queue_change(struct queue *q, struct active *a, const char *state,
                  const json_t *event, const char *line, struct error *err)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t *summary = json_deep_copy(a->summary);
    struct stored_event stored = { 0 };
    struct job_row row;

    row_copy(&row, &a->row);
    summary_apply(summary, event);
    advance(&row, state, type, summary);
    int rc = queue_commit(q, &row, line, event_is_last(type), &stored, err);
    if (rc) {
        job_row_clear(&row);
        json_decref(summary);
        return rc;
    }
    if (strcmp(a->row.state, state) != 0)
        log_info("job %" PRId64 ": %s", row.id, state);
    pthread_mutex_lock(&q->table);
    job_row_clear(&a->row);
    json_decref(a->summary);
    a->row = row;
    a->summary = summary;
    queue_note_epoch(q, &a->row, summary);
    if (queue_is_ended(state))
        take_out(q, a);
    pthread_mutex_unlock(&q->table);
    queue_tell(q, &stored);
    queue_wake(q);
    return 0;
}

// The same with an event of the daemon's own. Takes event.
int queue_change_own(struct queue *q, struct active *a, const char *state,
                      json_t *event, struct error *err)
{
    char *line = event_text(event);
    int rc = queue_change(q, a, state, event, line, err);

    free(line);
    json_decref(event);
    return rc;
}

int queue_save_row(struct queue *q, const struct job_row *row,
                   struct error *err)
{
    int rc = store_begin(q->store, err);

    if (rc)
        return rc;
    rc = store_update_job(q->store, row, err);
    if (rc)
        store_rollback(q->store);
    else
        rc = store_commit(q->store, err);
    if (rc)
        wake_if_broken(q);
    return rc;
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
    int rc = queue_save_row(q, &row, err);
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
        return queue_change_own(q, a, "cancelled", event_new("cancelled"), err);
    if (!strcmp(a->row.wish, "pause"))
        return queue_change_own(q, a, "paused", event_new("paused"), err);
    event = event_new("interrupted");
    json_object_set_new(event, "reason", json_string("daemon_died"));
    return queue_change_own(q, a, "queued", event, err);
}

// How long epochs took, of the newest jobs that have ended.
static int learn_paces(struct queue *q, struct error *err)
{
    struct job_row *rows = NULL;
    int n = store_jobs(q->store, "done,diverged,cancelled,failed", "", 0,
                       QUEUE_PACES, &rows, err);

    for (int i = n; i-- > 0; ) {
        json_t *summary = json_loads(rows[i].summary, 0, NULL);
        queue_note_epoch(q, &rows[i], summary);
        json_decref(summary);
        job_row_clear(&rows[i]);
    }
    free(rows);
    return n < 0 ? n : 0;
}

int queue_open(struct store *store, struct records *records, struct sse *sse,
               const char *logs, int wake_fd, struct queue **out,
               struct error *err)
{
    struct queue *q = xcalloc(1, sizeof *q);
    struct job_row *rows = NULL;
    int rc = 0;

    *q = (struct queue){ .store = store, .records = records, .sse = sse,
                         .logs = xstrdup(logs), .wake = wake_fd,
                         .limit = INT_MAX,
                         .devices = { { "cpu", 0 } }, .n_devices = 1 };
    pthread_mutex_init(&q->order, NULL);
    pthread_mutex_init(&q->table, NULL);
    int n = store_jobs(store, "queued,starting,running,paused", "", 0,
                       ACTIVE_MAX, &rows, err);
    for (int i = 0; i < n; i++)
        queue_insert(q, &rows[i]);
    free(rows);
    if (n < 0)
        rc = n;
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
    free(q->logs);
    free(q);
}
