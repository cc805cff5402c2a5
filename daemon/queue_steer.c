#include "daemon/queue_own.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/mem.h"

// Under `order`.
static int refuse(const struct queue *q, int64_t id, const char *what,
                  struct error *err)
{
    struct job_row row = { 0 };
    int rc = store_job(q->store, id, &row, err);

    if (!rc)
        rc = fail(err, ERR_STATE, "job %" PRId64 " is %s and cannot be %s", id,
                  *row.wish && !queue_is_ended(row.state) ? "about to stop"
                  : row.state, what);
    job_row_clear(&row);
    return rc;
}

static bool is(const struct active *a, const char *state)
{
    return a && !strcmp(a->row.state, state);
}

int queue_pause(struct queue *q, int64_t id, struct error *err)
{
    int rc;

    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    if (!a || is(a, "paused") || !strcmp(a->row.wish, "cancel"))
        rc = refuse(q, id, "paused", err);
    else if (is(a, "queued"))
        rc = queue_change_own(q, a, event_new("paused"), err);
    else
        rc = queue_change_row(q, a, a->row.state, "pause", err);
    queue_wake(q);
    pthread_mutex_unlock(&q->order);
    return rc;
}

int queue_resume(struct queue *q, int64_t id, struct error *err)
{
    int rc;

    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    if (!is(a, "paused"))
        rc = refuse(q, id, "resumed", err);
    else
        rc = queue_change_own(q, a, event_new("resumed"), err);
    queue_wake(q);
    pthread_mutex_unlock(&q->order);
    return rc;
}

// Name and priority stand in the spec too.
static void edit_row(struct job_row *row, const char *name,
                     const int *priority)
{
    json_t *spec = json_loads(row->spec, 0, NULL);

    if (name) {
        free(row->name);
        row->name = xstrdup(name);
        json_object_set_new(spec, "name", json_string(name));
    }
    if (priority) {
        row->priority = *priority;
        json_object_set_new(spec, "priority", json_integer(*priority));
    }
    free(row->spec);
    row->spec = event_text(spec);
    json_decref(spec);
}

int queue_edit(struct queue *q, int64_t id, const char *name,
               const int *priority, struct error *err)
{
    struct job_row row = { 0 };

    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    int rc = store_job(q->store, id, &row, err);
    if (!rc) {
        edit_row(&row, name, priority);
        rc = queue_save_rows(q, &row, 1, err);
    }
    if (!rc && a)
        queue_take_row(q, a, &row);
    job_row_clear(&row);
    queue_wake(q);
    pthread_mutex_unlock(&q->order);
    return rc;
}

// The order of those that wait.

int64_t queue_rank(const struct active *a)
{
    const json_t *rank = json_object_get(a->summary, "rank");
    return rank ? json_integer_value(rank) : a->row.id;
}

bool queue_goes_first(const struct active *a, const struct active *b)
{
    if (a->row.priority != b->row.priority)
        return a->row.priority > b->row.priority;
    return queue_rank(a) < queue_rank(b);
}

static int by_turn(const void *a, const void *b)
{
    const struct active *x = *(struct active *const *)a;
    const struct active *y = *(struct active *const *)b;
    return queue_goes_first(x, y) ? -1 : 1;
}

int queue_line_up(const struct queue *q, struct active ***out)
{
    int n = 0;

    *out = NULL;
    for (struct active *a = q->jobs; a; a = a->next) {
        if (!is(a, "queued"))
            continue;
        *out = xrealloc(*out, (size_t)(n + 1) * sizeof **out);
        (*out)[n++] = a;
    }
    if (n)
        qsort(*out, (size_t)n, sizeof **out, by_turn);
    return n;
}

struct place { struct active *job; int64_t rank; int priority; };

static int by_rank(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// All that wait, with what has put them there. Caller owns.
static int line_up(const struct queue *q, struct place **out)
{
    struct active **jobs;
    int n = queue_line_up(q, &jobs);

    *out = xcalloc((size_t)n + 1, sizeof **out);
    for (int i = 0; i < n; i++)
        (*out)[i] = (struct place){ jobs[i], queue_rank(jobs[i]),
                                    jobs[i]->row.priority };
    free(jobs);
    return n;
}

// Takes the job at `from` out and puts it in at `to`, with the priority it
// needs there; then the same ranks go to the new order.
static void reorder(struct place *line, int n, int from, int to)
{
    struct place moved = line[from];
    int64_t *ranks = xcalloc((size_t)n, sizeof *ranks);

    memmove(line + from, line + from + 1,
            (size_t)(n - from - 1) * sizeof *line);
    to -= to > from;
    memmove(line + to + 1, line + to, (size_t)(n - to - 1) * sizeof *line);
    if (n > 1)
        moved.priority = to + 1 < n ? line[to + 1].priority
                                    : line[to - 1].priority;
    line[to] = moved;
    for (int i = 0; i < n; i++)
        ranks[i] = line[i].rank;
    qsort(ranks, (size_t)n, sizeof *ranks, by_rank);
    for (int i = 0; i < n; i++)
        line[i].rank = ranks[i];
    free(ranks);
}

// The row of the job with the place that it is to have.
static int read_placed(struct queue *q, const struct place *at,
                       struct job_row *row, struct error *err)
{
    int rc = store_job(q->store, at->job->row.id, row, err);

    if (rc)
        return rc;
    json_t *summary = json_loads(row->summary, 0, NULL);
    json_object_set_new(summary, "rank", json_integer(at->rank));
    free(row->summary);
    row->summary = event_text(summary);
    json_decref(summary);
    edit_row(row, NULL, &at->priority);
    return 0;
}

// All that have another place than before, in one transaction.
static int save_line(struct queue *q, struct place *line, int n,
                     struct error *err)
{
    struct job_row *rows = xcalloc((size_t)n, sizeof *rows);
    int moved = 0, rc = 0;

    for (int i = 0; i < n && !rc; i++) {
        const struct active *a = line[i].job;
        if (queue_rank(a) == line[i].rank &&
            a->row.priority == line[i].priority)
            continue;
        rc = read_placed(q, &line[i], &rows[moved], err);
        line[moved++] = line[i];
    }
    if (!rc)
        rc = queue_save_rows(q, rows, moved, err);
    for (int i = 0; i < moved; i++) {
        struct active *a = line[i].job;
        if (!rc) {
            pthread_mutex_lock(&q->table);
            json_object_set_new(a->summary, "rank", json_integer(line[i].rank));
            pthread_mutex_unlock(&q->table);
            queue_take_row(q, a, &rows[i]);
        }
        job_row_clear(&rows[i]);
    }
    free(rows);
    return rc;
}

static int find_place(const struct place *line, int n, int64_t id)
{
    for (int i = 0; i < n; i++)
        if (line[i].job->row.id == id)
            return i;
    return -1;
}

int queue_move(struct queue *q, int64_t id, int64_t before, struct error *err)
{
    struct place *line;

    pthread_mutex_lock(&q->order);
    int n = line_up(q, &line), rc;
    int from = find_place(line, n, id);
    int to = before == QUEUE_FIRST ? 0
           : before ? find_place(line, n, before) : n;
    if (from < 0) {
        rc = refuse(q, id, "moved", err);
    } else if (to < 0) {
        rc = fail(err, ERR_SPEC, "job %" PRId64 " does not wait", before);
    } else if (to == from) {
        rc = 0;                         // before itself
    } else {
        reorder(line, n, from, to);
        rc = save_line(q, line, n, err);
    }
    free(line);
    pthread_mutex_unlock(&q->order);
    return rc;
}
