#include "daemon/queue_own.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/jobview.h"
#include "daemon/summary.h"

// `waiting` come in before. Under `order`.
static int may_wait(struct queue *q, int waiting, int more, struct error *err)
{
    for (const struct active *a = q->jobs; a; a = a->next)
        waiting += !strcmp(a->row.state, "queued");
    if (waiting + more <= q->limit)
        return 0;
    if (more == 1)
        return fail(err, ERR_LIMIT, "%d jobs are waiting, no more can be taken",
                    waiting);
    return fail(err, ERR_LIMIT, "%d jobs are waiting, %d more are too many: at "
                "most %d may wait", waiting, more, q->limit);
}

// Under `order`.
static int find_after(struct queue *q, const struct job *job, struct error *err)
{
    for (int i = 0; i < job->n_after; i++) {
        struct job_row row = { 0 };
        int rc = store_job(q->store, job->after[i], &row, err);
        job_row_clear(&row);
        if (rc)
            return rc == ERR_NOT_FOUND ? fail(err, ERR_SPEC, "after: there is "
                "no job %" PRId64, job->after[i]) : rc;
    }
    return 0;
}

static void new_row(const struct job *job, struct job_row *row, char **line)
{
    json_t *spec = job_to_json(job), *event = event_new("queued");
    json_t *summary = summary_new(job->train.epochs);

    json_object_set_new(event, "name", json_string(job->name));
    json_object_set(event, "spec", spec);
    *line = event_text(event);
    *row = (struct job_row){
        .name = xstrdup(job->name), .state = xstrdup("queued"),
        .spec = event_text(spec), .summary = event_text(summary),
        .wish = xstrdup(""), .priority = job->priority, .attempt = 1,
        .created = clock_unix_millis() };
    json_decref(event);
    json_decref(spec);
    json_decref(summary);
}

// A job that comes in.
struct fresh { struct job_row row; char *line; struct stored_event stored; };

// Jobs that somebody submits and waits for: whoever is first under `order`
// stores those of all who wait by then, in one transaction.
struct queue_caller {
    const struct job *const *jobs;
    int                n;
    const struct once *once;        // or NULL
    struct fresh      *fresh;       // NULL when it is not to be stored
    int64_t            id;
    bool               answered;
    int                rc;
    struct error       err;
    struct queue_caller *next;
};

static void clear_fresh(struct queue_caller *c)
{
    for (int i = 0; c->fresh && i < c->n; i++) {
        free(c->fresh[i].line);
        free(c->fresh[i].stored.line);
        job_row_clear(&c->fresh[i].row);
    }
    free(c->fresh);
    c->fresh = NULL;
}

// Whether it can be stored together with those from `first` up to it: then its
// rows are made. `more` jobs of theirs are to wait too.
static void prepare(struct queue *q, struct queue_caller *c, int more)
{
    int rc = c->once ? store_once(q->store, c->once, &c->id, &c->err) : 0;

    if (!rc)
        rc = may_wait(q, more, c->n, &c->err);
    for (int i = 0; i < c->n && !rc; i++)
        rc = find_after(q, c->jobs[i], &c->err);
    c->rc = rc;
    c->answered = true;
    if (rc)
        return;
    c->fresh = xcalloc((size_t)c->n, sizeof *c->fresh);
    for (int i = 0; i < c->n; i++)
        new_row(c->jobs[i], &c->fresh[i].row, &c->fresh[i].line);
    c->fresh[0].row.once = c->once;
}

static int add(struct queue *q, struct fresh *f, struct error *err)
{
    int rc = store_add_job(q->store, &f->row, err);

    if (!rc)
        rc = store_append(q->store, f->row.id, f->line, false, &f->stored, err);
    f->row.last_seq = f->stored.seq;
    f->row.once = NULL;
    return rc;
}

static int commit(struct queue *q, struct queue_caller *first,
                  struct error *err)
{
    int rc = store_begin(q->store, err);

    if (rc)
        return rc;
    for (struct queue_caller *c = first; c; c = c->next)
        for (int i = 0; c->fresh && i < c->n && !rc; i++)
            rc = add(q, &c->fresh[i], err);
    return queue_end(q, rc, err);
}

