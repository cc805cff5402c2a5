#include "daemon/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

// Spread of the loss from step to step, as a share of it, where no early steps
// tell: what the controls show at learning rate 0 and a batch of 16.
static const double USUAL_NOISE = 0.08;
enum { LAYERS_LEAST = 3 };

const char *const verdict_names[VERDICT_COUNT] = {
    "unknown", "healthy", "vanishing", "exploding", "dead", "stalled",
    "diverged"
};
const char *const verdict_rules[RULE_COUNT] = {
    [RULE_NONE] = "none", [RULE_SLOPE] = "slope", [RULE_RATIO] = "ratio",
    [RULE_GRADIENT_NONFINITE] = "gradient_nonfinite", [RULE_ZEROS] = "zeros",
    [RULE_LOSS] = "loss", [RULE_STILL] = "still",
    [RULE_LOSS_NONFINITE] = "loss_nonfinite", [RULE_LOSS_GREW] = "loss_grew",
};
const struct verdict_limits verdict_defaults = {
#define X(name, key, value, least, most, text) .name = value,
    VERDICT_LIMITS(X)
#undef X
};

/* ---- gradients ---- */

static int quantity_named(const char *name)
{
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (!strcmp(job_quantity_names[q], name))
            return q;
    return -1;
}

static bool has_quantity(const struct history *h, int quantity)
{
    for (int s = 0; s < h->n_series; s++)
        if ((int)h->series[s].quantity == quantity)
            return true;
    return false;
}

int verdict_quantity(const struct history *h, const struct findings *f,
                     enum verdict_rule rule)
{
    int act_zeros = quantity_named("act_zeros");
    int update = quantity_named("update");

    switch (rule) {
    case RULE_SLOPE: case RULE_RATIO: case RULE_GRADIENT_NONFINITE:
        return f->quantity;
    case RULE_ZEROS:
        return has_quantity(h, act_zeros) ? act_zeros : QUANTITY_GRAD_OUT;
    case RULE_STILL:
        return has_quantity(h, update) ? update : QUANTITY_WEIGHT;
    default:
        return -1;
    }
}

static struct slope epoch_slope(const struct history *h, int quantity,
                                const struct history_epoch *e)
{
    struct slope_points p;

    slope_begin(&p, h->n_series);
    for (int s = 0; s < h->n_series; s++) {
        const struct record *r = history_record(e, s);
        if (r && (int)h->series[s].quantity == quantity)
            slope_add(&p, &h->series[s], r->stats[STAT_MEDIAN]);
    }
    struct slope found = slope_take(&p);
    slope_end(&p);
    return found;
}

static struct slope step_slope(const struct history *h, int quantity,
                               const struct early_step *e)
{
    struct slope_points p;

    slope_begin(&p, h->n_series);
    for (int s = 0; s < h->n_series && s < e->n_values; s++)
        if ((int)h->series[s].quantity == quantity)
            slope_add(&p, &h->series[s], e->values[s]);
    struct slope found = slope_take(&p);
    slope_end(&p);
    return found;
}

// Sets the verdict when the slope alone gives one.
static void judge_slope(struct finding *f, const struct verdict_limits *l)
{
    const struct slope *s = &f->slope;
    bool line = s->n >= LAYERS_LEAST && s->r2 >= l->line_r2;

    if (line && s->decades < l->vanishing_slope) {
        f->verdict = VERDICT_VANISHING;
        f->rule = RULE_SLOPE;
    } else if (s->n >= LAYERS_LEAST && s->ratio < l->vanishing_ratio) {
        f->verdict = VERDICT_VANISHING;
        f->rule = RULE_RATIO;
    } else if (line && s->decades > l->exploding_slope &&
               s->ratio > l->exploding_ratio) {
        f->verdict = VERDICT_EXPLODING;
        f->rule = RULE_SLOPE;
    } else if (s->nonfinite > 0) {
        f->verdict = VERDICT_EXPLODING;
        f->rule = RULE_GRADIENT_NONFINITE;
    }
}

// By the activation's zeros where they are recorded, else by a gradient that
// was zero at every step.
bool verdict_is_dead(const struct history *h, const struct history_epoch *e,
                     int series, const struct verdict_limits *limits)
{
    const struct record *r = history_record(e, series);
    int act_zeros = quantity_named("act_zeros");
    int quantity = (int)h->series[series].quantity;

    if (!r || !r->count)
        return false;
    if (act_zeros >= 0 && has_quantity(h, act_zeros))
        return quantity == act_zeros &&
               r->stats[STAT_MEDIAN] >= limits->dead_zeros;
    return quantity == QUANTITY_GRAD_OUT && r->zeros == r->count;
}

static int count_dead(const struct history *h, const struct history_epoch *e,
                      const struct verdict_limits *limits)
{
    int n = 0;
    for (int s = 0; s < h->n_series; s++)
        n += verdict_is_dead(h, e, s, limits);
    return n;
}

/* ---- loss and weights ---- */

// Standard deviation of the loss from step to step, by von Neumann's
// differences of neighbours, which a trend does not widen much.
static double loss_noise(const struct history *h, double first)
{
    double sum = 0;
    int n = 0;

    for (int i = 1; i < h->n_early; i++) {
        double d = h->early[i].loss - h->early[i - 1].loss;
        if (isfinite(d)) {
            sum += d * d;
            n++;
        }
    }
    return n >= 2 ? sqrt(sum / n / 2) : USUAL_NOISE * first;
}

