/* daemon/views_table.c: the same records as rows: a sample, a bin, a layer or
 * an epoch each. */
#include "daemon/views.h"

#include <math.h>

#include "daemon/view_pick.h"

// One epoch of what was picked.
typedef void epoch_rows(struct table *t, const struct history *h,
                        const struct view_query *q, const struct view_pick *p,
                        const struct history_epoch *e);

// What all rows of a layer begin with.
static void begin_row(struct table *t, const struct view_query *q,
                      const struct history_epoch *e, const struct series *s)
{
    table_whole(t, q->job);
    table_whole(t, e->epoch);
    table_text(t, job_quantity_names[s->quantity]);
    table_text(t, s->layer);
}

static void sample_rows(struct table *t, const struct history *h,
                        const struct view_query *q, const struct view_pick *p,
                        const struct history_epoch *e)
{
    for (int k = 0; k < p->n; k++) {
        const struct record *r = history_record(e, p->series[k]);
        for (int i = 0; r && i < r->n_samples; i++) {
            begin_row(t, q, e, &h->series[p->series[k]]);
            table_whole(t, i);
            if (r->sample_steps[i] >= 0)
                table_whole(t, r->sample_steps[i]);
            else
                table_null(t);
            table_number(t, r->samples[i]);
        }
    }
}

static void bin_rows(struct table *t, const struct history *h,
                     const struct view_query *q, const struct view_pick *p,
                     const struct history_epoch *e)
{
    const double *edges = grid_edges(q->bins);
    double density[HIST_MAX_BINS];
    struct hist hist;

    for (int k = 0; k < p->n; k++) {
        const struct record *r = history_record(e, p->series[k]);
        if (!r || !view_hist(&hist, q, r))
            continue;
        bool any = hist_density(&hist, !q->linear, density);
        for (int i = 0; i < grid_bins(hist.grid); i++) {
            begin_row(t, q, e, &h->series[p->series[k]]);
            table_whole(t, i);
            table_number(t, edges[i]);
            table_number(t, edges[i + 1]);
            table_whole(t, (int64_t)hist.counts[i]);
            table_number(t, any ? density[i] : NAN);
        }
    }
}

// Charts over time (Grafana's) want one in each row.
static void time_cell(struct table *t, const struct history_epoch *e)
{
    if (*e->time)
        table_text(t, e->time);
    else
        table_null(t);
}

static void layer_rows(struct table *t, const struct history *h,
                       const struct view_query *q, const struct view_pick *p,
                       const struct history_epoch *e)
{
    for (int k = 0; k < p->n; k++) {
        const struct series *s = &h->series[p->series[k]];
        const struct record *r = history_record(e, p->series[k]);
        if (!r)
            continue;
        begin_row(t, q, e, s);
        table_whole(t, s->depth);
        table_bool(t, s->main);
        table_whole(t, r->count);
        table_whole(t, r->nonfinite);
        table_whole(t, r->zeros);
        for (int i = 0; i < STAT_COUNT; i++)
            table_number(t, r->stats[i]);
        time_cell(t, e);
    }
}

static void loss_row(struct table *t, const struct history *h,
                     const struct view_query *q, const struct view_pick *p,
                     const struct history_epoch *e)
{
    (void)h;
    (void)p;
    table_whole(t, q->job);
    table_whole(t, e->epoch);
    table_bool(t, e->complete);
    table_number(t, e->loss);
    table_number(t, e->accuracy);
    table_number(t, e->validated ? e->validation_loss : NAN);
    table_number(t, e->validated ? e->validation_accuracy : NAN);
    table_number(t, e->images_per_second);
    table_number(t, e->recording_share);
    table_number(t, e->duration_seconds);
    time_cell(t, e);
}

#define OF_LAYER "job,epoch,quantity,layer,"

static const struct { const char *names; epoch_rows *rows; } tables[] = {
    [VIEW_GRADIENTS]  = { OF_LAYER "sample,step,value", sample_rows },
    [VIEW_HISTOGRAMS] = { OF_LAYER "bin,low,high,count,density", bin_rows },
    [VIEW_PROFILE]    = { OF_LAYER "depth,main,count,nonfinite,zeros,min,p05,"
                          "p25,median,p75,p95,max,mean,time", layer_rows },
    [VIEW_METRICS]    = { "job,epoch,complete,loss,accuracy,validation_loss,"
                          "validation_accuracy,images_per_second,"
                          "recording_share,duration_seconds,time", loss_row },
};

char *view_table(const struct history *h, const struct view_query *q,
                 enum view view, enum table_form form, struct error *err)
{
    struct view_pick p = { 0 };
    char *text = NULL;

    // Epochs have no layers that could be picked wrong.
    if (view != VIEW_METRICS && view_pick(&p, h, q, err))
        goto done;
    struct table *t = table_new(form, tables[view].names);
    for (int i = 0; i < history_epochs(h); i++)
        if (view_has_epoch(q, h, i))
            tables[view].rows(t, h, q, &p, history_epoch(h, i));
    text = table_end(t);
done:
    view_pick_clear(&p);
    return text;
}
