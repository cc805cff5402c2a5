/* common/job_schema.h: a job spec as a JSON Schema (draft 2020-12), from the
 * table of fields: what documents and other programs check against. */
#pragma once
#include <jansson.h>

// Of a spec as it is stored, where every field is there; or, not `whole`, as
// clients write it: any subset, and "preset". Caller owns.
json_t *job_schema(int whole);
