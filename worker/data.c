#include "worker/data.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/rng.h"
#include "worker/augment.h"
#include "worker/data_kind.h"

static data_opener *const openers[] = {
    [SOURCE_SYNTHETIC] = data_synth_open,
    [SOURCE_FOLDER] = data_folder_open,
    [SOURCE_CIFAR10] = data_cifar_open,
};

void data_progress(const struct data_watch *w, int64_t images, int64_t of)
{
    if (w && w->progress)
        w->progress(w->arg, images, of);
}

void data_warning(const struct data_watch *w, const char *code,
                  const char *path, const char *reason)
{
    if (w && w->warning)
        w->warning(w->arg, code, path, reason);
}

bool data_stopped(const struct data_watch *w)
{
    return w && w->stopped && w->stopped(w->arg);
}

int data_open(const struct job *job, const char *root_dir,
              const struct data_cache *cache, const struct data_watch *watch,
              struct data **out, struct error *err)
{
    struct data *d = xcalloc(1, sizeof *d);

    d->hold = xcalloc(1, sizeof *d->hold);
    d->side = job->data.image_size;
    d->augment = job->data.augment;
    d->seed = job->train.seed;
    int rc = openers[job->data.source](d, job, root_dir, cache, watch,
                                       err);
    if (rc != 0) {
        data_close(d);
        d = NULL;
    }
    *out = d;
    return rc;
}

void data_close(struct data *d)
{
    if (!d)
        return;
    for (int c = 0; d->classes && c < d->n_classes; c++)
        free(d->classes[c]);
    free(d->classes);
    if (d->hold->close)
        d->hold->close(d);
    free(d->hold->picked);
    free(d->hold->renumbered);
    free(d->hold);
    free(d);
}

struct draw { uint64_t bits; int32_t image; };

static int by_bits(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;

    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

void data_order(const struct data *d, uint64_t seed, int epoch, bool shuffle,
                int32_t *order)
{
    if (!shuffle) {
        for (int32_t i = 0; i < d->n; i++)
            order[i] = i;
        return;
    }
    struct draw *draw = xmalloc(sizeof *draw * d->n);
    for (int32_t i = 0; i < d->n; i++)
        draw[i] = (struct draw) {
            .bits = rng_bits(seed, STREAM_ORDER + epoch, i), .image = i,
        };
    qsort(draw, d->n, sizeof *draw, by_bits);
    for (int32_t i = 0; i < d->n; i++)
        order[i] = draw[i].image;
    free(draw);
}

void data_batch(const struct data *d, int epoch, const int32_t *index, int n,
                uint8_t *pixels, int32_t *labels)
{
    size_t one = (size_t)d->side * d->side * 3;
    uint8_t *made = d->pixels ? NULL : xmalloc(one);

    for (int k = 0; k < n; k++, pixels += one) {
        int32_t image = d->picked ? d->picked[index[k]] : index[k];
        const uint8_t *from = made;
        if (made)
            d->hold->render(d, image, made);
        else
            from = d->pixels + one * (size_t)image;
        augment_rgb(pixels, from, d->side, d->augment, d->seed, epoch, image);
        labels[k] = d->labels[image];
    }
    free(made);
}
