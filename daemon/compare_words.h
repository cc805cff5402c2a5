/* daemon/compare_words.h: comparisons as JSON and as sentences. For compare.c
 * alone. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include "daemon/statistics.h"

struct comparison {
    const char     *layer;              // borrowed
    double          decades;            // log10 of the second over the first
    struct interval interval;           // of decades, 95 %
    double          p, q;
    double          p_least, q_least;   // that so few could give
    int             units;              // pairs of steps, or runs
    bool            runs;
};

// in: "without skips", "in job 2". Callers own what is returned.
json_t *comparison_json(const struct comparison *c, const char *in);
char   *comparison_summary(const struct comparison *all, int n,
                           const char *in);