// Puts what was stored into the list, and tells of it.
static void take_in(struct queue *q, struct queue_caller *c)
{
    c->id = c->fresh[0].row.id;
    pthread_mutex_lock(&q->table);
    for (int i = 0; i < c->n; i++)
        queue_insert(q, &c->fresh[i].row);
    pthread_mutex_unlock(&q->table);
    for (int i = 0; i < c->n; i++) {
        c->fresh[i].row = (struct job_row){ 0 };
        log_info("job %" PRId64 ": queued", c->fresh[i].stored.job);
        queue_tell(q, &c->fresh[i].stored);
        c->fresh[i].stored.line = NULL;
    }
}

// Whether another one of the list, before c, has its key: that one is first.
static bool is_repeated(const struct queue_caller *first,
                        const struct queue_caller *c)
{
    for (; c->once && first != c; first = first->next)
        if (first->once && !strcmp(first->once->key, c->once->key))
            return true;
    return false;
}

static void join(struct queue *q, struct queue_caller *c)
{
    struct queue_caller **p = &q->callers;

    pthread_mutex_lock(&q->joining);
    while (*p)
        p = &(*p)->next;
    *p = c;
    pthread_mutex_unlock(&q->joining);
}

// Those who wait now, but for requests that repeat another one of them: those
// wait on. Under `order`.
static struct queue_caller *take_callers(struct queue *q)
{
    struct queue_caller *first, **p = &q->callers, *c;

    pthread_mutex_lock(&q->joining);
    first = q->callers;
    for (c = first; c && !is_repeated(first, c); c = c->next)
        p = &c->next;
    *p = NULL;
    q->callers = c;
    pthread_mutex_unlock(&q->joining);
    return first;
}

// Under `order`.
static void answer_callers(struct queue *q)
{
    struct queue_caller *first = take_callers(q);
    struct error err = { 0 };
    int more = 0;

    for (struct queue_caller *c = first; c; c = c->next) {
        prepare(q, c, more);
        more += c->fresh ? c->n : 0;
    }
    int rc = more ? commit(q, first, &err) : 0;
    for (struct queue_caller *c = first; c; c = c->next) {
        if (c->fresh && rc) {
            c->rc = rc;
            c->err = err;
        } else if (c->fresh) {
            take_in(q, c);
        }
        clear_fresh(c);
    }
    queue_wake(q);
}

int queue_submit_all(struct queue *q, const struct job *const *jobs, int n,
                     const struct once *once, int64_t *id, struct error *err)
{
    struct queue_caller c = { .jobs = jobs, .n = n, .once = once };

    join(q, &c);
    pthread_mutex_lock(&q->order);
    while (!c.answered)
        answer_callers(q);
    pthread_mutex_unlock(&q->order);
    if (c.rc < 0)
        *err = c.err;
    *id = c.id;
    return c.rc;
}

int queue_submit_once(struct queue *q, const struct job *job,
                      const struct once *once, int64_t *id, struct error *err)
{
    return queue_submit_all(q, &job, 1, once, id, err);
}

int queue_submit(struct queue *q, const struct job *job, int64_t *id,
                 struct error *err)
{
    return queue_submit_once(q, job, NULL, id, err);
}

// What to say about a job that is not in the list. Under `order`.
static int not_active(struct queue *q, int64_t id, const char *what,
                      struct error *err)
{
    struct job_row row = { 0 };
    int rc = store_job(q->store, id, &row, err);

    if (!rc)
        rc = fail(err, ERR_STATE, "job %" PRId64 " is %s and cannot be %s", id,
                  row.state, what);
    job_row_clear(&row);
    return rc;
}

int queue_cancel(struct queue *q, int64_t id, struct error *err)
{
    int rc;

    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    if (!a)
        rc = not_active(q, id, "cancelled", err);
    else if (!strcmp(a->row.state, "queued") ||
             !strcmp(a->row.state, "paused"))
        rc = queue_change_own(q, a, event_new("cancelled"), err);
    else
        rc = queue_change_row(q, a, a->row.state, "cancel", err);
    queue_wake(q);
    pthread_mutex_unlock(&q->order);
    return rc;
}

