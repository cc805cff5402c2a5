/* common/job_probe.c: record.probe, "none", "epochs" or a list of steps. */
#include "common/job_kind.h"

#include <math.h>
#include <string.h>

static struct job_probe *probe_of(struct job *job)
{
    return &job->record.probe;
}

static int probe_read(const struct job_field *f, const json_t *v,
                      struct job *job)
{
    struct job_probe *p = probe_of(job);

    *p = (struct job_probe){ 0 };
    if (json_is_string(v)) {
        p->epochs = !strcmp(json_string_value(v), "epochs");
        return p->epochs || !strcmp(json_string_value(v), "none") ? READ_FINE
                                                                : READ_WRONG;
    }
    if (!json_is_array(v) || json_array_size(v) > JOB_MAX_LIST)
        return READ_WRONG;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *step = json_array_get(v, i);
        double x = json_number_value(step);

        if (!json_is_number(step) || !(x >= f->low && x <= f->high) ||
            x != floor(x))
            return (int)i;
        p->steps[p->n_steps++] = (int64_t)x;
    }
    return READ_FINE;
}

static json_t *probe_write(const struct job_field *f, const struct job *job)
{
    const struct job_probe *p = &job->record.probe;
    json_t *list = json_array();

    (void)f;
    for (int i = 0; i < p->n_steps; i++)
        json_array_append_new(list, json_integer(p->steps[i]));
    if (p->n_steps)
        return list;
    json_decref(list);
    return json_string(p->epochs ? "epochs" : "none");
}

const struct job_kind kind_probe = {
    .read = probe_read, .write = probe_write, .list = true,
    .wants = "none, epochs, or a list of at most 256 steps of the run from %",
};
