#include "daemon/queue_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/mem.h"
#include "daemon/summary.h"

// What the jobs that a job waits for let it do.
enum verdict { MAY_START, MUST_WAIT, CANNOT };

// `why` is filled for CANNOT.
static enum verdict judge(struct queue *q, const struct active *a, char *why,
                          size_t size)
{
    for (int i = 0; i < a->n_after; i++) {
        struct job_row row = { 0 };
        struct error err = { 0 };
        bool done;
        if (queue_find(q, a->after[i]))
            return MUST_WAIT;
        store_job(q->store, a->after[i], &row, &err);
        done = row.state && !strcmp(row.state, "done");
        if (!done)
            snprintf(why, size, "job %" PRId64 ", which had to be done before,"
                     " %s%s", a->after[i], row.state ? "is " : "was removed",
                     row.state ? row.state : "");
        job_row_clear(&row);
        if (!done)
            return CANNOT;
    }
    return MAY_START;
}

static bool is_queued(const struct active *a)
{
    return !strcmp(a->row.state, "queued");
}

static int change_failed(struct queue *q, struct active *a, const char *code,
                         const char *message, struct error *err)
{
    json_t *event = event_new("failed");

    json_object_set_new(event, "error", json_pack("{s:s, s:s}", "code", code,
                                                  "message", message));
    return queue_change_own(q, a, event, err);
}

// Fails jobs whose `after` cannot come true any more, and those that wait for
// them in turn: ids only refer to older jobs, so one walk by id is enough.
static int fail_hopeless(struct queue *q, struct error *err)
{
    char why[200];
    int rc = 0;

    for (struct active *a = q->jobs, *next; a && !rc; a = next) {
        next = a->next;
        if (is_queued(a) && judge(q, a, why, sizeof why) == CANNOT)
            rc = change_failed(q, a, "dependency", why, err);
    }
    return rc;
}

// The highest priority first, then the order that people gave, then the oldest;
// of those, the first whose device is free.
static struct active *choose(struct queue *q)
{
    struct active *best = NULL;
    char why[200];

    if (q->draining || q->no_room)
        return NULL;
    for (struct active *a = q->jobs; a; a = a->next)
        if (is_queued(a) && (!best || queue_goes_first(a, best)) &&
            queue_free_device(q, a) &&
            judge(q, a, why, sizeof why) == MAY_START)
            best = a;
    return best;
}

static void fill_start(const struct active *a, const struct device *d,
                       struct queue_start *start)
{
    *start = (struct queue_start){
        .id = a->row.id, .spec = xstrdup(a->row.spec),
        .attempt = a->row.attempt,
        .recorded = summary_whole_epochs(a->summary),
        .checkpoints = json_deep_copy(json_object_get(a->summary,
                                                      "checkpoints")),
        .init = a->init,
    };
    // Where the spec leaves it open.
    if (!strcmp(a->device, "auto") || !strcmp(a->device, "cuda"))
        snprintf(start->device, sizeof start->device, "%s", d->name);
}

int queue_next(struct queue *q, struct queue_start *start, struct error *err)
{
    struct active *a = NULL;

    pthread_mutex_lock(&q->order);
    int rc = fail_hopeless(q, err);
    if (!rc)
        a = choose(q);
    if (a)
        rc = queue_change_row(q, a, "starting", "", err);
    if (a && !rc) {
        pthread_mutex_lock(&q->table);
        struct device *d = queue_free_device(q, a);
        d->job = a->row.id;
        a->told = 0;
        pthread_mutex_unlock(&q->table);
        fill_start(a, d, start);
        rc = 1;
    }
    pthread_mutex_unlock(&q->order);
    return rc;
}

void queue_start_clear(struct queue_start *start)
{
    free(start->spec);
    json_decref(start->checkpoints);
    *start = (struct queue_start){ 0 };
}

static bool wants(struct queue *q, int64_t id, const char *wish)
{
    pthread_mutex_lock(&q->table);
    const struct active *a = queue_find(q, id);
    bool it_does = a && !strcmp(a->row.wish, wish);
    pthread_mutex_unlock(&q->table);
    return it_does;
}

bool queue_wants_cancel(struct queue *q, int64_t id)
{
    return wants(q, id, "cancel");
}

bool queue_wants_pause(struct queue *q, int64_t id)
{
    return wants(q, id, "pause");
}

int queue_events(struct queue *q, int64_t id, const struct queue_said *said,
                 int n, struct error *err)
{
    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    int rc = a ? queue_change(q, a, said, n, err) : 0;
    pthread_mutex_unlock(&q->order);
    return rc;
}

int queue_fail(struct queue *q, int64_t id, const char *code,
               const char *message, struct error *err)
{
    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    int rc = a ? change_failed(q, a, code, message, err) : 0;
    pthread_mutex_unlock(&q->order);
    return rc;
}

int queue_end_cancelled(struct queue *q, int64_t id, struct error *err)
{
    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    int rc = a ? queue_change_own(q, a, event_new("cancelled"), err) : 0;
    pthread_mutex_unlock(&q->order);
    return rc;
}

int queue_set_paused(struct queue *q, int64_t id, struct error *err)
{
    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    int rc = a ? queue_change_own(q, a, event_new("paused"), err) : 0;
    pthread_mutex_unlock(&q->order);
    return rc;
}

int queue_interrupt(struct queue *q, int64_t id, const char *reason,
                    const char *why, struct error *err)
{
    int rc = 0;

    pthread_mutex_lock(&q->order);
    struct active *a = queue_find(q, id);
    if (a && strcmp(reason, "no_space") &&
        summary_deaths(a->summary) + 1 >= QUEUE_DEATHS) {
        rc = change_failed(q, a, "worker_died", why, err);
    } else if (a) {
        json_t *event = event_new("interrupted");
        json_object_set_new(event, "reason", json_string(reason));
        json_object_set_new(event, "message", json_string(why));
        rc = queue_change_own(q, a, event, err);
    }
    pthread_mutex_unlock(&q->order);
    return rc;
}
