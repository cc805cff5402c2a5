#include "daemon/compare_words.h"

#include <math.h>
#include <stdlib.h>

#include "common/event.h"
#include "common/factor.h"
#include "common/mem.h"

static const double RATE = 0.05;        // of false discoveries

// So few steps could not agree, whatever they were.
static bool is_short(const struct comparison *c)
{
    return !c->runs && c->q_least > RATE;
}

// The interval leaves out no difference, and the second opinion agrees. Where
// it cannot, because steps are few, the interval must be away by its own width
// (tests/test_compare.c has how often that is wrong). Nor can it of few runs
// (three a side give no p below 0.1); those are independent.
static bool differs(const struct comparison *c)
{
    double away = fmax(c->interval.low, -c->interval.high);

    if (is_short(c))
        return away > c->interval.high - c->interval.low;
    return away > 0 && (c->runs || c->q <= RATE);
}

// "3.1x smaller without skips, 2.8..3.5".
static char *words(const struct comparison *c, const char *in)
{
    bool smaller = c->decades < 0;
    double sign = smaller ? -1 : 1;
    double near = smaller ? c->interval.high : c->interval.low;
    double far = smaller ? c->interval.low : c->interval.high;

    if (!isfinite(c->decades))
        return xstrdup("not known: too many zeros");
    bool power = factor_is_power(c->decades) || factor_is_power(near) ||
                 factor_is_power(far);
    char *by = factor_text(sign * c->decades, power);
    char *from = factor_text(sign * near, power);
    char *to = factor_text(sign * far, power), *text;
    if (!isfinite(near))
        text = xasprintf("%sx %s %s, from too few steps for an interval", by,
                         smaller ? "smaller" : "larger", in);
    else if (c->decades == 0 && near == 0 && far == 0)
        text = xasprintf("the same %s", in);
    else
        text = xasprintf("%s%sx %s %s, %s..%s",
                         differs(c) ? "" : "perhaps ", by,
                         smaller ? "smaller" : "larger", in, from, to);
    free(by);
    free(from);
    free(to);
    return text;
}

json_t *comparison_json(const struct comparison *c, const char *in)
{
    char *text = words(c, in);
    json_t *out = json_pack("{s:o, s:[o, o], s:o, s:o, s:o, s:i, s:b, s:s}",
        "log10_ratio", event_number(c->decades), "interval",
        event_number(c->interval.low), event_number(c->interval.high),
        "factor", event_number(pow(10, c->decades)), "p", event_number(c->p),
        "q", event_number(c->q), "units", c->units, "differs", differs(c),
        "words", text);
    free(text);
    return out;
}

// "no layer of 4 differs by more than chance".
static char *none_differs(const struct comparison *all, int n,
                          const char *about)
{
    int n_short = 0;

    for (int i = 0; i < n; i++)
        n_short += is_short(&all[i]);
    char *more = n_short ? xasprintf("; %d of them have too few steps to tell "
                                     "a small difference", n_short)
                         : xstrdup("");
    char *out = xasprintf("no layer of %d differs%s by more than chance%s", n,
                          about, more);
    free(more);
    return out;
}

char *comparison_summary(const struct comparison *all, int n, const char *in)
{
    const struct comparison *most = NULL;
    int n_differ = 0;

    for (int i = 0; i < n; i++)
        if (differs(&all[i])) {
            n_differ++;
            if (!most || fabs(all[i].decades) > fabs(most->decades))
                most = &all[i];
        }
    const char *about = n && all[0].runs ? "" : " between these two runs";
    if (!most)
        return none_differs(all, n, about);
    char *text = words(most, in);
    char *out = xasprintf("%d of %d layers differ%s, most %s: %s", n_differ, n,
                          about, most->layer, text);
    free(text);
    return out;
}
