/* daemon/queue_expect.c: when jobs are expected to start and to end.
 *
 * A running job says how long it still takes. One that waits takes as long an
 * epoch as it did itself, or as the newest one did that differs from it only in
 * what costs no time (seed, rate, first weights, how many epochs); else nothing
 * is known, and nothing of what waits behind it. What is told of all this moves
 * only when it has become wrong: whoever asks again has mostly nothing to read.
 */
#include "daemon/queue_own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/mem.h"

static const double SLACK_S = 5, SLACK = 0.02;

char *queue_kind(const char *text)
{
    static const struct { const char *object, *key; } free_of_cost[] = {
        { NULL, "name" },       { NULL, "priority" },   { NULL, "after" },
        { NULL, "checkpoint" }, { "train", "epochs" },  { "train", "seed" },
        { "train", "lr" },      { "train", "momentum" },
        { "train", "weight_decay" }, { "train", "schedule" },
        { "train", "warmup_epochs" }, { "train", "on_nonfinite" },
        { "model", "init" },
    };
    json_t *spec = json_loads(text, 0, NULL);

    for (size_t i = 0; i < sizeof free_of_cost / sizeof *free_of_cost; i++) {
        const char *object = free_of_cost[i].object;
        json_object_del(object ? json_object_get(spec, object) : spec,
                        free_of_cost[i].key);
    }
    char *kind = event_text(spec);
    json_decref(spec);
    return kind;
}

void queue_note_epoch(struct queue *q, const char *kind, const json_t *summary)
{
    const json_t *seconds = json_object_get(summary, "epoch_seconds");
    int i = 0;

    if (!json_is_number(seconds))
        return;
    while (i < QUEUE_PACES && q->paces[i].kind &&
           strcmp(q->paces[i].kind, kind) != 0)
        i++;
    // A full table forgets in turn.
    if (i == QUEUE_PACES)
        i = q->next_pace++ % QUEUE_PACES;
    free(q->paces[i].kind);
    q->paces[i] = (struct pace){ xstrdup(kind), json_number_value(seconds) };
}

// NAN when it is not known.
static double epoch_seconds(const struct queue *q, const struct active *a)
{
    const json_t *own = json_object_get(a->summary, "epoch_seconds");
    double seconds = NAN;

    if (json_is_number(own))
        return json_number_value(own);
    for (int i = 0; i < QUEUE_PACES && q->paces[i].kind; i++)
        if (!strcmp(q->paces[i].kind, a->kind))
            seconds = q->paces[i].epoch_seconds;
    return seconds;
}

static double seconds_left(const struct queue *q, const struct active *a)
{
    const json_t *progress = json_object_get(a->summary, "progress");
    json_int_t epochs = json_integer_value(json_object_get(progress,
                                                           "epochs"));
    json_int_t whole = json_integer_value(json_object_get(a->summary,
                                                          "whole_epochs"));
    return (double)(epochs - whole) * epoch_seconds(q, a);
}

// When a job that has a device ends.
static double running_end(const struct queue *q, const struct active *a,
                          double now)
{
    const json_t *progress = json_object_get(a->summary, "progress");
    const json_t *eta = json_object_get(progress, "eta_seconds");

    if (json_is_number(eta) && a->told)
        return (double)a->told / 1000 + json_number_value(eta);
    return now + seconds_left(q, a);
}

// Of the devices that fit, the one that is free first: its index, or -1 when
// that cannot be told.
static int first_free(const struct queue *q, const struct active *a,
                      const double *free_at)
{
    int best = -1;

    for (int i = 0; i < q->n_devices; i++)
        if (queue_fits(q, a, &q->devices[i]) && !isnan(free_at[i]) &&
            (best < 0 || free_at[i] < free_at[best]))
            best = i;
    return best;
}

// Not before the jobs that it waits for. NAN when their end is not known.
static double not_before(const struct queue *q, const struct active *a,
                         double start)
{
    for (int i = 0; i < a->n_after; i++) {
        const struct active *other = queue_find(q, a->after[i]);
        if (other && isnan(other->ends))
            return NAN;
        if (other)
            start = fmax(start, other->ends);
    }
    return start;
}

static void place_waiting(struct queue *q, struct active *a, double *free_at)
{
    int i = q->draining || q->no_room ? -1 : first_free(q, a, free_at);

    if (i < 0)
        return;
    a->starts = not_before(q, a, free_at[i]);
    a->ends = a->starts + seconds_left(q, a);
    free_at[i] = a->ends;
}

// Guesses move all the time, what is told does not: it stays until it is wrong
// by more than a part of the time until then. NAN = not known.
static double steady(double told, double expected, double now)
{
    double slack = fmax(SLACK_S, SLACK * (expected - now));

    return fabs(told - expected) <= slack ? told : round(expected);
}

void queue_expect(struct queue *q)
{
    double now = (double)clock_unix_millis() / 1000;
    double free_at[QUEUE_DEVICES];
    struct active **line = NULL;
    int n = 0;

    for (struct active *a = q->jobs; a; a = a->next)
        a->starts = a->ends = NAN;
    for (int i = 0; i < q->n_devices; i++) {
        struct active *a = queue_find(q, q->devices[i].job);
        free_at[i] = now;
        if (a)
            free_at[i] = a->ends = running_end(q, a, now);
    }
    n = queue_line_up(q, &line);
    for (int i = 0; i < n; i++)
        place_waiting(q, line[i], free_at);
    free(line);
    for (struct active *a = q->jobs; a; a = a->next) {
        a->told_start = steady(a->told_start, a->starts, now);
        a->told_end = steady(a->told_end, a->ends, now);
    }
}

static json_t *time_or_null(double seconds)
{
    char text[CLOCK_TEXT];

    if (isnan(seconds))
        return json_null();
    clock_text((int64_t)(1000 * seconds), text);
    return json_string(text);
}

json_t *queue_expected(const struct active *a)
{
    return json_pack("{s:o, s:o}", "start_at",
                     time_or_null(a ? a->told_start : NAN), "end_at",
                     time_or_null(a ? a->told_end : NAN));
}
