#include "client/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "common/job.h"
#include "common/mem.h"

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = text && *text ? xstrdup(text) : NULL;
}

static void set_state(struct run *run, const char *state)
{
    snprintf(run->state, sizeof run->state, "%s", state);
}

static void set_number(double *to, const json_t *event, const char *key)
{
    if (json_object_get(event, key))
        *to = api_number(event, key);
}

static struct run_layer *layer(struct run *run, const char *name)
{
    for (int i = 0; i < run->n_layers; i++)
        if (!strcmp(run->layers[i].name, name))
            return &run->layers[i];
    run->layers = xrealloc(run->layers, (size_t)(run->n_layers + 1) *
                                        sizeof *run->layers);
    struct run_layer *l = &run->layers[run->n_layers++];
    *l = (struct run_layer){.name = xstrdup(name), .median = NAN};
    return l;
}

static void drop_layers(struct run *run)
{
    for (int i = 0; i < run->n_layers; i++)
        free(run->layers[i].name);
    free(run->layers);
    run->layers = NULL;
    run->n_layers = 0;
}

static void take_record(struct run_layer *l, const json_t *record)
{
    const json_t *hist = json_object_get(json_object_get(record, "hist"),
                                         "decade8");
    const json_t *counts = json_object_get(hist, "counts");
    json_int_t first = json_integer_value(json_object_get(hist, "first"));
    const json_t *count;
    size_t i;

    l->recorded = true;
    l->median = api_number(record, "median");
    memset(l->counts, 0, sizeof l->counts);
    json_array_foreach(counts, i, count) {
        json_int_t at = first + (json_int_t)i;
        if (at >= 0 && at < RUN_BINS && json_number_value(count) > 0)
            l->counts[at] = json_number_value(count);
    }
}

// Of grad_out, or of the first quantity there is.
static void take_records(struct run *run, const json_t *event)
{
    const json_t *all = json_object_get(event, "quantities");
    const json_t *records = json_object_get(all, "grad_out"), *record;
    const char *name;

    if (!records)
        records = json_object_iter_value(json_object_iter((json_t *)all));
    json_object_foreach((json_t *)records, name, record)
        take_record(layer(run, name), record);
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
    drop_layers(run);
    json_array_foreach(json_object_get(event, "layers"), i, l)
        layer(run, api_text(l, "name"));
}

static void on_loading(struct run *run, const json_t *event)
{
    set_state(run, "loading");
    set_number(&run->loaded, event, "images");
    set_number(&run->to_load, event, "of");
}

static void on_progress(struct run *run, const json_t *event)
{
    run->epoch = (int)json_integer_value(json_object_get(event, "epoch"));
    set_state(run, "running");
    set_number(&run->images_per_second, event, "images_per_second");
    set_number(&run->loss, event, "loss");
    set_number(&run->accuracy, event, "accuracy");
    take_records(run, event);
}

static void on_live(struct run *run, const json_t *event)
{
    on_progress(run, event);
    run->epochs = (int)json_integer_value(json_object_get(event, "epochs"));
    set_number(&run->step, event, "step");
    set_number(&run->steps_per_epoch, event, "steps_per_epoch");
    set_number(&run->eta_seconds, event, "eta_seconds");
}

static void on_epoch(struct run *run, const json_t *event)
{
    on_progress(run, event);
    set_number(&run->step, event, "steps");
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
    drop_layers(run);
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

static bool is_notebook(const char *name)
{
    for (int i = 0; job_notebook_layers[i]; i++)
        if (!strcmp(job_notebook_layers[i], name))
            return true;
    return false;
}

int run_layers(const struct run *run, int *indices)
{
    for (int notebook = 1; notebook >= 0; notebook--) {
        int n = 0;
        for (int i = 0; i < run->n_layers; i++)
            if (run->layers[i].recorded &&
                (!notebook || is_notebook(run->layers[i].name)))
                indices[n++] = i;
        if (n)
            return n;
    }
    return 0;
}

bool run_range(const struct run *run, const int *indices, int n,
               double *low, double *high)
{
    int least = RUN_BINS, most = -1;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < RUN_BINS; k++)
            if (run->layers[indices[i]].counts[k] > 0) {
                least = k < least ? k : least;
                most = k > most ? k : most;
            }
    *low = run_edge(least);
    *high = run_edge(most + 1);
    return most >= 0;
}
