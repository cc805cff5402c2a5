/* daemon/sweep.h: a matrix of jobs out of one spec.
 *
 * {"model.skip": [true, false], "train.seed": [0, 1, 2]} makes six specs: every
 * combination of the values, the last field's changing fastest. Each has a name
 * that says which it is.
 */
#pragma once
#include <jansson.h>

// An array of up to JOB_MAX_SWEEP specs; or NULL and, in *problem, what is
// wrong: {"pointer", "value", "message"}. Whether a spec is good is not looked
// at. The caller owns both.
json_t *sweep_expand(const json_t *spec, const json_t *sweep,
                     json_t **problem);

// "skip=true seed=3" of a spec that came of the sweep. Caller frees.
char *sweep_words(const json_t *spec, const json_t *sweep);

// The jobs of a group, as the API serves them, by what they differ in other
// than seeds: [{"label", "jobs", "seeds"}, ...], oldest first. `label` has the
// fields in which sets differ, "skip=true norm=batch", and is "" when there is
// one set. Caller owns.
json_t *sweep_sets(const json_t *jobs);
