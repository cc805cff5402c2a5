/* daemon/views_histogram.c: how often norms of which size occurred. */
#include "daemon/views.h"

#include <math.h>
#include "common/event.h"
#include "daemon/view_pick.h"

static json_t *numbers(const double *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, event_number(x[i]));
    return list;
}

bool view_hist(struct hist *out, const struct view_query *q,
               const struct record *r)
{
    if (!q->samples)
        return history_hist(r, q->bins, out);
    *out = (struct hist){ .grid = q->bins };
    for (int i = 0; i < r->n_samples; i++)
        hist_add(out, fabs(r->samples[i]));
    return true;
}

static json_t *layer_json(const struct hist *hist, bool linear)
{
    double density[HIST_MAX_BINS];
    int bins = grid_bins(hist->grid);
    json_t *counts = json_array();
    for (int i = 0; i < bins; i++)
        json_array_append_new(counts,
                              json_integer((json_int_t)hist->counts[i]));
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "counts", counts,
        "density", hist_density(hist, !linear, density)
            ? numbers(density, bins) : json_null(),
        "underflow", (json_int_t)hist->underflow,
        "overflow", (json_int_t)hist->overflow,
        "zeros", (json_int_t)hist->zeros,
        "nonfinite", (json_int_t)hist->nonfinite);
}

static json_t *epoch_json(const struct history *h, const struct view_query *q,
                          const struct view_pick *p,
                          const struct history_epoch *e)
{
    json_t *layers = json_object();
    for (int i = 0; i < p->n; i++) {
        const struct record *r = history_record(e, p->series[i]);
        struct hist hist;
        if (r && view_hist(&hist, q, r))
            json_object_set_new(layers, h->series[p->series[i]].layer,
                                layer_json(&hist, q->linear));
    }
    return json_pack("{s:i, s:b, s:o}", "epoch", e->epoch,
                     "complete", e->complete, "layers", layers);
}

json_t *view_histograms(const struct history *h, const struct view_query *q,
                        struct error *err)
{
    struct view_pick p;
    json_t *out = NULL;

    if (view_pick(&p, h, q, err))
        goto done;
    json_t *epochs = json_array();
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            json_array_append_new(epochs,
                                  epoch_json(h, q, &p, history_epoch(h, i)));
    out = json_pack("{s:I, s:s, s:{s:o}, s:s, s:o}", "job", (json_int_t)q->job,
        "quantity", job_quantity_names[p.quantity], "bins",
        "edges", numbers(grid_edges(q->bins), grid_bins(q->bins) + 1),
        "density", q->linear ? "linear" : "decade", "epochs", epochs);
done:
    view_pick_clear(&p);
    return out;
}
