/* worker/data_synth.c: data.source "synthetic". */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/mem.h"
#include "worker/data_kind.h"
#include "worker/resize.h"
#include "worker/texture.h"

enum { AT_ONCE = 1 << 30 };     // bytes; larger sets are rendered by batch

static void render(const struct data *d, int64_t i, uint8_t *pixels)
{
    int size = d->hold->texture_size, classes = d->hold->texture_classes;

    if (size == d->side) {
        texture_render(pixels, size, classes, d->seed, i);
        return;
    }
    uint8_t *full = xmalloc((size_t)size * size * 3);
    texture_render(full, size, classes, d->seed, i);
    resize_rgb(pixels, d->side, d->side, full, size, size);
    free(full);
}

static int render_all(struct data *d, const struct data_watch *watch,
                      struct error *err)
{
    size_t one = (size_t)d->side * d->side * 3, all = one * (size_t)d->n;

    if (all > AT_ONCE)
        return 0;
    uint8_t *map = mmap(NULL, all, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return fail(err, ERR_IO, "no memory for %" PRId64 " synthetic images "
                    "of %d px (%zu bytes): %s", d->n, d->side, all,
                    strerror(errno));
    d->hold->map = map;
    d->hold->map_bytes = all;
    for (int64_t i = 0; i < d->n; i++) {
        render(d, i, map + one * (size_t)i);
        if (i % 64 == 0)
            data_progress(watch, i, d->n);
        if (data_stopped(watch))
            return fail(err, ERR_STATE, "stopped while rendering images");
    }
    data_progress(watch, d->n, d->n);
    d->pixels = map;
    return 0;
}

static void close_synth(struct data *d)
{
    if (d->hold->map)
        munmap(d->hold->map, d->hold->map_bytes);
    free(d->hold->labels);
}

int data_synth_open(struct data *d, const struct job *job,
                    const char *root_dir, const struct data_cache *cache,
                    const struct data_watch *watch, struct error *err)
{
    (void)root_dir;
    (void)cache;
    int classes = job->data.synthetic.classes;

    // The first images of the set are even over classes as they come.
    d->n = job->data.synthetic.images;
    if (job->data.limit > 0 && job->data.limit < d->n)
        d->n = job->data.limit;
    d->n_classes = classes;
    d->classes = xcalloc(classes, sizeof *d->classes);
    for (int c = 0; c < classes; c++)
        d->classes[c] = xasprintf("texture-%03d", c);
    d->hold->labels = xmalloc(sizeof *d->hold->labels * d->n);
    for (int64_t i = 0; i < d->n; i++)
        d->hold->labels[i] = (int32_t)(i % classes);
    d->labels = d->hold->labels;
    d->hold->render = render;
    d->hold->close = close_synth;
    d->hold->texture_classes = classes;
    d->hold->texture_size = job->data.synthetic.size;
    return render_all(d, watch, err);
}
