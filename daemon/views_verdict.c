/* daemon/views_verdict.c: a verdict in words, with the numbers behind it. */
#include "daemon/views.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/event.h"
#include "common/factor.h"
#include "common/mem.h"
#include "daemon/verdict.h"

enum { NAMES_MOST = 3 };        // of dead layers, in a sentence

struct telling {                // what the sentences and rows are about
    const struct history        *h;
    const struct findings       *f;
    const struct verdict_limits *limits;
    int64_t                      job;
};

static bool is_end(const struct telling *t, int series)
{
    const struct series *s = &t->h->series[series];
    return s->main && (int)s->quantity == t->f->quantity;
}

// The layer of the main path next to the input or to the output.
static const char *bottom_layer(const struct telling *t)
{
    for (int s = 0; s < t->h->n_series; s++)
        if (is_end(t, s))
            return t->h->series[s].layer;
    return "";
}

static const char *top_layer(const struct telling *t)
{
    for (int s = t->h->n_series - 1; s >= 0; s--)
        if (is_end(t, s))
            return t->h->series[s].layer;
    return "";
}

static const struct history_epoch *epoch_of(const struct telling *t,
                                            const struct finding *f)
{
    return history_epoch(t->h, (int)(f - t->f->epochs));
}

/* ---- words; callers own them ---- */

// "about 1,000 times smaller than", "2.3 times larger than", "as large as".
static char *times(double decades)
{
    char *factor = factor_words(fabs(decades));
    char *words = !strcmp(factor, "1") ? xstrdup("as large as")
        : xasprintf("%s times %s than", factor,
                    decades < 0 ? "smaller" : "larger");

    free(factor);
    return words;
}

static char *layer_words(const char *verb, const struct slope *s)
{
    char *factor = factor_text(s->decades, factor_is_power(s->decades));
    char *words = xasprintf("each layer towards the input %s by %s", verb,
                            factor);

    free(factor);
    return words;
}

// The ends are means over an eighth of the layers.
static char *slope_words(const struct telling *t, const struct slope *s)
{
    char *ratio = times(s->ratio), *layer = layer_words("multiplies it", s);
    char *words = xasprintf("around %s their norm is %s around %s; %s",
                            bottom_layer(t), ratio, top_layer(t), layer);

    free(layer);
    if (s->zeros) {
        char *more = xasprintf("%s; at %d layer%s it is too small for a float",
                               words, s->zeros, s->zeros == 1 ? "" : "s");
        free(words);
        words = more;
    }
    free(ratio);
    return words;
}

static char *loss_words(const struct finding *f)
{
    if (!isfinite(f->loss) || !isfinite(f->loss_first))
        return xstrdup("the loss is not known");
    return xasprintf("the loss went from %.4g to %.4g", f->loss_first, f->loss);
}

static char *dead_words(const struct telling *t, const struct finding *f)
{
    const struct history_epoch *e = epoch_of(t, f);
    char *names = xstrdup("");
    int n = 0;

    for (int s = 0; s < t->h->n_series; s++) {
        if (!verdict_is_dead(t->h, e, s, t->limits) || n++ >= NAMES_MOST)
            continue;
        char *longer = xasprintf("%s%s%s", names, *names ? ", " : "",
                                 t->h->series[s].layer);
        free(names);
        names = longer;
    }
    char *words = xasprintf("%d dead layer%s: nothing but zeros in %s%s", n,
                            n == 1 ? "" : "s", names,
                            n > NAMES_MOST ? " and others" : "");
    free(names);
    return words;
}

static char *diverged_words(const struct telling *t, const struct finding *f)
{
    const struct history_epoch *e = f ? epoch_of(t, f) : NULL;

    if (!f)
        return xstrdup("training diverged: the loss was not a number");
    if (f->rule == RULE_LOSS_NONFINITE)
        return xasprintf("training diverged: the loss was not a number in %"
                         PRId64 " of %" PRId64 " steps of epoch %d",
                         e->nonfinite_steps, e->steps, f->epoch);
    if (f->rule == RULE_LOSS_GREW)
        return xasprintf("training diverged: the loss of epoch %d is %.3g",
                         f->epoch, f->loss);
    return xasprintf("training diverged after epoch %d", f->epoch);
}

