/* daemon/views_profile.c: norms from layer to layer, with the line through them
 * (slope.h) and theory's beside it.
 */
#include "daemon/views.h"

#include <math.h>
#include "common/event.h"
#include "daemon/slope.h"
#include "daemon/view_pick.h"

static json_t *slope_json(struct slope_points *points)
{
    struct slope s = slope_take(points);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
        "factor_per_layer", event_number(pow(10, s.decades)),
        "decades_per_layer", event_number(s.decades),
        "low", event_number(pow(10, s.low)),
        "high", event_number(pow(10, s.high)),
        "r2", event_number(s.r2), "ratio", event_number(s.ratio));
}

// What theory says of grad_out at the start; null when it says nothing.
static json_t *theory_json(const struct history *h, int quantity)
{
    double decades;
    const char *source = slope_theory(&h->net, &decades);

    if (!source || quantity != QUANTITY_GRAD_OUT)
        return json_null();
    return json_pack("{s:f, s:f, s:s}",
        "factor_per_layer", pow(10, decades),
        "decades_per_layer", decades, "source", source);
}

static json_t *layer_json(const struct series *s, const struct record *r)
{
    static const enum statistic stats[] = { STAT_MEDIAN, STAT_P05, STAT_P25,
                                       STAT_P75, STAT_P95 };
    json_t *out = json_pack("{s:s, s:i, s:b}", "layer", s->layer, "depth",
                            s->depth, "main", s->main);
    for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++)
        json_object_set_new(out, stat_names[stats[i]],
                            event_number(r->stats[stats[i]]));
    return out;
}

static json_t *epoch_json(const struct history *h, const struct view_pick *p,
                          const struct history_epoch *e,
                          struct slope_points *points)
{
    json_t *layers = json_array();
    for (int i = 0; i < p->n; i++) {
        const struct series *s = &h->series[p->series[i]];
        const struct record *r = history_record(e, p->series[i]);
        if (!r)
            continue;
        json_array_append_new(layers, layer_json(s, r));
        slope_add(points, s, r->stats[STAT_MEDIAN]);
    }
    return json_pack("{s:i, s:b, s:o, s:o}", "epoch", e->epoch,
                     "complete", e->complete, "layers", layers,
                     "slope", slope_json(points));
}

static json_t *early_json(const struct history *h, const struct view_pick *p,
                          const struct early_step *e,
                          struct slope_points *points)
{
    json_t *layers = json_array();
    for (int i = 0; i < p->n && p->series[i] < e->n_values; i++) {
        const struct series *s = &h->series[p->series[i]];
        double value = e->values[p->series[i]];
        json_array_append_new(layers, json_pack("{s:s, s:i, s:o}",
            "layer", s->layer, "depth", s->depth,
            "value", event_number(value)));
        slope_add(points, s, value);
    }
    return json_pack("{s:I, s:o, s:o, s:o}", "step", (json_int_t)e->step,
                     "loss", event_number(e->loss), "layers", layers,
                     "slope", slope_json(points));
}

json_t *view_profile(const struct history *h, const struct view_query *q,
                     struct error *err)
{
    struct view_pick p;
    struct slope_points points = { 0 };
    json_t *out = NULL;

    if (view_pick(&p, h, q, err))
        goto done;
    slope_begin(&points, p.n);
    json_t *epochs = json_array(), *early = json_array();
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            json_array_append_new(epochs,
                epoch_json(h, &p, history_epoch(h, i), &points));
    for (int i = 0; i < h->n_early; i++)
        json_array_append_new(early, early_json(h, &p, &h->early[i], &points));
    out = json_pack("{s:I, s:s, s:o, s:o, s:o}", "job", (json_int_t)q->job,
                    "quantity", job_quantity_names[p.quantity],
                    "theory", theory_json(h, p.quantity),
                    "epochs", epochs, "early_steps", early);
done:
    slope_end(&points);
    view_pick_clear(&p);
    return out;
}
