#include "worker/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/hist.h"
#include "common/mem.h"
#include "common/rng.h"

enum { TAPS_PER_EPOCH = 65536 };        // of STREAM_SAMPLE; docs/randomness.md

struct series {                         // the numbers of one tap
    double     *values;                 // (n_steps), in step order
    double     *sorted;                 // finite ones of values[0..n_merged-1]
    int64_t     n_sorted, n_merged;
    double      sum;                    // of the finite ones
    struct hist hist[GRID_COUNT];
};

struct early { int64_t step; double loss; double *values; };

struct record {
    struct record_opts o;
    struct series     *series;          // (n_taps)
    int64_t            n_steps, room;   // of this epoch; allocated
    int                epoch;
    struct early      *early;
    int                n_early;
    int64_t            next_early, after_early;     // 0, 1, 2, 3, 5, 8, ...
    double             seconds;
};

struct record *record_new(const struct record_opts *o)
{
    struct record *r = xcalloc(1, sizeof *r);
    r->o = *o;
    r->series = xcalloc((size_t)o->n_taps, sizeof *r->series);
    return r;
}

static void forget_early(struct record *r)
{
    for (int i = 0; i < r->n_early; i++)
        free(r->early[i].values);
    free(r->early);
    r->early = NULL;
    r->n_early = 0;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    for (int t = 0; t < r->o.n_taps; t++) {
        free(r->series[t].values);
        free(r->series[t].sorted);
    }
    forget_early(r);
    free(r->series);
    free(r);
}

void record_begin(struct record *r, int epoch)
{
    forget_early(r);
    for (int t = 0; t < r->o.n_taps; t++) {
        struct series *s = &r->series[t];
        *s = (struct series){ .values = s->values, .sorted = s->sorted };
        for (int g = 0; g < GRID_COUNT; g++)
            s->hist[g].grid = (enum grid)g;
    }
    r->n_steps = 0;
    r->epoch = epoch;
    r->next_early = 0;
    r->after_early = 1;
    r->seconds = 0;
}

static void make_room(struct record *r)
{
    if (r->n_steps < r->room)
        return;
    r->room = r->room ? 2 * r->room : 256;
    for (int t = 0; t < r->o.n_taps; t++) {
        struct series *s = &r->series[t];
        size_t bytes = (size_t)r->room * sizeof *s->values;
        s->values = xrealloc(s->values, bytes);
        s->sorted = xrealloc(s->sorted, bytes);
    }
}

// Steps 0, 1, 2, 3, 5, 8, 13, ... of the first epoch are kept whole.
static void keep_early(struct record *r, double loss, const double *values)
{
    if (!r->o.early_steps || r->epoch != 1 || r->n_steps != r->next_early)
        return;
    size_t n = (size_t)r->o.n_taps;
    r->early = xrealloc(r->early,
                        ((size_t)r->n_early + 1) * sizeof *r->early);
    struct early *e = &r->early[r->n_early++];
    *e = (struct early){ r->n_steps, loss, xmalloc(n * sizeof *values) };
    if (n)
        memcpy(e->values, values, n * sizeof *values);

    int64_t after = r->next_early + r->after_early;
    r->next_early = r->after_early;
    r->after_early = after > r->next_early ? after : r->next_early + 1;
}

