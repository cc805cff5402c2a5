/* client/submit.h: the options of `submit`, which are the fields of a job.
 *
 * They are made from the table in common/job.h: a new field there is a new
 * option here.
 */
#pragma once
#include "client/client.h"
#include "common/opts.h"

extern const struct opt submit_opts[5];         // those that are no field

// --preset, and one option a field; the caller owns them (submit_fields_free).
struct opt *submit_fields(int *n);
void        submit_fields_free(struct opt *fields, int n);

// What the command line says, as a spec; NULL after saying what is wrong.
// Caller owns.
json_t *submit_spec(struct client *c);
// The spec in every combination of the values that --sweep gives.
int     submit_sweep(struct client *c, json_t *spec, bool dry);
// Posts a spec to path, says what came of it; *id of the new job.
int     submit_post(struct client *c, const char *path, const json_t *spec,
                    bool dry, json_int_t *id);