static char *stalled_words(const struct finding *f)
{
    char *loss = loss_words(f);
    char *words = xasprintf("training stands still: gradients reach all layers,"
        " but %s%s", f->rule == RULE_STILL ? "no weight moves; " : "", loss);
    free(loss);
    return words;
}

static char *healthy_words(const struct telling *t, const struct finding *f)
{
    char *slope = slope_words(t, &f->slope), *loss = loss_words(f);
    char *words = xasprintf("gradients are healthy: %s; %s", slope, loss);
    free(slope);
    free(loss);
    return words;
}

static char *sick_words(const struct telling *t, const struct finding *f,
                        const char *what)
{
    char *slope = slope_words(t, &f->slope);
    char *words = f->rule == RULE_GRADIENT_NONFINITE
        ? xasprintf("%s: at %d layer%s they are no longer numbers", what,
                    f->slope.nonfinite, f->slope.nonfinite == 1 ? "" : "s")
        : xasprintf("%s: %s", what, slope);
    free(slope);
    return words;
}

static char *sentence(const struct telling *t, enum verdict verdict,
                      const struct finding *f)
{
    switch (verdict) {
    case VERDICT_HEALTHY:   return healthy_words(t, f);
    case VERDICT_VANISHING: return sick_words(t, f, "gradients vanish");
    case VERDICT_EXPLODING:
        return sick_words(t, f, "gradients explode towards the input");
    case VERDICT_DEAD:      return dead_words(t, f);
    case VERDICT_STALLED:   return stalled_words(f);
    case VERDICT_DIVERGED:  return diverged_words(t, f);
    default:
        return xstrdup("not known: that takes gradients of three layers of the "
                       "main path");
    }
}

// The sentence, and how the job started if that was otherwise.
static char *summary(const struct telling *t)
{
    const struct findings *f = t->f;
    char *words = sentence(t, f->verdict, f->decides);

    if (f->start.verdict && f->start.verdict != VERDICT_HEALTHY &&
        f->start.verdict != f->verdict) {
        char *layer = layer_words("multiplied them", &f->start.slope);
        char *more = xasprintf("%s. At step 0 gradients were %s: %s", words,
                               verdict_names[f->start.verdict], layer);
        free(layer);
        free(words);
        words = more;
    }
    return words;
}

/* ---- evidence ---- */

static json_t *ends_json(const struct telling *t)
{
    if (t->f->quantity < 0)
        return json_array();
    return json_pack("[s, s]", bottom_layer(t), top_layer(t));
}

static json_t *dead_json(const struct telling *t, const struct finding *f)
{
    json_t *names = json_array();
    for (int s = 0; s < t->h->n_series; s++)
        if (verdict_is_dead(t->h, epoch_of(t, f), s, t->limits))
            json_array_append_new(names, json_string(t->h->series[s].layer));
    return names;
}

// Where the number is from: the quantity and the epoch it was seen in.
static char *row_href(const struct telling *t, const struct finding *f,
                      enum verdict_rule rule, const char *view)
{
    int quantity = verdict_quantity(t->h, t->f, rule);
    char *of = quantity < 0 ? xstrdup("")
        : xasprintf("quantity=%s", job_quantity_names[quantity]);
    char *when = f->epoch ? xasprintf("epochs=%d", f->epoch) : xstrdup("");
    char *href = xasprintf("/api/v1/jobs/%" PRId64 "/%s%s%s%s%s", t->job, view,
                           *of || *when ? "?" : "", of, *of && *when ? "&" : "",
                           when);

    free(of);
    free(when);
    return href;
}

