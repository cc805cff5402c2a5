/* tests/scratch.h: a folder of a test's own, gone after it. */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/mem.h"

// Caller owns the path and ends it with scratch_remove().
static inline char *scratch_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = xasprintf("%s/gradwatch-test-XXXXXX", tmp ? tmp : "/tmp");

    if (!mkdtemp(dir)) {
        perror(dir);
        abort();
    }
    return dir;
}

static inline int scratch_drop(const char *path, const struct stat *st,
                               int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

// Takes dir.
static inline void scratch_remove(char *dir)
{
    nftw(dir, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

// dir/name, with every folder on the way to it made. Caller owns.
static inline char *scratch_path(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);

    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0755);
            *p = '/';
        }
    return path;
}

static inline void scratch_write(const char *dir, const char *name,
                                 const void *bytes, size_t len)
{
    char *path = scratch_path(dir, name);
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
        perror(path);
        abort();
    }
    free(path);
}

static inline void scratch_mkdir(const char *dir, const char *name)
{
    char *path = scratch_path(dir, name);

    mkdir(path, 0755);
    free(path);
}

static inline void scratch_link(const char *to, const char *dir,
                                const char *name)
{
    char *path = scratch_path(dir, name);

    if (symlink(to, path) != 0) {
        perror(path);
        abort();
    }
    free(path);
}
