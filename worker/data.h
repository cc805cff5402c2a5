/* worker/data.h: the images of a job, decoded, resized and ready to be copied
 * into a batch.
 *
 * data_open() does all the slow work: it lists a folder, decodes its images in
 * sandboxed children (decode.h), keeps them in a cache file that later jobs
 * map (pack.h), or renders the synthetic textures (synth.h). After it nothing
 * can fail. Images are numbered 0..n-1 in the order of the sorted list, broken
 * ones left out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/job.h"

// What data_open() tells while it works, on the caller's thread. Any may be
// NULL.
struct data_watch {
    // At most some tens of times a second, and once at the end. Not called
    // when the cache has the images already.
    void (*progress)(void *arg, int64_t images, int64_t of);
    // code: "broken_image", or "cache" for a damaged cache file that is made
    // anew, and for images that do not fit in. path: below the data set's
    // directory; NULL when it is about none.
    void (*warning)(void *arg, const char *code, const char *path,
                    const char *reason);
    // Asked now and then; true ends data_open() with ERR_STATE.
    bool (*stopped)(void *arg);
    void *arg;
};

// Where decoded images are kept for later jobs.
struct data_cache {
    const char *dir;                    // made if it is not there
    uint64_t    most_bytes;             // of all files in it
};

struct data {                           // read-only outside worker/data*.c
    int64_t        n;                   // usable images, 1..2^31-1
    int            side;                // pixels are (n, side, side, 3) bytes
    int            n_classes;
    char         **classes;             // names, sorted
    const int32_t *labels;              // (n), 0..n_classes-1
    const uint8_t *pixels;              // (n, side, side, 3), RGB; NULL where
                                        // images are made when they are asked
                                        // for: use data_batch()
    const int32_t *picked;              // (n): where image i is in the two
                                        // above, which hold more; NULL: at i
    int64_t        broken;              // images that were left out
    enum job_augment augment;           // of the job
    uint64_t       seed;                // train.seed
    struct data_hold *hold;             // what the above lives in
};

// root_dir: absolute directory of data.root; unused (NULL) for the synthetic
// set. cache NULL keeps decoded images in memory for this run only. ERR_DATA:
// no usable image; ERR_FULL: no space in cache->dir; ERR_IO; ERR_STATE:
// watch->stopped said so. Caller closes *out.
int  data_open(const struct job *job, const char *root_dir,
               const struct data_cache *cache, const struct data_watch *watch,
               struct data **out, struct error *err);
void data_close(struct data *d);        // NULL is fine

// The images of data.validation, which are never augmented, or NULL in *out
// when the job has none. A share of d's images is taken out of d: of each class
// those whose bits(seed, STREAM_SPLIT + class, position in the class) are
// smallest. Others are opened as data_open() does; their classes must be among
// d's, and go by d's numbers. Close *out before d.
int  data_open_validation(struct data *d, const struct job *job,
                          const char *root_dir, const struct data_cache *cache,
                          const struct data_watch *watch, struct data **out,
                          struct error *err);

// The order of an epoch (1, 2, ...) into order (n). Shuffled: sorted by
// rng_bits(seed, STREAM_ORDER + epoch, image), ties by image; else 0, 1, 2...
void data_order(const struct data *d, uint64_t seed, int epoch, bool shuffle,
                int32_t *order);

// Copies the images index[0..n-1] to pixels (n, side, side, 3) and their
// labels to labels (n), augmented as the job says: the same image in the same
// epoch always comes out the same. Safe from several threads.
void data_batch(const struct data *d, int epoch, const int32_t *index, int n,
                uint8_t *pixels, int32_t *labels);
