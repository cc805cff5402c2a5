/* daemon/summary.h: what a job's events say about it in a few members: device,
 * parameters, progress, loss, accuracy, error. These are members of the job
 * object of the API, and a column of the jobs table. */
#pragma once
#include <jansson.h>

// Of a job with that many epochs that has not begun. Caller owns.
json_t *summary_new(int epochs);

// What event, one that has passed protocol_check() or is the daemon's own,
// changes.
void    summary_apply(json_t *summary, const json_t *event);

// Epochs whose records are stored; worker deaths since the last of them.
int summary_whole_epochs(const json_t *summary);
int summary_deaths(const json_t *summary);
