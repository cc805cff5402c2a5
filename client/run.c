#include "client/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/text.h"
#include "common/job.h"
#include "common/mem.h"

enum { FEW = 6 };              // layers, unless all are asked for
#define STAYED 1.25             // a median within this factor has

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text && *text ? xstrdup(text) : NULL;
}

static void set_state(struct run *run, const char *state)
{
    char *clean = text_clean(state, false);

    snprintf(run->state, sizeof run->state, "%s", clean);
    free(clean);
}

static void set_number(double *to, const json_t *event, const char *key)
{
    if (json_object_get(event, key))
        *to = api_number(event, key);
}

// The index of a name that is there, or comes in as the last.
static int index_of(char ***names, int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (!strcmp((*names)[i], name))
            return i;
    *names = xrealloc(*names, (size_t)(*n + 1) * sizeof **names);
    (*names)[*n] = xstrdup(name);
    return (*n)++;
}

static void drop_names(char ***names, int *n)
{
    for (int i = 0; i < *n; i++)
        free((*names)[i]);
    free(*names);
    *names = NULL;
    *n = 0;
}

static void drop_rows(struct run_epoch *e)
{
    for (int i = 0; i < e->n_rows; i++)
        free(e->rows[i].counts);
    free(e->rows);
    e->rows = NULL;
    e->n_rows = 0;
}

// What an earlier attempt had of an epoch is made again.
static void drop_partial(struct run *run)
{
    if (run->n_history && !run->history[run->n_history - 1].whole)
        drop_rows(&run->history[--run->n_history]);
}

static struct run_epoch *enter_epoch(struct run *run, int number)
{
    if (run->n_history && run->history[run->n_history - 1].number == number) {
        drop_rows(&run->history[run->n_history - 1]);
        return &run->history[run->n_history - 1];
    }
    drop_partial(run);
    if (run->n_history == RUN_EPOCHS) {
        drop_rows(&run->history[0]);
        memmove(run->history, run->history + 1,
                (RUN_EPOCHS - 1) * sizeof *run->history);
        run->n_history--;
    }
    run->history = xrealloc(run->history, (size_t)(run->n_history + 1) *
                                          sizeof *run->history);
    struct run_epoch *e = &run->history[run->n_history++];
    *e = (struct run_epoch){.number = number};
    return e;
}

static void take_record(struct run_row *row, const json_t *record)
{
    const json_t *hist = json_object_get(json_object_get(record, "hist"),
                                         "decade8");
    const json_t *counts = json_object_get(hist, "counts");
    json_int_t first = json_integer_value(json_object_get(hist, "first"));
    size_t n = json_array_size(counts);

    row->median = api_number(record, "median");
    if (first < 0 || first >= RUN_BINS || n > (size_t)(RUN_BINS - first))
        return;
    row->first = (int)first;
    row->n = (int)n;
    row->counts = xcalloc(n + 1, sizeof *row->counts);
    for (size_t i = 0; i < n; i++) {
        double count = json_number_value(json_array_get(counts, i));
        row->counts[i] = count > 0 ? (float)count : 0;
    }
}

static void take_records(struct run *run, const json_t *event, bool whole)
{
    const json_t *all = json_object_get(event, "quantities"), *records;
    struct run_epoch *e = enter_epoch(run, run->epoch);
    const json_t *record;
    const char *quantity, *name;

    e->whole = whole;
    json_object_foreach((json_t *)all, quantity, records)
        json_object_foreach((json_t *)records, name, record) {
            e->rows = xrealloc(e->rows, (size_t)(e->n_rows + 1) *
                                        sizeof *e->rows);
            struct run_row *row = &e->rows[e->n_rows++];
            *row = (struct run_row){
                .quantity = index_of(&run->quantities, &run->n_quantities,
                                     quantity),
                .layer = index_of(&run->layers, &run->n_layers, name)};
            take_record(row, record);
        }
}

// Every second one goes when there is no room.
static void take_loss(struct run *run, double epochs)
{
    if (!isfinite(run->loss) || !isfinite(epochs))
        return;
    if (run->n_losses == RUN_LOSSES) {
        run->n_losses /= 2;
        for (int i = 0; i < run->n_losses; i++)
            run->losses[i] = run->losses[2 * i];
    }
    run->losses[run->n_losses++] = (struct run_loss){epochs, run->loss};
}

