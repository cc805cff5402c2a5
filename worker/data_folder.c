/* worker/data_folder.c: data.source "folder".
 *
 * Lists the folder, takes the pack that an earlier job left, or decodes all
 * images into one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/folder.h"
#include "common/mem.h"
#include "worker/data_kind.h"
#include "worker/decode.h"
#include "worker/pack.h"

#define GIB (1024.0 * 1024 * 1024)
static const double progress_every_seconds = 0.05;

struct loading {
    const struct folder     *f;
    const struct data_watch *watch;
    struct pack_writer      *w;
    bool                     keep;      // nothing failed that may yet work
    double                   told;      // clock_seconds() of the last progress
};

static int take_image(void *arg, const struct decoded *d, struct error *err)
{
    struct loading *l = arg;
    const struct folder_image *im = &l->f->images[d->image];
    int rc = 0;

    if (d->pixels) {
        rc = pack_add(l->w, d->pixels, im->label, err);
    } else {
        pack_add_broken(l->w, im->path, d->why);
        data_warning(l->watch, "broken_image", im->path, d->why);
        if (d->passing)
            l->keep = false;
    }
    double now = clock_seconds();
    if (now - l->told >= progress_every_seconds ||
        d->image + 1 == l->f->n_images) {
        l->told = now;
        data_progress(l->watch, d->image + 1, l->f->n_images);
    }
    return rc;
}

static int look_up(void *arg, struct error *err)
{
    struct loading *l = arg;

    if (data_stopped(l->watch))
        return fail(err, ERR_STATE, "stopped while decoding images");
    return 0;
}

// True when the pack can be kept, after others made place for it.
static bool make_room(const struct folder *f, int side,
                      const struct data_cache *cache,
                      const struct data_watch *watch)
{
    uint64_t bytes = pack_bytes(f->n_images, side);
    char why[160];

    if (pack_make_room(cache->dir, bytes, cache->most_bytes))
        return true;
    snprintf(why, sizeof why, "the decoded images are not kept for later jobs: "
             "they take %.2f GiB, the limit of the cache is %.2f GiB",
             (double)bytes / GIB, (double)cache->most_bytes / GIB);
    data_warning(watch, "cache", NULL, why);
    return false;
}

static int make_pack(const struct folder *f, struct pack_key key, int side,
                     const struct data_cache *cache,
                     const struct data_watch *watch, struct pack **out,
                     struct error *err)
{
    struct loading l = { .f = f, .watch = watch };
    const struct decode_opts opts = { .side = side };
    const struct decode_sink sink = {
        .image = take_image, .tick = look_up, .arg = &l,
    };

    l.keep = cache && make_room(f, side, cache, watch);
    int rc = pack_begin(cache ? cache->dir : NULL, key, side, f->n_images, &l.w,
                        err);
    if (rc != 0)
        return rc;
    rc = decode_folder(f, &opts, &sink, err);
    if (rc != 0) {
        pack_cancel(l.w);
        return rc;
    }
    return pack_finish(l.w, l.keep, out, err);
}

// The pack of the folder: an earlier job's, or a new one.
static int get_pack(const struct folder *f, int side,
                    const struct data_cache *cache,
                    const struct data_watch *watch, struct pack **out,
                    struct error *err)
{
    struct pack_key key = pack_key(f, side);

    if (cache) {
        struct error why = { 0 };
        int rc = pack_open(cache->dir, key, side, out, &why);
        if (rc == 0) {
            for (int64_t i = 0; i < (*out)->n_broken; i++)
                data_warning(watch, "broken_image", (*out)->broken[i].path,
                             (*out)->broken[i].why);
            return 0;
        }
        if (rc != ERR_NOT_FOUND)
            data_warning(watch, "cache", NULL, why.text);
    }
    return make_pack(f, key, side, cache, watch, out, err);
}

static void close_pack(struct data *d)
{
    pack_close(d->hold->pack);
}

int data_folder_open(struct data *d, const struct job *job,
                     const char *root_dir, const struct data_cache *cache,
                     const struct data_watch *watch, struct error *err)
{
    struct folder *f = NULL;
    struct pack *pack = NULL;
    int rc = folder_scan(root_dir, job->data.path, &f, err);

    if (rc != 0)
        return rc;
    folder_limit(f, job->data.limit, job->train.seed);
    rc = get_pack(f, d->side, cache, watch, &pack, err);
    if (rc != 0)
        goto out;
    d->hold->pack = pack;
    d->hold->close = close_pack;
    if (pack->n == 0) {
        rc = fail(err, ERR_DATA, "none of the %" PRId64 " images in %s can be "
                  "used; %s: %s", f->n_images, f->dir, pack->broken[0].path,
                  pack->broken[0].why);
        goto out;
    }
    d->n = pack->n;
    d->pixels = pack->pixels;
    d->labels = pack->labels;
    d->broken = pack->n_broken;
    d->n_classes = f->n_classes;
    d->classes = f->classes;
    f->classes = NULL;                  // handed over
    f->n_classes = 0;
out:
    folder_free(f);
    return rc;
}
