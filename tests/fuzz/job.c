// A job spec as it comes: read, checked, written, and read again to the same.
#include <stdint.h>
#include <stdlib.h>

#include "common/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = { 0 };
    json_t *problems = NULL, *spec = job_load_text((const char *)data, size,
                                                   &err);
    if (!spec)
        return 0;
    struct job *job = job_parse(spec, &problems);
    if (job) {
        json_t *once = job_to_json(job), *none = NULL;
        struct job *again = job_parse(once, &none);
        json_t *twice = again ? job_to_json(again) : NULL;
        if (!twice || !json_equal(once, twice))
            abort();
        json_decref(once);
        json_decref(twice);
        job_free(again);
    } else if (!json_array_size(problems)) {
        abort();                // refused without a reason
    }
    json_decref(problems);
    job_free(job);
    json_decref(spec);
    return 0;
}