// Takes layers.
static void add_row(json_t *rows, const struct telling *t,
                    const struct finding *f, enum verdict_rule rule,
                    double value, double threshold, json_t *layers,
                    const char *view)
{
    char *href = row_href(t, f, rule, view);

    json_array_append_new(rows, json_pack(
        "{s:s, s:o, s:o, s:o, s:[i], s:s, s:b}", "rule", verdict_rules[rule],
        "value", event_number(value), "threshold", event_number(threshold),
        "layers", layers, "epochs", f->epoch, "href", href,
        "decides", f->rule == rule));
    free(href);
}

static void add_slope(json_t *rows, const struct telling *t,
                      const struct finding *f)
{
    const struct slope *s = &f->slope;
    const struct verdict_limits *l = t->limits;

    if (s->n < 2)
        return;
    add_row(rows, t, f, RULE_SLOPE, s->decades,
            s->decades > 0 ? l->exploding_slope : l->vanishing_slope,
            ends_json(t), "profile");
    add_row(rows, t, f, RULE_RATIO, s->ratio,
            s->ratio > 0 ? l->exploding_ratio : l->vanishing_ratio,
            ends_json(t), "profile");
    if (s->nonfinite)
        add_row(rows, t, f, RULE_GRADIENT_NONFINITE, s->nonfinite, 0,
                ends_json(t), "profile");
}

static json_t *evidence(const struct telling *t)
{
    const struct finding *f = t->f->decides;
    json_t *rows = json_array();

    if (t->f->start.verdict)
        add_slope(rows, t, &t->f->start);
    if (!f)
        return rows;
    const struct history_epoch *e = epoch_of(t, f);
    add_slope(rows, t, f);
    if (f->n_dead)
        add_row(rows, t, f, RULE_ZEROS, f->n_dead, 0, dead_json(t, f),
                "gradients");
    add_row(rows, t, f, RULE_LOSS, f->loss, verdict_loss_needed(f, t->limits),
            json_array(), "metrics");
    if (f->still)
        add_row(rows, t, f, RULE_STILL, 0, 0, json_array(), "gradients");
    if (e->nonfinite_steps)
        add_row(rows, t, f, RULE_LOSS_NONFINITE, (double)e->nonfinite_steps, 0,
                json_array(), "metrics");
    if (f->rule == RULE_LOSS_GREW)
        add_row(rows, t, f, RULE_LOSS_GREW, f->loss / f->loss_start,
                t->limits->diverged_loss, json_array(), "metrics");
    return rows;
}

static json_t *limits_json(const struct verdict_limits *l)
{
    json_t *out = json_object();
#define X(name, key, value, least, most, text)                                 \
    json_object_set_new(out, #name, json_real(l->name));
    VERDICT_LIMITS(X)
#undef X
    return out;
}

static json_t *epochs_json(const struct telling *t)
{
    json_t *out = json_array();
    for (int i = 0; i < t->f->n_epochs; i++)
        json_array_append_new(out, json_pack("{s:i, s:s, s:s}",
            "epoch", t->f->epochs[i].epoch,
            "verdict", verdict_names[t->f->epochs[i].verdict],
            "rule", verdict_rules[t->f->epochs[i].rule]));
    return out;
}

json_t *view_verdict(const struct history *h, const struct view_query *q,
                     struct error *err)
{
    struct findings f;
    struct telling t = { .h = h, .f = &f, .job = q->job,
                         .limits = q->limits ? q->limits : &verdict_defaults };

    (void)err;
    verdict_find(h, t.limits, &f);
    char *words = summary(&t);
    json_t *start = f.start.verdict
        ? json_pack("{s:i, s:s, s:s}", "step", 0, "verdict",
                    verdict_names[f.start.verdict],
                    "rule", verdict_rules[f.start.rule])
        : json_null();
    json_t *out = json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o}",
        "job", (json_int_t)q->job, "verdict", verdict_names[f.verdict],
        "summary", words, "evidence", evidence(&t),
        "epochs", epochs_json(&t), "start", start,
        "limits", limits_json(t.limits));
    free(words);
    verdict_clear(&f);
    return out;
}
