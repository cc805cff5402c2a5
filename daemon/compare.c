#include "daemon/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/event.h"
#include "common/mem.h"
#include "common/rng.h"
#include "daemon/compare_words.h"
#include "daemon/fit.h"
#include "daemon/statistics.h"
#include "daemon/view_pick.h"

enum {
    POINTS_MOST = 400,          // of a series; longer ones are thinned by
                                // medians of neighbours
    RUNS_LEAST = 3,             // a side, for runs to be the unit
};

struct samples { int n; double *log10; double median; };   // of an epoch

struct layer {
    char           *name;
    struct samples *epochs;     // as run.epochs; n 0 where there is none
};

struct compare_run {
    int64_t            job;
    int                quantity;
    struct history_net net;
    int               *epochs;          // whole ones, ascending
    int                n_epochs;
    struct layer      *layers;          // in network order
    int                n_layers;
};

/* ---- taking ---- */

// log10 of those that have one, in step order.
static struct samples take_samples(const struct record *r)
{
    struct samples s = { .log10 = xcalloc((size_t)r->n_samples,
                                          sizeof *s.log10),
                         .median = log10(r->stats[STAT_MEDIAN]) };
    for (int i = 0; i < r->n_samples; i++)
        if (isfinite(r->samples[i]) && r->samples[i] > 0)
            s.log10[s.n++] = log10(r->samples[i]);
    return s;
}

static void take_layer(struct compare_run *run, const struct history *h,
                       int series)
{
    struct layer *l = &run->layers[run->n_layers++];
    int at = 0;

    *l = (struct layer){ .name = xstrdup(h->series[series].layer),
        .epochs = xcalloc((size_t)run->n_epochs, sizeof *l->epochs) };
    for (int i = 0; i < h->n_epochs; i++) {
        const struct record *r = history_record(&h->epochs[i], series);
        if (!h->epochs[i].complete)
            continue;
        l->epochs[at] = r ? take_samples(r) : (struct samples){ .median = NAN };
        at++;
    }
}

int compare_take(const struct history *h, int64_t job, int quantity,
                 struct compare_run **out, struct error *err)
{
    struct view_query q = { .quantity = quantity };
    struct view_pick p;
    int rc = view_pick(&p, h, &q, err);

    *out = NULL;
    if (!rc) {
        struct compare_run *run = *out = xcalloc(1, sizeof *run);
        *run = (struct compare_run){
            .job = job, .quantity = p.quantity, .net = h->net,
            .epochs = xcalloc((size_t)h->n_epochs, sizeof *run->epochs),
            .layers = xcalloc((size_t)p.n, sizeof *run->layers),
        };
        for (int i = 0; i < h->n_epochs; i++)
            if (h->epochs[i].complete)
                run->epochs[run->n_epochs++] = h->epochs[i].epoch;
        for (int i = 0; i < p.n; i++)
            take_layer(run, h, p.series[i]);
    }
    view_pick_clear(&p);
    return rc;
}

void compare_free(struct compare_run *run)
{
    for (int l = 0; run && l < run->n_layers; l++) {
        for (int e = 0; e < run->n_epochs; e++)
            free(run->layers[l].epochs[e].log10);
        free(run->layers[l].epochs);
        free(run->layers[l].name);
    }
    if (run) {
        free(run->layers);
        free(run->epochs);
    }
    free(run);
}

int compare_epochs(const struct compare_run *run)
{
    return run->n_epochs;
}

int compare_quantity(const struct compare_run *run)
{
    return run->quantity;
}

/* ---- what both sides have ---- */

static int find_epoch(const struct compare_run *run, int epoch)
{
    for (int i = 0; i < run->n_epochs; i++)
        if (run->epochs[i] == epoch)
            return i;
    return -1;
}

static const struct layer *find_layer(const struct compare_run *run,
                                      const char *name)
{
    for (int i = 0; i < run->n_layers; i++)
        if (!strcmp(run->layers[i].name, name))
            return &run->layers[i];
    return NULL;
}

struct sides {
    struct compare_run *const *a, *const *b;
    int  n_a, n_b;
    int *epochs, n_epochs;      // that all runs have and the query wants
};

