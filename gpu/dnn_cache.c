#include "gpu/dnn_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/mem.h"

enum { MAX_BYTES = 4 << 20 };           // of a file; plans are some kB

// Fowler, Noll, Vo: FNV-1a.
static uint64_t hash(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

char *dnn_cache_dir(const char *given)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (given)
        return xasprintf("%s/cuda", given);
    if (cache && cache[0] == '/')
        return xasprintf("%s/gradwatch/cuda", cache);
    if (home && home[0] == '/')
        return xasprintf("%s/.cache/gradwatch/cuda", home);
    return NULL;
}

static bool make_directories(const char *dir)
{
    char *path = xstrdup(dir);

    for (char *slash = strchr(path + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);              // what matters is the last one
        *slash = '/';
    }
    bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
    free(path);
    return ok;
}

static char *file_of(const char *dir, const char *key)
{
    return xasprintf("%s/%016" PRIx64, dir, hash(key));
}

// All of a file, or NULL. Caller owns.
static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t n;

    if (!f)
        return NULL;
    text = xmalloc(MAX_BYTES + 1);
    n = fread(text, 1, MAX_BYTES, f);
    text[n] = '\0';
    if (ferror(f) || !feof(f)) {
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

// A file's first line is its key: another key's hash may be the same.
char *dnn_cache_get(const char *dir, const char *key)
{
    char *path = dir ? file_of(dir, key) : NULL;
    char *all = path ? slurp(path) : NULL, *text = NULL;
    size_t n = strlen(key);

    if (all && strncmp(all, key, n) == 0 && all[n] == '\n')
        text = xstrdup(all + n + 1);
    free(all);
    free(path);
    return text;
}

static bool spill(const char *path, const char *key, const char *text)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fprintf(f, "%s\n%s", key, text) > 0;

    if (f && fclose(f) != 0)
        ok = false;
    return ok;
}

bool dnn_cache_put(const char *dir, const char *key, const char *text)
{
    bool ok = dir && make_directories(dir);
    char *path = ok ? file_of(dir, key) : NULL;
    char *draft = ok ? xasprintf("%s.%ld", path, (long)getpid()) : NULL;

    if (ok)
        ok = spill(draft, key, text) && rename(draft, path) == 0;
    if (draft && !ok)
        unlink(draft);
    free(draft);
    free(path);
    return ok;
}

int dnn_cache_lock(const char *dir)
{
    char *path = dir && make_directories(dir) ? xasprintf("%s/lock", dir)
                                              : NULL;
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    free(path);
    return fd;
}

void dnn_cache_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}
