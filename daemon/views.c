/* daemon/views.c: gradients and metrics; the list of views. histograms and
 * profile have files of their own.
 */
#include "daemon/views.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/event.h"
#include "common/mem.h"
#include "daemon/view_pick.h"

const struct view_row view_rows[VIEW_COUNT] = {
    [VIEW_GRADIENTS]  = { "gradients",  view_gradients },
    [VIEW_HISTOGRAMS] = { "histograms", view_histograms },
    [VIEW_PROFILE]    = { "profile",    view_profile },
    [VIEW_METRICS]    = { "metrics",    view_metrics },
    [VIEW_VERDICT]    = { "verdict",    view_verdict },
    [VIEW_COMPARE]    = { "compare",    NULL },
    [VIEW_GROUP]      = { "group",      NULL },
    [VIEW_PROBE]      = { "probe",      view_probe },
};

/* ---- gradients ---- */

static json_t *record_json(const struct record *r)
{
    json_t *samples = json_array();
    for (int i = 0; i < r->n_samples; i++)
        json_array_append_new(samples, event_number(r->samples[i]));
    json_t *out = json_pack("{s:I, s:I, s:I, s:o}",
        "count", (json_int_t)r->count,
        "nonfinite", (json_int_t)r->nonfinite,
        "zeros", (json_int_t)r->zeros, "samples", samples);
    for (int s = 0; s < STAT_COUNT; s++)
        json_object_set_new(out, stat_names[s], event_number(r->stats[s]));
    return out;
}

static json_t *epoch_json(const struct history *h, const struct view_pick *p,
                          const struct history_epoch *e)
{
    json_t *layers = json_object();
    for (int i = 0; i < p->n; i++) {
        const struct record *r = history_record(e, p->series[i]);
        if (r)
            json_object_set_new(layers, h->series[p->series[i]].layer,
                                record_json(r));
    }
    return json_pack("{s:i, s:b, s:I, s:o}", "epoch", e->epoch,
                     "complete", e->complete, "steps", (json_int_t)e->steps,
                     "layers", layers);
}

json_t *view_gradients(const struct history *h, const struct view_query *q,
                       struct error *err)
{
    struct view_pick p;
    json_t *out = NULL;

    if (view_pick(&p, h, q, err))
        goto done;
    json_t *names = json_array(), *epochs = json_array();
    for (int i = 0; i < p.n; i++)
        json_array_append_new(names,
                              json_string(h->series[p.series[i]].layer));
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            json_array_append_new(epochs,
                                  epoch_json(h, &p, history_epoch(h, i)));
    out = json_pack("{s:I, s:s, s:o, s:o}", "job", (json_int_t)q->job,
                    "quantity", job_quantity_names[p.quantity],
                    "layers", names, "epochs", epochs);
done:
    view_pick_clear(&p);
    return out;
}

/* ---- metrics ---- */

static json_t *metrics_epoch(const struct history_epoch *e)
{
    json_t *validation = e->validated
        ? json_pack("{s:o, s:o}", "loss", event_number(e->validation_loss),
                    "accuracy", event_number(e->validation_accuracy))
        : json_null();

    return json_pack("{s:i, s:b, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}",
        "epoch", e->epoch, "complete", e->complete,
        "loss", event_number(e->loss), "accuracy", event_number(e->accuracy),
        "nonfinite_steps", (json_int_t)e->nonfinite_steps,
        "validation", validation,
        "images_per_second", event_number(e->images_per_second),
        "recording_share", event_number(e->recording_share),
        "duration_seconds", event_number(e->duration_seconds),
        "time", *e->time ? json_string(e->time) : json_null());
}

json_t *view_metrics(const struct history *h, const struct view_query *q,
                     struct error *err)
{
    (void)err;
    json_t *epochs = json_array();
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            json_array_append_new(epochs, metrics_epoch(history_epoch(h, i)));
    json_t *out = json_pack("{s:I, s:o}", "job", (json_int_t)q->job,
                            "epochs", epochs);
    if (!q->steps)
        return out;
    json_t *steps = json_array();
    for (int i = 0; i < h->n_early; i++)
        json_array_append_new(steps, json_pack("{s:i, s:I, s:o}", "epoch", 1,
            "step", (json_int_t)h->early[i].step,
            "loss", event_number(h->early[i].loss)));
    json_object_set_new(out, "steps", steps);
    return out;
}