static struct compare_run *run_of(const struct sides *s, int i)
{
    return i < s->n_a ? s->a[i] : s->b[i - s->n_a];
}

static bool all_have_epoch(const struct sides *s, int epoch)
{
    for (int i = 0; i < s->n_a + s->n_b; i++)
        if (find_epoch(run_of(s, i), epoch) < 0)
            return false;
    return true;
}

static bool all_have_layer(const struct sides *s, const char *name)
{
    for (int i = 0; i < s->n_a + s->n_b; i++)
        if (!find_layer(run_of(s, i), name))
            return false;
    return true;
}

static void find_epochs(struct sides *s, const struct view_query *q)
{
    const struct compare_run *first = s->a[0];
    int n = 0;

    s->epochs = xcalloc((size_t)first->n_epochs, sizeof *s->epochs);
    for (int i = 0; i < first->n_epochs; i++)
        if (all_have_epoch(s, first->epochs[i]))
            s->epochs[n++] = first->epochs[i];
    for (int i = 0; i < n; i++)
        if (view_wants_epoch(q, s->epochs[i], s->epochs[n - 1]))
            s->epochs[s->n_epochs++] = s->epochs[i];
}

static const struct samples *samples_of(const struct compare_run *run,
                                        const struct layer *l, int epoch)
{
    return &l->epochs[find_epoch(run, epoch)];
}

/* ---- one against one ---- */

struct track { double *x; int n, room; };

static void append(struct track *s, double x)
{
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->x = xrealloc(s->x, (size_t)s->room * sizeof *s->x);
    }
    s->x[s->n++] = x;
}

static double median_of(const double *x, int n)
{
    if (n == 0)
        return NAN;
    double *copy = xcalloc((size_t)n, sizeof *copy);
    memcpy(copy, x, (size_t)n * sizeof *copy);
    double middle = stat_median(copy, n);
    free(copy);
    return middle;
}

// Medians of `size` neighbours each; the last ones may be fewer.
static void thin(struct track *s, int size)
{
    int n = 0;
    for (int i = 0; size > 1 && i < s->n; i += size) {
        int take = s->n - i < size ? s->n - i : size;
        s->x[n++] = stat_median(s->x + i, take);
    }
    if (size > 1)
        s->n = n;
}

// Pairs the samples of an epoch by rank in time. Appends the ratios, and to a
// and b the numbers without what the epoch has in common.
static void pair(const struct samples *sa, const struct samples *sb,
                 struct track *ratios, struct track *a, struct track *b)
{
    int n = sa->n < sb->n ? sa->n : sb->n, from = ratios->n;
    struct track both = { 0 };

    for (int i = 0; i < n; i++) {
        double x = sa->log10[(2 * i + 1) * sa->n / (2 * n)];
        double y = sb->log10[(2 * i + 1) * sb->n / (2 * n)];
        append(ratios, y - x);
        append(a, x);
        append(b, y);
        append(&both, x);
        append(&both, y);
    }
    double middle = stat_median(both.x, both.n);
    for (int i = from; i < ratios->n; i++) {
        a->x[i] -= middle;
        b->x[i] -= middle;
    }
    free(both.x);
}

// Of medians over blocks that are nearly independent. Sets c->p.
static void mann_whitney(struct comparison *c, struct track *a, struct track *b)
{
    double r = stat_correlation(a->x, a->n) / 2 +
               stat_correlation(b->x, b->n) / 2;
    int length = stat_block_length(r, a->n);

    thin(a, length);
    thin(b, length);
    double wider = stat_block_correction(r, length);
    c->p = stat_mann_whitney(a->x, a->n, b->x, b->n, wider);
    c->p_least = stat_mann_whitney_least(a->n, b->n, wider);
}

