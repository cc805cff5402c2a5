/* worker/checkpoint_dir.c: the checkpoints of a run, a file each. */
#include "worker/checkpoint.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

static const char stem[] = "epoch-", tail[] = ".tmp";

static int descending(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

// The epoch of a checkpoint's name, -1 of any other.
static int epoch_of(const char *name)
{
    char back[CHECKPOINT_NAME];
    bool begins = !strncmp(name, stem, sizeof stem - 1);
    int epoch = begins ? atoi(name + sizeof stem - 1) : -1;
    checkpoint_name(epoch < 0 ? 0 : epoch, back);
    return strcmp(back, name) ? -1 : epoch;
}

int checkpoint_list(const char *dir, int **epochs)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    *epochs = NULL;
    while (d && (e = readdir(d))) {
        int epoch = epoch_of(e->d_name);
        if (epoch < 0)
            continue;
        *epochs = xrealloc(*epochs, (size_t)(n + 1) * sizeof **epochs);
        (*epochs)[n++] = epoch;
    }
    if (d)
        closedir(d);
    if (n)
        qsort(*epochs, (size_t)n, sizeof **epochs, descending);
    return n;
}

static void drop(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);

    unlink(path);                       // if not, it only takes space
    free(path);
}

static void drop_half_written(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        size_t len = strlen(e->d_name), n = sizeof tail - 1;
        if (len > n &&
            !strcmp(e->d_name + len - n, tail))
            drop(dir, e->d_name);
    }
    if (d)
        closedir(d);
}

int checkpoint_measure(const char *path, struct checkpoint_file *out,
                       struct error *err)
{
    FILE *f = fopen(path, "re");
    char chunk[1 << 15];
    struct sha256 sha;
    size_t n;

    if (!f)
        return fail(err, ERR_IO, "cannot open %s", path);
    const char *name = strrchr(path, '/');
    snprintf(out->name, sizeof out->name, "%s", name ? name + 1 : path);
    out->bytes = 0;
    sha256_begin(&sha);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        sha256_add(&sha, chunk, n);
        out->bytes += (int64_t)n;
    }
    sha256_end(&sha, out->sha256);
    int rc = ferror(f) ? fail(err, ERR_IO, "cannot read %s", path) : 0;
    fclose(f);
    return rc;
}

void checkpoint_prune(const char *dir, int last, int keep, bool initial)
{
    char name[CHECKPOINT_NAME];
    int *epochs, n = checkpoint_list(dir, &epochs);

    for (int i = 0, newer = 0; i < n; i++) {
        newer += epochs[i] <= last;
        bool stays = epochs[i] <= last && newer <= keep;
        if (stays || (initial && epochs[i] == 0))
            continue;
        checkpoint_name(epochs[i], name);
        drop(dir, name);
    }
    free(epochs);
    drop_half_written(dir);
    drop(dir, checkpoint_partial);
}
