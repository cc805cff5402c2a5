#include "worker/tell.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "model/nets.h"

void progress_add(struct progress *p, double loss, int correct, int n)
{
    p->steps++;
    p->images += n;
    p->correct += correct;
    if (isfinite(loss)) {
        p->loss_sum += loss * n;
        p->loss_images += n;
    } else {
        p->nonfinite_steps++;
    }
}

void tell(struct tell *t, json_t *event)
{
    struct error err;

    if (t->gone)
        json_decref(event);
    else
        t->gone = event_write(t->out, event, &err) != 0;
}

static void set_number(json_t *event, const char *key, double x)
{
    json_object_set_new(event, key, event_number(x));
}

static void set_integer(json_t *event, const char *key, int64_t x)
{
    json_object_set_new(event, key, json_integer(x));
}

// File names and messages with them may hold bytes that are not UTF-8, which
// JSON has not: all beyond ASCII is then shown as "?".
static json_t *text_json(const char *text)
{
    json_t *j = json_string(text);

    if (j)
        return j;
    char *plain = xstrdup(text);
    for (char *c = plain; *c; c++)
        if (*c & 0x80)
            *c = '?';
    j = json_string(plain);
    free(plain);
    return j;
}

// Means over the images of the epoch so far.
static void set_means(json_t *event, const struct progress *p)
{
    set_number(event, "loss", p->loss_images ?
               p->loss_sum / (double)p->loss_images : NAN);
    set_number(event, "accuracy", p->images ?
               (double)p->correct / (double)p->images : NAN);
}

bool tell_due(const struct tell *t, double now)
{
    double wait = fmin(fmax(t->cost / TELL_SHARE, TELL_LEAST_S), TELL_MOST_S);
    return now - t->last >= wait;
}

void tell_live(struct tell *t, const struct progress *p, const struct job *job,
               const struct rig *rig, struct record *r)
{
    json_t *e = event_new("live");
    double recorded = record_seconds(r);

    t->last = clock_seconds();
    set_integer(e, "epoch", p->epoch);
    set_integer(e, "epochs", job->train.epochs);
    set_integer(e, "step", p->steps);
    set_integer(e, "steps_per_epoch", rig->steps_per_epoch);
    set_number(e, "images_per_second", p->images_per_second);
    set_means(e, p);
    set_number(e, "eta_seconds", p->eta_seconds);
    json_object_set_new(e, "quantities", record_quantities(r, true));
    tell(t, e);
    t->cost = clock_seconds() - t->last;
    t->spent += t->cost - (record_seconds(r) - recorded);
}

void tell_loading(struct tell *t, int64_t images, int64_t of)
{
    double now = clock_seconds();

    if (now - t->last < TELL_LEAST_S && images < of)
        return;
    t->last = now;
    json_t *e = event_new("loading");
    set_integer(e, "images", images);
    set_integer(e, "of", of);
    tell(t, e);
}

void tell_warning(struct tell *t, const char *code, const char *path,
                  const char *reason)
{
    json_t *e = event_new("warning");

    json_object_set_new(e, "code", json_string(code));
    json_object_set_new(e, "path", path ? text_json(path) : json_null());
    json_object_set_new(e, "reason", text_json(reason));
    tell(t, e);
}

static json_t *layers_json(const struct graph *g)
{
    json_t *out = json_array();
    struct net_layer *layers = NULL;
    int n = net_layers(g, &layers);

    for (int i = 0; i < n; i++) {
        const struct net_layer *l = &layers[i];
        json_array_append_new(out, json_pack(
            "{s:s, s:i, s:b, s:[i,i,i,i]}", "name", l->name,
            "depth", l->depth, "main", (int)l->main, "shape",
            l->out.n, l->out.c, l->out.h, l->out.w));
    }
    free(layers);
    return out;
}

void tell_started(struct tell *t, const struct job *job, const struct rig *rig,
                  int64_t images, int attempt, int resumed_from,
                  const struct device_info *dev)
{
    const struct graph *g = rig->full.graph;
    json_t *e = event_new("started");
    size_t bytes = rig->full.plan->bytes +
                   (rig->tail.plan ? rig->tail.plan->bytes : 0);

    set_integer(e, "attempt", attempt);
    set_integer(e, "resumed_from", resumed_from);
    json_object_set_new(e, "device", json_pack("{s:s, s:i, s:s}",
        "backend", rig->backend->name, "index", rig->ordinal,
        "name", dev->name));
    json_object_set_new(e, "spec", job_to_json(job));
    set_integer(e, "classes", job->model.classes);
    set_integer(e, "images", images);
    set_integer(e, "steps_per_epoch", rig->steps_per_epoch);
    json_object_set_new(e, "parameters", json_pack("{s:I, s:I}",
        "held", (json_int_t)net_parameters(g, false),
        "used", (json_int_t)net_parameters(g, true)));
    set_integer(e, "memory_bytes", (int64_t)bytes);
    json_object_set_new(e, "layers", layers_json(g));
    tell(t, e);
}