static struct comparison by_steps(const struct sides *s, const char *name,
                                  int place)
{
    const struct compare_run *ra = s->a[0], *rb = s->b[0];
    const struct layer *la = find_layer(ra, name), *lb = find_layer(rb, name);
    struct track ratios = { 0 }, a = { 0 }, b = { 0 };

    for (int e = 0; e < s->n_epochs; e++)
        pair(samples_of(ra, la, s->epochs[e]), samples_of(rb, lb, s->epochs[e]),
             &ratios, &a, &b);
    int size = (ratios.n + POINTS_MOST - 1) / POINTS_MOST;
    struct comparison c = { .units = ratios.n, .p = NAN, .p_least = NAN };
    thin(&ratios, size);
    thin(&a, size);
    thin(&b, size);
    c.decades = median_of(ratios.x, ratios.n);
    c.interval = stat_bootstrap_median(ratios.x, ratios.n, 0,
                                       STREAM_BOOTSTRAP + (uint64_t)place);
    if (ratios.n)
        mann_whitney(&c, &a, &b);
    free(ratios.x);
    free(a.x);
    free(b.x);
    return c;
}

/* ---- runs against runs ---- */

// A run's number: the median over epochs of log10(median).
static double run_number(const struct sides *s, const struct compare_run *run,
                         const char *name)
{
    const struct layer *l = find_layer(run, name);
    double *x = xcalloc((size_t)s->n_epochs, sizeof *x);
    int n = 0;

    for (int e = 0; e < s->n_epochs; e++) {
        double median = samples_of(run, l, s->epochs[e])->median;
        if (isfinite(median))
            x[n++] = median;
    }
    double middle = stat_median(x, n);
    free(x);
    return middle;
}

struct spread { double mean, error2; };     // error2: variance / n

static struct spread spread_of(const double *x, int n)
{
    struct spread s = { 0 };
    for (int i = 0; i < n; i++)
        s.mean += x[i] / n;
    for (int i = 0; i < n; i++)
        s.error2 += (x[i] - s.mean) * (x[i] - s.mean) / (n - 1) / n;
    return s;
}

// Welch's interval; its degrees of freedom are rounded down.
static struct interval welch(struct spread a, int n_a, struct spread b, int n_b)
{
    double both = a.error2 + b.error2, middle = b.mean - a.mean;
    double df = both * both / (a.error2 * a.error2 / (n_a - 1) +
                               b.error2 * b.error2 / (n_b - 1));
    double off = both > 0 ? fit_t95(df >= 2 ? (int)df : 1) * sqrt(both) : 0;

    return (struct interval){ middle - off, middle + off };
}

static struct comparison by_runs(const struct sides *s, const char *name,
                                 int place)
{
    int n = s->n_a + s->n_b;
    double *x = xcalloc((size_t)n, sizeof *x);

    (void)place;
    for (int i = 0; i < n; i++)
        x[i] = run_number(s, run_of(s, i), name);
    struct spread a = spread_of(x, s->n_a), b = spread_of(x + s->n_a, s->n_b);
    struct comparison c = {
        .units = n, .runs = true, .decades = b.mean - a.mean,
        .interval = welch(a, s->n_a, b, s->n_b),
        .p = isfinite(a.mean + b.mean)
            ? stat_mann_whitney(x, s->n_a, x + s->n_a, s->n_b, 1) : NAN,
    };
    free(x);
    return c;
}

/* ---- the answer ---- */

// "without skips" when that is all that the network of b lacks, else
// "in job 2".
static char *label(const struct sides *s)
{
    const struct compare_run *b = s->b[0];
    struct history_net x = s->a[0]->net, y = b->net;
    bool known = x.known && y.known && x.kaiming == y.kaiming;

    if (known && x.skip != y.skip && x.norm == y.norm)
        return xstrdup(y.skip ? "with skips" : "without skips");
    if (known && x.norm != y.norm && x.skip == y.skip)
        return xstrdup(y.norm ? "with norm" : "without norm");
    return s->n_b == 1 ? xasprintf("in job %" PRId64, b->job)
                       : xasprintf("in jobs %" PRId64 " and on", b->job);
}

static json_t *ids(const struct sides *s, bool of_b)
{
    json_t *out = json_array();
    for (int i = 0; i < (of_b ? s->n_b : s->n_a); i++)
        json_array_append_new(out, json_integer((of_b ? s->b : s->a)[i]->job));
    return out;
}

