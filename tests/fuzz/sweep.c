// The body of a sweep: no more jobs than may be, of each a spec that reads the
// same as it is, or a mistake that is told.
#include <stdint.h>
#include <stdlib.h>

#include "common/job.h"
#include "daemon/sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *job_of(const json_t *spec, size_t i)
{
    json_t *problems = NULL, *stored = NULL;
    struct job *job = job_parse(spec, &problems);

    if (job)
        stored = json_pack("{s:I, s:o}", "id", (json_int_t)i + 1, "spec",
                           job_to_json(job));
    else if (!json_array_size(problems))
        abort();                // refused without a reason
    json_decref(problems);
    job_free(job);
    return stored;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = { 0 };
    json_t *body = job_load_text((const char *)data, size, &err);
    const json_t *spec = json_object_get(body, "spec");
    const json_t *sweep = json_object_get(body, "sweep");
    json_t *problem = NULL, *one, *jobs = json_array();
    // What the route looks at before.
    json_t *specs = json_is_object(spec) ? sweep_expand(spec, sweep, &problem)
                                         : NULL;
    size_t i;

    if (json_is_object(spec) && !specs != (problem != NULL))
        abort();
    if (json_array_size(specs) > JOB_MAX_SWEEP)
        abort();
    json_array_foreach(specs, i, one) {
        json_t *job = job_of(one, i);
        if (job)
            json_array_append_new(jobs, job);
        free(sweep_words(one, sweep));
    }
    json_decref(sweep_sets(jobs));
    json_decref(jobs);
    json_decref(specs);
    json_decref(problem);
    json_decref(body);
    return 0;
}
