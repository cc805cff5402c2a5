/* worker/pack.h: decoded images in one file that later jobs map.
 *
 * The name of a pack is a hash of all it depends on (the listing with sizes
 * and times, the size of the pixels), so a changed data set has another one,
 * and the file may be deleted at any time. It is written under a temporary
 * name, synced and renamed: whole or not at all, and two jobs that make the
 * same one do not disturb each other. Everything in it is under a checksum,
 * looked at when it is opened. What a folder of them may take is bounded: those
 * that were unused for longest make place for new ones.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "common/folder.h"

struct pack_key { uint64_t word[2]; };

struct pack_broken { const char *path, *why; };

struct pack {                           // read-only outside pack.c
    int64_t             n, n_broken;
    const uint8_t      *pixels;         // (n, side, side, 3)
    const int32_t      *labels;         // (n)
    struct pack_broken *broken;         // images left out; texts are mapped
    void               *map;
    size_t              map_bytes;
};

struct pack_key pack_key(const struct folder *f, int side);

// Bytes of a pack of n images, but for the names of broken ones.
uint64_t pack_bytes(int64_t n, int side);

// Removes the packs in dir that were unused for longest until so many bytes
// more stay within `most` and find room on the disk. False: not even alone they
// stay within it (nothing is removed), or what is just written takes the place.
bool pack_make_room(const char *dir, uint64_t bytes, uint64_t most);

// ERR_NOT_FOUND when there is none; ERR_DATA when it is damaged: it must be
// made anew. Caller closes *out.
int  pack_open(const char *dir, struct pack_key key, int side,
               struct pack **out, struct error *err);
void pack_close(struct pack *p);        // NULL is fine

struct pack_writer;

// Starts a pack of at most n images in dir, which is made if need be; dir NULL
// keeps it in memory. ERR_FULL when there is no room for so many. Ends with
// pack_finish() or pack_cancel().
int  pack_begin(const char *dir, struct pack_key key, int side, int64_t n,
                struct pack_writer **out, struct error *err);
int  pack_add(struct pack_writer *w, const uint8_t *pixels, int32_t label,
              struct error *err);
void pack_add_broken(struct pack_writer *w, const char *path, const char *why);

// Takes w. keep: later jobs may use it; else it is gone with *out.
int  pack_finish(struct pack_writer *w, bool keep, struct pack **out,
                 struct error *err);
void pack_cancel(struct pack_writer *w);        // takes w; NULL is fine
