/* worker/record.h: what is kept of an epoch: a number per tap and step.
 *
 * All numbers stay in memory until the epoch ends, in step order and, merged
 * in when asked for, in ascending order too: percentiles are exact, and a live
 * record costs little. Histograms are counted as the numbers come. What comes
 * out are the RECORDs of docs/events.md.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "common/job.h"

struct record_tap { const char *layer; enum job_quantity quantity; };

struct record_opts {
    const struct record_tap *taps;  // borrowed; ordered by quantity, then layer
    int      n_taps;
    unsigned quantities;            // bits 1 << QUANTITY_, as in the job
    int      samples;               // a layer and epoch; 0 = all
    bool     early_steps;
    uint64_t seed;
};

struct record;                      // of one run; owns the numbers it keeps

struct record *record_new(const struct record_opts *o);
void    record_free(struct record *r);

void    record_begin(struct record *r, int epoch);      // forgets the last one
// The next step of the epoch: its loss and a number per tap, not negative.
void    record_add(struct record *r, double loss, const double *values);

// {"grad_out": {"conv1": RECORD, ...}, ...} of the steps so far. Caller owns.
// live: without samples.
json_t *record_quantities(struct record *r, bool live);
// The member "early" of the epoch event. Caller owns. NULL when this epoch has
// none.
json_t *record_early(const struct record *r);

// Seconds spent in the functions above since record_begin().
double  record_seconds(const struct record *r);