void record_add(struct record *r, double loss, const double *values)
{
    double start = clock_seconds();

    make_room(r);
    keep_early(r, loss, values);
    for (int t = 0; t < r->o.n_taps; t++) {
        struct series *s = &r->series[t];
        s->values[r->n_steps] = values[t];
        if (isfinite(values[t]))
            s->sum += values[t];
        for (int g = 0; g < GRID_COUNT; g++)
            hist_add(&s->hist[g], values[t]);
    }
    r->n_steps++;
    r->seconds += clock_seconds() - start;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Sorts what came since the last merge, then merges from the top down, in
// place.
static void merge(struct series *s, int64_t n_steps)
{
    int64_t n_new = 0;
    double *fresh = xmalloc((size_t)(n_steps - s->n_merged) * sizeof *fresh);

    for (int64_t i = s->n_merged; i < n_steps; i++)
        if (isfinite(s->values[i]))
            fresh[n_new++] = s->values[i];
    qsort(fresh, (size_t)n_new, sizeof *fresh, ascending);

    int64_t a = s->n_sorted, b = n_new, to = a + b;
    while (b > 0) {
        if (a > 0 && s->sorted[a - 1] > fresh[b - 1])
            s->sorted[--to] = s->sorted[--a];
        else
            s->sorted[--to] = fresh[--b];
    }
    s->n_sorted += n_new;
    s->n_merged = n_steps;
    free(fresh);
}

// As numpy.percentile: linear between neighbours, from the nearer one.
static double percentile(const double *sorted, int64_t n, double percent)
{
    double at = percent / 100 * (double)(n - 1);
    int64_t low = (int64_t)at, high = low + 1 < n ? low + 1 : low;
    double share = at - (double)low, gap = sorted[high] - sorted[low];

    return share < 0.5 ? sorted[low] + gap * share
                       : sorted[high] - gap * (1 - share);
}

static void add_summary(json_t *out, const struct series *s)
{
    static const struct { const char *key; double percent; } rows[] = {
        { "min", 0 }, { "p05", 5 }, { "p25", 25 }, { "median", 50 },
        { "p75", 75 }, { "p95", 95 }, { "max", 100 },
    };
    int64_t n = s->n_sorted;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_object_set_new(out, rows[i].key, n ?
            event_number(percentile(s->sorted, n, rows[i].percent)) :
            json_null());
    json_object_set_new(out, "mean",
                        n ? event_number(s->sum / (double)n) : json_null());
}

struct draw { uint64_t bits; int64_t step; };

static int by_bits(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    if (x->bits != y->bits)
        return x->bits > y->bits ? 1 : -1;
    return (x->step > y->step) - (x->step < y->step);
}

static int by_step(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    return (x->step > y->step) - (x->step < y->step);
}

// The steps with the smallest numbers, in step order. Never padded: fewer
// steps than samples give fewer samples.
static void add_samples(json_t *out, const struct record *r, int tap)
{
    const struct series *s = &r->series[tap];
    uint64_t stream = STREAM_SAMPLE +
                      (uint64_t)r->epoch * TAPS_PER_EPOCH + (uint64_t)tap;
    int64_t n = r->n_steps;
    struct draw *draw = xmalloc((size_t)n * sizeof *draw);
    json_t *samples = json_array(), *steps = json_array();

    for (int64_t i = 0; i < n; i++)
        draw[i] = (struct draw){ rng_bits(r->o.seed, stream, (uint64_t)i), i };
    if (r->o.samples && n > r->o.samples) {
        qsort(draw, (size_t)n, sizeof *draw, by_bits);
        n = r->o.samples;
        qsort(draw, (size_t)n, sizeof *draw, by_step);
    }
    for (int64_t i = 0; i < n; i++) {
        json_array_append_new(samples, event_number(s->values[draw[i].step]));
        json_array_append_new(steps, json_integer(draw[i].step));
    }
    json_object_set_new(out, "samples", samples);
    json_object_set_new(out, "sample_steps", steps);
    free(draw);
}

static json_t *tap_record(struct record *r, int tap, bool live)
{
    struct series *s = &r->series[tap];
    json_t *hists = json_object();

    merge(s, r->n_steps);
    json_t *out = json_pack("{s:I, s:I, s:I}",
        "count", (json_int_t)r->n_steps,
        "nonfinite", (json_int_t)(r->n_steps - s->n_sorted),
        "zeros", (json_int_t)s->hist[GRID_EXTENDED].zeros);
    add_summary(out, s);
    if (live)
        json_object_set_new(out, "samples", json_array());
    else
        add_samples(out, r, tap);
    for (int g = 0; g < GRID_COUNT; g++)
        json_object_set_new(hists, grid_name((enum grid)g),
                            hist_to_json(&s->hist[g]));
    json_object_set_new(out, "hist", hists);
    return out;
}

static json_t *quantity_objects(const struct record *r)
{
    json_t *out = json_object();
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (r->o.quantities & (1u << q))
            json_object_set_new(out, job_quantity_names[q], json_object());
    return out;
}

// Takes value.
static void put(json_t *quantities, const struct record_tap *tap,
                json_t *value)
{
    json_t *layers = json_object_get(quantities,
                                     job_quantity_names[tap->quantity]);
    json_object_set_new(layers, tap->layer, value);
}

json_t *record_quantities(struct record *r, bool live)
{
    double start = clock_seconds();
    json_t *out = quantity_objects(r);

    for (int t = 0; t < r->o.n_taps; t++)
        put(out, &r->o.taps[t], tap_record(r, t, live));
    r->seconds += clock_seconds() - start;
    return out;
}

json_t *record_early(const struct record *r)
{
    if (!r->o.early_steps || r->epoch != 1)
        return NULL;
    json_t *out = json_array();

    for (int i = 0; i < r->n_early; i++) {
        const struct early *e = &r->early[i];
        json_t *quantities = quantity_objects(r);
        for (int t = 0; t < r->o.n_taps; t++)
            put(quantities, &r->o.taps[t], event_number(e->values[t]));
        json_array_append_new(out, json_pack("{s:I, s:o, s:o}",
            "step", (json_int_t)e->step, "loss", event_number(e->loss),
            "quantities", quantities));
    }
    return out;
}

double record_seconds(const struct record *r)
{
    return r->seconds;
}
