/* common/job_init.c: model.init: a rule for the first weights, or the job whose
 * newest checkpoint they come from. */
#include "common/job_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char stem[] = "checkpoint:";
static const char *const rules[] = { "pytorch", "kaiming" };

// The id in "checkpoint:7", written as a number is: 0 when it is none.
static int64_t id_in(const char *text, double most)
{
    char back[24];
    int64_t id = 0;

    if (strncmp(text, stem, sizeof stem - 1) ||
        sscanf(text + sizeof stem - 1, "%18" SCNd64, &id) != 1)
        return 0;
    snprintf(back, sizeof back, "%" PRId64, id);
    return id > 0 && (double)id <= most &&
           !strcmp(back, text + sizeof stem - 1) ? id : 0;
}

static int init_read(const struct job_field *f, const json_t *v,
                     struct job *job)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    int64_t id = id_in(text, f->high);

    if (id) {
        job->model.init = INIT_CHECKPOINT;
        job->model.init_job = id;
        return READ_FINE;
    }
    for (int i = 0; i < INIT_CHECKPOINT; i++)
        if (!strcmp(rules[i], text)) {
            job->model.init = (enum job_init)i;
            return READ_FINE;
        }
    return READ_WRONG;
}

static json_t *init_write(const struct job_field *f, const struct job *job)
{
    (void)f;
    if (job->model.init == INIT_CHECKPOINT)
        return json_sprintf("%s%" PRId64, stem, job->model.init_job);
    return json_string(rules[job->model.init]);
}

const struct job_kind kind_init = {
    .read = init_read, .write = init_write, .text = true,
    .wants = "one of pytorch, kaiming, checkpoint:ID with the id of a job",
};

int64_t job_init_of(const json_t *spec)
{
    const json_t *init = json_object_get(json_object_get(spec, "model"),
                                         "init");
    const char *text = json_string_value(init);

    return text ? id_in(text, INT64_MAX) : 0;
}
