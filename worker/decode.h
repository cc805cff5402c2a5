/* worker/decode.h: all images of a folder, decoded by child processes.
 *
 * A decoder that crashes, hangs or eats memory costs one image, never the job;
 * one that met a broken image, and may be broken by it, is not used again.
 * The children are forked from the caller (so: before it has threads that
 * hold locks), get one open file at a time and can open none (seal.h), and are
 * gone when decode_folder() returns or the caller dies.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/folder.h"
#include "worker/image.h"

struct decode_opts {
    int    side;                // of the pixels handed over
    int    children;            // 0 = the cores this process may use
    double deadline_seconds;    // for one image; 0 = 20
    // NULL = image_decode(); tests put decoders here that crash or hang.
    int  (*decode)(const uint8_t *file, size_t len, int side, uint8_t *out,
                   char why[IMAGE_WHY]);
};

// What became of an image.
struct decoded {
    int64_t        image;       // index in folder.images
    const uint8_t *pixels;      // (side, side, 3), for the call; NULL: broken
    const char    *why;         // then the reason
    bool           passing;     // then: not the file's fault for certain (it
                                // could not be read, the child was killed),
                                // so another time it may work
};

struct decode_sink {
    // Every image, in the folder's order. Not 0 ends the work with it.
    int  (*image)(void *arg, const struct decoded *d, struct error *err);
    // At least some times a second; not 0 ends the work with it. May be NULL.
    int  (*tick)(void *arg, struct error *err);
    void *arg;
};

// 0, what the sink returned, or ERR_IO when no child can be started.
int decode_folder(const struct folder *f, const struct decode_opts *opts,
                  const struct decode_sink *sink, struct error *err);
