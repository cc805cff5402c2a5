#include "gpu/dnn_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// The directory, or NULL when there is no place for one. Caller owns.
static char *directory(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache && cache[0] == '/')
        return xasprintf("%s/gradwatch/cuda", cache);
    if (home && home[0] == '/')
        return xasprintf("%s/.cache/gradwatch/cuda", home);
    return NULL;
}

static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);              // what matters is the last one
        *slash = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
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
char *dnn_cache_get(const char *key)
{
    char *dir = directory(), *path = dir ? file_of(dir, key) : NULL;
    char *all = path ? slurp(path) : NULL, *text = NULL;
    size_t n = strlen(key);

    if (all && strncmp(all, key, n) == 0 && all[n] == '\n')
        text = xstrdup(all + n + 1);
    free(all);
    free(path);
    free(dir);
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

bool dnn_cache_put(const char *key, const char *text)
{
    char *dir = directory();
    bool ok = dir && make_directories(dir);
    char *path = ok ? file_of(dir, key) : NULL;
    char *draft = ok ? xasprintf("%s.%ld", path, (long)getpid()) : NULL;

    if (ok)
        ok = spill(draft, key, text) && rename(draft, path) == 0;
    if (draft && !ok)
        unlink(draft);
    free(draft);
    free(path);
    free(dir);
    return ok;
}