static const struct history_epoch *first_whole(const struct history *h)
{
    for (int i = 0; i < h->n_epochs; i++)
        if (h->epochs[i].complete && isfinite(h->epochs[i].loss))
            return &h->epochs[i];
    return NULL;
}

double verdict_loss_needed(const struct finding *f,
                           const struct verdict_limits *l)
{
    double fall = fmax(l->loss_fall * f->loss_first,
                       l->loss_errors * f->loss_error);
    return f->loss_first - fmin(fall, l->loss_clear * f->loss_first);
}

// True when weights or updates are recorded and none of them moved.
static bool stood_still(const struct history *h, const struct history_epoch *e)
{
    int update = quantity_named("update"), seen = 0;

    for (int s = 0; s < h->n_series; s++) {
        const struct record *r = history_record(e, s);
        int quantity = (int)h->series[s].quantity;
        if (!r || r->count < 2)
            continue;
        if (quantity == update && r->zeros < r->count)
            return false;
        if (quantity == QUANTITY_WEIGHT &&
            !(r->stats[STAT_MIN] >= r->stats[STAT_MAX]))
            return false;
        seen += quantity == update || quantity == QUANTITY_WEIGHT;
    }
    return seen > 0;
}

// What the loss alone says of an epoch that went wrong.
static void judge_divergence(struct finding *f,
                             const struct history_epoch *e,
                             const struct verdict_limits *l)
{
    if (e->nonfinite_steps > 0) {
        f->verdict = VERDICT_DIVERGED;
        f->rule = RULE_LOSS_NONFINITE;
    } else if (e->loss > l->diverged_loss * f->loss_start) {
        f->verdict = VERDICT_DIVERGED;
        f->rule = RULE_LOSS_GREW;
    }
}

static void judge_learning(struct finding *f, const struct history_epoch *first,
                           const struct verdict_limits *l)
{
    f->verdict = VERDICT_HEALTHY;
    if (f->still) {
        f->verdict = VERDICT_STALLED;
        f->rule = RULE_STILL;
    } else if (first && f->epoch > first->epoch &&
               !(f->loss < verdict_loss_needed(f, l))) {
        f->verdict = VERDICT_STALLED;
        f->rule = RULE_LOSS;
    }
}

/* ---- all of it ---- */

static struct finding judge_epoch(const struct history *h, int quantity,
                                  const struct history_epoch *e,
                                  const struct verdict_limits *l)
{
    const struct history_epoch *first = first_whole(h);
    struct finding f = {
        .epoch = e->epoch, .slope = epoch_slope(h, quantity, e),
        .loss = e->loss, .loss_first = first ? first->loss : NAN,
        .still = stood_still(h, e), .n_dead = count_dead(h, e, l),
    };

    f.loss_start = h->n_early ? h->early[0].loss : f.loss_first;
    if (first && e->steps > 0 && first->steps > 0)
        f.loss_error = loss_noise(h, first->loss) *
            sqrt(1.0 / (double)e->steps + 1.0 / (double)first->steps);
    judge_divergence(&f, e, l);
    if (!f.verdict)
        judge_slope(&f, l);
    if (!f.verdict && f.n_dead) {
        f.verdict = VERDICT_DEAD;
        f.rule = RULE_ZEROS;
    }
    if (!f.verdict && f.slope.n >= LAYERS_LEAST)
        judge_learning(&f, first, l);
    return f;
}

// The newest whole epoch; before there is one, what there is of the first.
static const struct finding *last_whole(const struct history *h,
                                        const struct findings *f)
{
    const struct finding *found = f->n_epochs ? &f->epochs[0] : NULL;
    for (int i = 1; i < f->n_epochs; i++)
        if (history_epoch(h, i)->complete ||
            f->epochs[i].verdict == VERDICT_DIVERGED)
            found = &f->epochs[i];
    return found;
}

void verdict_find(const struct history *h, const struct verdict_limits *limits,
                  struct findings *f)
{
    int n = history_epochs(h);

    *f = (struct findings){ .quantity = -1, .n_epochs = n,
                            .epochs = xcalloc((size_t)n, sizeof *f->epochs) };
    if (has_quantity(h, QUANTITY_GRAD_OUT))
        f->quantity = QUANTITY_GRAD_OUT;
    else if (has_quantity(h, QUANTITY_GRAD_W))
        f->quantity = QUANTITY_GRAD_W;
    for (int i = 0; i < n; i++)
        f->epochs[i] = judge_epoch(h, f->quantity, history_epoch(h, i), limits);
    if (h->n_early && h->early[0].step == 0) {
        f->start.slope = step_slope(h, f->quantity, &h->early[0]);
        f->start.loss = h->early[0].loss;
        judge_slope(&f->start, limits);
        if (!f->start.verdict && f->start.slope.n >= LAYERS_LEAST)
            f->start.verdict = VERDICT_HEALTHY;
    }
    f->decides = last_whole(h, f);
    if (f->decides)
        f->verdict = f->decides->verdict;
    if (!strcmp(h->ended, verdict_names[VERDICT_DIVERGED]))
        f->verdict = VERDICT_DIVERGED;
}

void verdict_clear(struct findings *f)
{
    free(f->epochs);
    *f = (struct findings){ .quantity = -1 };
}