void tell_epoch(struct tell *t, const struct progress *p, bool complete,
                double seconds, double recording_share, json_t *quantities,
                json_t *early)
{
    json_t *e = event_new("epoch");

    set_integer(e, "epoch", p->epoch);
    json_object_set_new(e, "complete", json_boolean(complete));
    set_integer(e, "steps", p->steps);
    set_integer(e, "images", p->images);
    set_means(e, p);
    if (p->validation.images)
        json_object_set_new(e, "validation", json_pack("{s:o, s:f, s:I}",
            "loss", event_number(p->validation.loss), "accuracy",
            (double)p->validation.correct / (double)p->validation.images,
            "images", (json_int_t)p->validation.images));
    set_number(e, "images_per_second", (double)p->images / seconds);
    set_number(e, "duration_seconds", seconds);
    set_number(e, "recording_share", recording_share);
    if (p->probe_seconds > 0)
        set_number(e, "probe_seconds", p->probe_seconds);
    set_integer(e, "nonfinite_steps", p->nonfinite_steps);
    json_object_set_new(e, "quantities", quantities);
    if (early)
        json_object_set_new(e, "early", early);
    tell(t, e);
}

void tell_checkpoint(struct tell *t, int epoch, int64_t step, const char *path,
                     int64_t bytes, const char *sha256, json_t *kept)
{
    json_t *e = event_new("checkpoint");

    set_integer(e, "epoch", epoch);
    set_integer(e, "step", step);
    json_object_set_new(e, "path", json_string(path));
    set_integer(e, "bytes", bytes);
    json_object_set_new(e, "sha256", json_string(sha256));
    json_object_set_new(e, "kept", kept);
    tell(t, e);
}

// Takes event.
static void tell_end(struct tell *t, json_t *event, int whole_epochs,
                     double seconds)
{
    set_integer(event, "epochs", whole_epochs);
    set_number(event, "duration_seconds", seconds);
    tell(t, event);
}

void tell_done(struct tell *t, int whole_epochs, double seconds)
{
    json_t *e = event_new("finished");

    json_object_set_new(e, "state", json_string("done"));
    tell_end(t, e, whole_epochs, seconds);
}

void tell_diverged(struct tell *t, const struct progress *p, double loss,
                   int whole_epochs, double seconds)
{
    json_t *e = event_new("finished");
    int64_t step = p->steps - 1;
    char reason[128];

    snprintf(reason, sizeof reason, "the loss of step %" PRId64 " in epoch %d "
             "is %s", step, p->epoch,
             isnan(loss) ? "not a number" : "infinite");
    json_object_set_new(e, "state", json_string("diverged"));
    json_object_set_new(e, "reason", json_string(reason));
    set_integer(e, "epoch", p->epoch);
    set_integer(e, "step", step);
    tell_end(t, e, whole_epochs, seconds);
}

static json_t *failed(const char *code, const char *message)
{
    json_t *e = event_new("failed");
    json_object_set_new(e, "error", json_pack("{s:s, s:o}", "code", code,
                                              "message", text_json(message)));
    return e;
}

void tell_failed(struct tell *t, const char *code, const char *message)
{
    log_error("%s", message);       // a log that says nothing helps nobody
    tell(t, failed(code, message));
}

void tell_bad_spec(struct tell *t, const json_t *problems)
{
    char *message = xstrdup("");
    json_t *row;
    size_t i;

    json_array_foreach(problems, i, row) {
        char *value = event_text(json_object_get(row, "value"));
        char *longer = xasprintf("%s%s%s: %s (got %s)", message, i ? "; " : "",
            json_string_value(json_object_get(row, "pointer")),
            json_string_value(json_object_get(row, "message")), value);
        free(value);
        free(message);
        message = longer;
    }
    json_t *e = failed("spec", message);
    json_object_set_new(json_object_get(e, "error"), "errors",
                        json_deep_copy(problems));
    tell(t, e);
    free(message);
}
