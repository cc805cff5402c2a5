/* worker/data_kind.h: what data.c and the data sets (data_*.c) share. */
#pragma once
#include <stddef.h>
#include "worker/data.h"

// What a struct data lives in; the members not needed stay zero.
struct data_hold {
    void   (*close)(struct data *d);    // frees what follows, if set
    void    *map;               // the textures
    size_t   map_bytes;
    struct pack *pack;          // the decoded images of a folder
    int32_t *labels;            // heap
    int32_t *picked, *renumbered;       // heap; data.c frees them
    uint8_t *raw;               // heap; CIFAR-10's images, (n, 32, 32, 3)
    // Makes image i (side, side, 3) when d->pixels is NULL. Any thread.
    void   (*render)(const struct data *d, int64_t i, uint8_t *pixels);
    int      texture_classes, texture_size;
};

// Opens a data set into d, whose side, augment, seed and empty hold are there.
// On failure data_close() frees what was made so far.
typedef int data_opener(struct data *d, const struct job *job,
                        const char *root_dir, const struct data_cache *cache,
                        const struct data_watch *watch, struct error *err);

data_opener data_folder_open, data_synth_open, data_cifar_open;

// watch's callbacks, each of which may be missing.
void data_progress(const struct data_watch *w, int64_t images, int64_t of);
void data_warning(const struct data_watch *w, const char *code,
                  const char *path, const char *reason);
bool data_stopped(const struct data_watch *w);
