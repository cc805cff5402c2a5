/* worker/data_validation.c: images to try a network on: a share that is held
 * out, or others, whose classes go by the numbers that training gives them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rng.h"
#include "worker/data_kind.h"
#include "worker/select.h"

// The images that are, or are not, chosen. Caller owns.
static int32_t *pick(const bool *chosen, int64_t all, bool want, int64_t *n)
{
    int32_t *out = xcalloc((size_t)all + 1, sizeof *out);

    *n = 0;
    for (int64_t i = 0; i < all; i++)
        if (chosen[i] == want)
            out[(*n)++] = (int32_t)i;
    return out;
}

// Of each class the share, rounded, but never all of it.
static int hold_out(struct data *d, double share, struct data **out,
                    struct error *err)
{
    int64_t *count = xcalloc((size_t)d->n_classes, sizeof *count), n, held;
    bool *chosen = xcalloc((size_t)d->n, sizeof *chosen);
    struct data *v = xcalloc(1, sizeof *v);

    select_count(d->labels, d->n, d->n_classes, count);
    for (int c = 0; c < d->n_classes; c++)
        count[c] = (int64_t)fmin(floor(share * (double)count[c] + 0.5),
                                 fmax(0, (double)count[c] - 1));
    select_images(d->labels, d->n, d->n_classes, count, d->seed, STREAM_SPLIT,
                  chosen);
    *v = *d;
    v->hold = xcalloc(1, sizeof *v->hold);
    *v->hold = (struct data_hold){ .render = d->hold->render,
        .texture_classes = d->hold->texture_classes,
        .texture_size = d->hold->texture_size, .raw = d->hold->raw };
    v->classes = NULL;                  // d's
    v->picked = v->hold->picked = pick(chosen, d->n, true, &held);
    d->picked = d->hold->picked = pick(chosen, d->n, false, &n);
    d->n = n;
    v->n = held;
    free(chosen);
    free(count);
    if (held > 0) {
        *out = v;
        return 0;
    }
    data_close(v);
    return fail(err, ERR_DATA, "a share of %g of the images is none of them: "
                "every class has too few", share);
}

// The numbers that training gives v's classes; -1 where it has none.
static int class_number(const struct data *d, const char *name)
{
    for (int c = 0; c < d->n_classes; c++)
        if (!strcmp(d->classes[c], name))
            return c;
    return -1;
}

static int renumber(struct data *v, const struct data *d, struct error *err)
{
    int *number = xcalloc((size_t)v->n_classes, sizeof *number), rc = 0;
    int32_t *labels = xcalloc((size_t)v->n, sizeof *labels);

    for (int c = 0; c < v->n_classes && !rc; c++) {
        number[c] = class_number(d, v->classes[c]);
        if (number[c] < 0)
            rc = fail(err, ERR_DATA, "data.validation has a class %s, which "
                      "is not among the %d classes of the images to train on",
                      v->classes[c], d->n_classes);
    }
    for (int64_t i = 0; i < v->n && !rc; i++)
        labels[i] = number[v->labels[i]];
    free(number);
    v->hold->renumbered = labels;
    v->labels = labels;
    return rc;
}

static int open_others(const struct data *d, const struct job *job,
                       const char *root_dir, const struct data_cache *cache,
                       const struct data_watch *watch, struct data **out,
                       struct error *err)
{
    struct job other = *job;            // only its data is looked at

    strcpy(other.data.path, job->data.validation.path);
    other.data.limit = 0;
    other.data.augment = AUGMENT_NONE;
    int rc = data_open(&other, root_dir, cache, watch, out, err);
    if (rc == 0)
        rc = renumber(*out, d, err);
    if (rc != 0) {
        data_close(*out);
        *out = NULL;
    }
    return rc;
}

int data_open_validation(struct data *d, const struct job *job,
                         const char *root_dir, const struct data_cache *cache,
                         const struct data_watch *watch, struct data **out,
                         struct error *err)
{
    int rc = 0;

    *out = NULL;
    if (*job->data.validation.path)
        rc = open_others(d, job, root_dir, cache, watch, out, err);
    else if (job->data.validation.share > 0)
        rc = hold_out(d, job->data.validation.share, out, err);
    if (*out)
        (*out)->augment = AUGMENT_NONE;
    return rc;
}