static void on_queued(struct run *run, const json_t *event)
{
    set_text(&run->name, api_text(event, "name"));
    set_state(run, "queued");
}

static void on_started(struct run *run, const json_t *event)
{
    const json_t *device = json_object_get(event, "device");
    const json_t *spec = json_object_get(event, "spec"), *l;
    const char *name = api_text(device, "name");
    const char *backend = api_text(device, "backend");
    size_t i;

    set_text(&run->name, api_text(spec, "name"));
    free(run->device);
    run->device = *name ? xasprintf("%s (%s)", backend, name)
                        : xstrdup(backend);
    set_state(run, "running");
    set_text(&run->reason, NULL);       // of an earlier attempt
    run->epoch = 0;
    run->epochs = (int)json_integer_value(
        json_object_get(json_object_get(spec, "train"), "epochs"));
    run->images_per_second = run->eta_seconds = run->loss = run->accuracy = NAN;
    run->to_load = run->step = 0;
    set_number(&run->steps_per_epoch, event, "steps_per_epoch");
    set_number(&run->images, event, "images");
    set_number(&run->parameters, json_object_get(event, "parameters"), "held");
    drop_partial(run);
    json_array_foreach(json_object_get(event, "layers"), i, l)
        index_of(&run->layers, &run->n_layers, api_text(l, "name"));
}

static void on_loading(struct run *run, const json_t *event)
{
    set_state(run, "loading");
    set_number(&run->loaded, event, "images");
    set_number(&run->to_load, event, "of");
}

static void on_progress(struct run *run, const json_t *event, bool whole)
{
    run->epoch = (int)json_integer_value(json_object_get(event, "epoch"));
    set_state(run, "running");
    set_number(&run->images_per_second, event, "images_per_second");
    set_number(&run->loss, event, "loss");
    set_number(&run->accuracy, event, "accuracy");
    take_records(run, event, whole);
}

static void on_live(struct run *run, const json_t *event)
{
    on_progress(run, event, false);
    run->epochs = (int)json_integer_value(json_object_get(event, "epochs"));
    set_number(&run->step, event, "step");
    set_number(&run->steps_per_epoch, event, "steps_per_epoch");
    set_number(&run->eta_seconds, event, "eta_seconds");
    take_loss(run, run->epoch - 1 + run->step / run->steps_per_epoch);
}

static void on_epoch(struct run *run, const json_t *event)
{
    on_progress(run, event, true);
    set_number(&run->step, event, "steps");
    take_loss(run, run->epoch);
}

static void on_warning(struct run *run, const json_t *event)
{
    const char *path = api_text(event, "path");
    const char *reason = api_text(event, "reason");

    run->warnings++;
    free(run->warning);
    run->warning = xasprintf("%s%s%s", path, *path ? ": " : "",
                             *reason ? reason : api_text(event, "code"));
}

static void on_interrupted(struct run *run, const json_t *event)
{
    set_state(run, "interrupted");
    set_text(&run->reason, api_text(event, "reason"));
}

static void on_paused(struct run *run, const json_t *event)
{
    (void)event;
    set_state(run, "paused");
}

static void on_resumed(struct run *run, const json_t *event)
{
    (void)event;
    set_text(&run->reason, NULL);
    set_state(run, "running");
}

static void on_finished(struct run *run, const json_t *event)
{
    set_state(run, api_text(event, "state"));
    set_text(&run->reason, api_text(event, "reason"));
    run->eta_seconds = NAN;
}

static void on_failed(struct run *run, const json_t *event)
{
    set_state(run, "failed");
    set_text(&run->reason, api_text(json_object_get(event, "error"),
                                    "message"));
}

static void on_cancelled(struct run *run, const json_t *event)
{
    (void)event;
    set_state(run, "cancelled");
}

static const struct {
    const char *type;
    void      (*apply)(struct run *run, const json_t *event);
} rows[] = {
    {"queued", on_queued},     {"started", on_started},
    {"loading", on_loading},   {"live", on_live},
    {"epoch", on_epoch},       {"warning", on_warning},
    {"paused", on_paused},     {"resumed", on_resumed},
    {"interrupted", on_interrupted}, {"finished", on_finished},
    {"failed", on_failed},     {"cancelled", on_cancelled},
};