// Sets q and q_least of all.
static void adjust(struct comparison *all, int n)
{
    double *p = xcalloc((size_t)n + 1, 4 * sizeof *p);
    double *least = p + n, *q = least + n, *q_least = q + n;

    for (int i = 0; i < n; i++) {
        p[i] = all[i].p;
        least[i] = all[i].p_least;
    }
    stat_benjamini_hochberg(p, n, q);
    stat_benjamini_hochberg(least, n, q_least);
    for (int i = 0; i < n; i++) {
        all[i].q = q[i];
        all[i].q_least = q_least[i];
    }
    free(p);
}

// Compares all layers that both sides have and the query wants; *n of them.
static struct comparison *compare_layers(const struct sides *s,
                                         const struct view_query *q, int *n)
{
    const struct compare_run *first = s->a[0];
    struct comparison *all = xcalloc((size_t)first->n_layers, sizeof *all);

    *n = 0;
    for (int l = 0; l < first->n_layers; l++) {
        const char *name = first->layers[l].name;
        if (!view_wants_layer(q, name) || !all_have_layer(s, name))
            continue;
        all[*n] = s->n_a == 1 ? by_steps(s, name, l) : by_runs(s, name, l);
        all[(*n)++].layer = name;
    }
    adjust(all, *n);
    return all;
}

static json_t *answer(const struct sides *s, const struct comparison *all,
                      int n)
{
    char *in = label(s);
    json_t *layers = json_object(), *epochs = json_array(), *jobs = ids(s, 0);
    bool steps = s->n_a == 1;

    for (int i = 0; i < n; i++)
        json_object_set_new(layers, all[i].layer, comparison_json(&all[i], in));
    for (int e = 0; e < s->n_epochs; e++)
        json_array_append_new(epochs, json_integer(s->epochs[e]));
    if (steps)
        json_array_append_new(jobs, json_integer(s->b[0]->job));
    json_t *out = json_pack("{s:o, s:o, s:s, s:o, s:s, s:o}", "jobs", jobs,
        "against", steps ? json_null() : ids(s, 1),
        "quantity", job_quantity_names[s->a[0]->quantity], "epochs", epochs,
        "unit", steps ? "step" : "run", "layers", layers);
    char *summary = comparison_summary(all, n, in);
    json_object_set_new(out, "summary", json_string(summary));
    free(summary);
    free(in);
    return out;
}

static int check_sides(const struct sides *s, struct error *err)
{
    bool pair = s->n_a == 1 && s->n_b == 1;

    if (!pair && (s->n_a < RUNS_LEAST || s->n_b < RUNS_LEAST))
        return fail(err, ERR_USAGE, "jobs: %d cannot be compared with %d: it "
                    "takes one a side, or %d or more", s->n_a, s->n_b,
                    RUNS_LEAST);
    for (int i = 1; i < s->n_a + s->n_b; i++)
        if (run_of(s, i)->quantity != s->a[0]->quantity)
            return fail(err, ERR_USAGE, "quantity: job %" PRId64 " records %s "
                "and job %" PRId64 " %s", s->a[0]->job,
                job_quantity_names[s->a[0]->quantity], run_of(s, i)->job,
                job_quantity_names[run_of(s, i)->quantity]);
    return 0;
}

json_t *compare_runs(struct compare_run *const *a, int n_a,
                     struct compare_run *const *b, int n_b,
                     const struct view_query *q, struct error *err)
{
    struct sides s = { .a = a, .b = b, .n_a = n_a, .n_b = n_b };
    json_t *out = NULL;
    int n;

    if (check_sides(&s, err))
        return NULL;
    find_epochs(&s, q);
    struct comparison *all = compare_layers(&s, q, &n);
    if (s.n_epochs == 0)
        fail(err, ERR_USAGE, "epochs: the jobs have no whole epoch in common "
             "among those asked for");
    else if (n == 0)
        fail(err, ERR_USAGE, "layers: the jobs record none in common among "
             "those asked for");
    else
        out = answer(&s, all, n);
    free(all);
    free(s.epochs);
    return out;
}
