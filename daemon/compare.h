/* daemon/compare.h: how much larger are the norms of one job than another's?
 *
 * One job against one: the unit is a step. Of every epoch that both have, the
 * kept samples are paired by rank in time (the k-th of one with the k-th of the
 * other); each pair gives a log10 ratio, in time order a series. Its median is
 * the answer, the moving-block bootstrap its interval. Jobs rarely keep the
 * same steps of a layer (the draw depends on the layer's place, which a
 * downsample shifts), and steps that far apart have little in common but the
 * trend, which ranks keep. Such an interval is about these two runs: it says
 * nothing of what another seed would give.
 *
 * Three or more jobs against three or more: the unit is a run, of which the
 * median over epochs of log10(median) is taken. The interval is Welch's, and
 * about the two kinds of jobs.
 */
#pragma once
#include "daemon/views.h"

struct compare_run;             // what comparing needs of a job: copies

// Of the whole epochs. quantity -1: the first that is recorded. ERR_USAGE when
// the job does not record it. Free with compare_free().
int  compare_take(const struct history *h, int64_t job, int quantity,
                  struct compare_run **out, struct error *err);
void compare_free(struct compare_run *run);
// Whole epochs that it has.
int  compare_epochs(const struct compare_run *run);
int  compare_quantity(const struct compare_run *run);

// The n_b runs over the n_a. Shape: docs/views.md. ERR_USAGE when the numbers
// of runs do not fit, they share no epoch or no layer, or a glob of the query
// matches nothing. Caller owns.
json_t *compare_runs(struct compare_run *const *a, int n_a,
                     struct compare_run *const *b, int n_b,
                     const struct view_query *q, struct error *err);