void run_apply(struct run *run, const json_t *event)
{
    const char *type = api_text(event, "type");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].type, type))
            rows[i].apply(run, event);
}

void run_clear(struct run *run)
{
    for (int i = 0; i < run->n_history; i++)
        drop_rows(&run->history[i]);
    free(run->history);
    drop_names(&run->layers, &run->n_layers);
    drop_names(&run->quantities, &run->n_quantities);
    free(run->name);
    free(run->device);
    free(run->reason);
    free(run->warning);
    *run = (struct run){0};
}

bool run_is_done(const struct run *run)
{
    return !strcmp(run->state, "done");
}

/* ---- questions ---- */

const struct run_row *run_find(const struct run *run, int epoch, int quantity,
                               int layer)
{
    if (epoch < 0 || epoch >= run->n_history)
        return NULL;
    const struct run_epoch *e = &run->history[epoch];
    for (int i = 0; i < e->n_rows; i++)
        if (e->rows[i].quantity == quantity && e->rows[i].layer == layer)
            return &e->rows[i];
    return NULL;
}

static bool is_notebook(const char *name)
{
    for (int i = 0; job_notebook_layers[i]; i++)
        if (!strcmp(job_notebook_layers[i], name))
            return true;
    return false;
}

int run_layers(const struct run *run, int epoch, int quantity, bool all,
               int *indices)
{
    int n = 0, few = 0;

    for (int i = 0; i < run->n_layers; i++)
        if (run_find(run, epoch, quantity, i))
            indices[n++] = i;
    if (all)
        return n;
    for (int i = 0; i < n; i++)
        few += is_notebook(run->layers[indices[i]]);
    if (few && (few >= FEW / 2 || n <= FEW)) {
        int k = 0;
        for (int i = 0; i < n; i++)
            if (is_notebook(run->layers[indices[i]]))
                indices[k++] = indices[i];
        return few;
    }
    if (n > FEW) {
        for (int i = 0; i < FEW; i++)
            indices[i] = indices[i * (n - 1) / (FEW - 1)];
        n = FEW;
    }
    return n;
}

bool run_range(const struct run *run, int epoch, int quantity,
               const int *indices, int n, double *low, double *high)
{
    int least = RUN_BINS, most = -1;

    for (int i = 0; i < n; i++) {
        const struct run_row *row = run_find(run, epoch, quantity, indices[i]);
        for (int k = 0; row && k < row->n; k++)
            if (row->counts[k] > 0) {
                int bin = row->first + k;
                least = bin < least ? bin : least;
                most = bin > most ? bin : most;
            }
    }
    *low = run_edge(least);
    *high = run_edge(most + 1);
    return most >= 0;
}

bool run_trend(const struct run *run, int epoch, const struct run_row *row,
               int *trend)
{
    const struct run_row *before = run_find(run, epoch - 1, row->quantity,
                                            row->layer);

    if (!before || !(before->median > 0) || !(row->median > 0))
        return false;
    double ratio = row->median / before->median;
    *trend = ratio > STAYED ? 1 : ratio < 1 / STAYED ? -1 : 0;
    return true;
}

bool run_losses(const struct run *run, double *means, int n)
{
    double most = 0, last;
    int *counts;

    if (!run->n_losses)
        return false;
    for (int i = 0; i < run->n_losses; i++)
        most = fmax(most, run->losses[i].epochs);
    counts = xcalloc((size_t)n, sizeof *counts);
    for (int i = 0; i < n; i++)
        means[i] = 0;
    for (int i = 0; i < run->n_losses; i++) {
        double share = most > 0 ? run->losses[i].epochs / most : 0;
        int at = (int)fmin(fmax(share * n, 0), n - 1);
        means[at] += run->losses[i].loss;
        counts[at]++;
    }
    last = run->losses[0].loss;
    for (int i = 0; i < n; i++)
        last = means[i] = counts[i] ? means[i] / counts[i] : last;
    free(counts);
    return true;
}
