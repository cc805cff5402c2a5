/* daemon/views_profile.c: how norms change from layer to layer.
 *
 * The slope is the least-squares line of log10(median) over depth, through the
 * convolutions of the main path (no downsample, no fc) whose median is finite
 * and not zero. Its sign is turned so that a factor above 1 means: grows
 * towards the input. low and high bound factor_per_layer at 95 %, by Student's
 * t with n - 2 degrees of freedom on the standard error of the line.
 */
#include "daemon/views.h"

#include <math.h>
#include <stdlib.h>
#include "common/event.h"
#include "common/mem.h"
#include "daemon/fit.h"
#include "daemon/view_pick.h"

struct points { double *depth, *decades; int n; };

static void add_point(struct points *to, const struct series *s, double value)
{
    if (!s->main || !isfinite(value) || value <= 0)
        return;
    to->depth[to->n] = s->depth;
    to->decades[to->n++] = log10(value);
}

static json_t *slope_json(struct points *at)
{
    struct fit f = fit_line(at->depth, at->decades, at->n);
    double decades = 0 - f.slope;       // not -f.slope, which may be -0
    double off = f.n > 2 ? fit_t95(f.n - 2) * f.error : NAN;
    at->n = 0;                          // the next slope starts anew
    return json_pack("{s:o, s:o, s:o, s:o, s:o}",
        "factor_per_layer", event_number(pow(10, decades)),
        "decades_per_layer", event_number(decades),
        "low", event_number(pow(10, decades - off)),
        "high", event_number(pow(10, decades + off)),
        "r2", event_number(f.r2));
}

static json_t *layer_json(const struct series *s, const struct record *r)
{
    static const enum statistic stats[] = { STAT_MEDIAN, STAT_P05, STAT_P25,
                                       STAT_P75, STAT_P95 };
    json_t *out = json_pack("{s:s, s:i}", "layer", s->layer, "depth", s->depth);
    for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++)
        json_object_set_new(out, stat_names[stats[i]],
                            event_number(r->stats[stats[i]]));
    return out;
}

static json_t *epoch_json(const struct history *h, const struct view_pick *p,
                          const struct history_epoch *e, struct points *points)
{
    json_t *layers = json_array();
    for (int i = 0; i < p->n; i++) {
        const struct series *s = &h->series[p->series[i]];
        const struct record *r = history_record(e, p->series[i]);
        if (!r)
            continue;
        json_array_append_new(layers, layer_json(s, r));
        add_point(points, s, r->stats[STAT_MEDIAN]);
    }
    return json_pack("{s:i, s:b, s:o, s:o}", "epoch", e->epoch,
                     "complete", e->complete, "layers", layers,
                     "slope", slope_json(points));
}

static json_t *early_json(const struct history *h, const struct view_pick *p,
                          const struct early_step *e, struct points *points)
{
    json_t *layers = json_array();
    for (int i = 0; i < p->n && p->series[i] < e->n_values; i++) {
        const struct series *s = &h->series[p->series[i]];
        double value = e->values[p->series[i]];
        json_array_append_new(layers, json_pack("{s:s, s:i, s:o}",
            "layer", s->layer, "depth", s->depth,
            "value", event_number(value)));
        add_point(points, s, value);
    }
    return json_pack("{s:I, s:o, s:o, s:o}", "step", (json_int_t)e->step,
                     "loss", event_number(e->loss), "layers", layers,
                     "slope", slope_json(points));
}

json_t *view_profile(const struct history *h, const struct view_query *q,
                     struct error *err)
{
    struct view_pick p;
    struct points points = { 0 };
    json_t *out = NULL;

    if (view_pick(&p, h, q, err))
        goto done;
    points.depth = xcalloc((size_t)p.n, sizeof *points.depth);
    points.decades = xcalloc((size_t)p.n, sizeof *points.decades);
    json_t *epochs = json_array(), *early = json_array();
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            json_array_append_new(epochs,
                epoch_json(h, &p, history_epoch(h, i), &points));
    for (int i = 0; i < h->n_early; i++)
        json_array_append_new(early, early_json(h, &p, &h->early[i], &points));
    out = json_pack("{s:I, s:s, s:o, s:o}", "job", (json_int_t)q->job,
                    "quantity", job_quantity_names[p.quantity],
                    "epochs", epochs, "early_steps", early);
done:
    free(points.depth);
    free(points.decades);
    view_pick_clear(&p);
    return out;
}
