/* daemon/submit.h: a job as it comes in: read, checked, described.
 *
 * common/job.c knows the fields; here is what only the daemon knows: which
 * data roots there are, what lies below them, and whether the network that was
 * asked for can be built. Nothing is decoded and no device is touched. */
#pragma once
#include "daemon/http.h"

// The job in the request's body, or NULL with the problem in rp. Caller frees.
struct job *submit_read(struct request *rq, struct reply *rp);
// The same from a spec; of a request's body: an object, or NULL.
struct job *submit_check(struct request *rq, const json_t *spec,
                         struct reply *rp);
json_t     *submit_body(struct request *rq, struct reply *rp);

// {"spec", "parameters", "layers", "steps_per_epoch", "memory_bytes"} of a job
// that submit_read() has passed; looks through its data set's folders. NULL
// with the problem in rp. Caller owns.
json_t *submit_plan(struct request *rq, const struct job *job,
                    struct reply *rp);

// A 422 with one error.
__attribute__((format(printf, 4, 5)))
void submit_refuse(struct reply *rp, const char *pointer, json_t *value,
                   const char *fmt, ...);

// [{"name", "shape", "depth", "main"}, ...] of a graph, as in `started`.
struct graph;
json_t *submit_layers(const struct graph *g);