static int may_remove(struct queue *q, int64_t id, struct error *err)
{
    struct active *a = queue_find(q, id);

    if (a)
        return fail(err, ERR_STATE, "job %" PRId64 " is %s and cannot be "
                    "removed; cancel it first", id, a->row.state);
    for (a = q->jobs; a; a = a->next) {
        if (a->init == id && !a->row.started)
            return fail(err, ERR_STATE, "job %" PRId64 " is to start from the "
                        "weights of job %" PRId64, a->row.id, id);
        for (int i = 0; i < a->n_after; i++)
            if (a->after[i] == id)
                return fail(err, ERR_STATE, "job %" PRId64 " waits for job %"
                            PRId64, a->row.id, id);
    }
    return 0;
}

int queue_remove(struct queue *q, int64_t id, struct error *err)
{
    struct job_row row = { 0 };
    int rc;

    pthread_mutex_lock(&q->order);
    rc = may_remove(q, id, err);
    if (!rc)
        rc = store_job(q->store, id, &row, err);
    job_row_clear(&row);
    if (!rc)
        rc = store_begin(q->store, err);
    if (!rc) {
        rc = store_delete_job(q->store, id, err);
        rc = queue_end(q, rc, err);
    }
    if (!rc) {
        char *log = xasprintf("%s/%" PRId64 ".log", q->logs, id);
        records_drop(q->records, id);
        unlink(log);
        free(log);
    }
    pthread_mutex_unlock(&q->order);
    return rc;
}

// The row as it was read from the store, or what is newer. Under `table`, after
// queue_expect().
static json_t *newest(struct queue *q, const struct job_row *row)
{
    const struct active *a = queue_find(q, row->id);
    const json_t *summary = NULL;
    char waits[QUEUE_WAITS];

    if (a && a->row.last_seq >= row->last_seq) {
        row = a->row.last_seq > row->last_seq ? &a->row : row;
        summary = a->summary;
    }
    json_t *job = jobview_make(row, summary);
    bool queued = summary && !strcmp(row->state, "queued");
    json_object_set_new(job, "waiting_for", queued &&
                        queue_waits_for(q, a, waits) ? json_string(waits)
                                                     : json_null());
    json_object_set_new(job, "expected", queue_expected(summary ? a : NULL));
    return job;
}

int queue_job(struct queue *q, int64_t id, json_t **out, struct error *err)
{
    struct job_row row = { 0 };
    int rc = store_job(q->store, id, &row, err);

    if (!rc) {
        pthread_mutex_lock(&q->table);
        queue_expect(q);
        *out = newest(q, &row);
        pthread_mutex_unlock(&q->table);
    }
    job_row_clear(&row);
    return rc;
}

int queue_list(struct queue *q, const char *states, const char *group,
               int64_t before, int limit, json_t **out, struct error *err)
{
    struct job_row *rows = NULL;
    json_t *jobs;

    // One more than asked for tells whether there is a next page.
    int n = store_jobs(q->store, states, group, before, limit + 1, &rows,
                       err);
    if (n < 0)
        return n;
    jobs = json_array();
    pthread_mutex_lock(&q->table);
    queue_expect(q);
    for (int i = 0; i < n && i < limit; i++)
        json_array_append_new(jobs, newest(q, &rows[i]));
    pthread_mutex_unlock(&q->table);
    *out = json_pack("{s:o, s:o}", "jobs", jobs, "next", n > limit
                     ? json_integer(rows[limit - 1].id) : json_null());
    for (int i = 0; i < n; i++)
        job_row_clear(&rows[i]);
    free(rows);
    return 0;
}

json_t *queue_describe(struct queue *q)
{
    int queued = 0, paused = 0, running = 0;

    pthread_mutex_lock(&q->table);
    for (const struct active *a = q->jobs; a; a = a->next) {
        queued += !strcmp(a->row.state, "queued");
        paused += !strcmp(a->row.state, "paused");
        running += !strcmp(a->row.state, "starting") ||
                   !strcmp(a->row.state, "running");
    }
    json_t *all = json_pack("{s:b, s:i, s:i, s:i}", "draining", q->draining,
                            "queued", queued, "paused", paused,
                            "running", running);
    pthread_mutex_unlock(&q->table);
    return all;
}
