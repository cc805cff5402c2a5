/* tests/dump.h: files of tests/dumps. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/mem.h"

// dumps/name; caller owns.
static inline char *dump_path(const char *name)
{
    const char *dir = getenv("GRADWATCH_TESTS");

    return xasprintf("%s/dumps/%s", dir ? dir : "tests", name);
}

// The whole file; caller owns. Aborts when there is none.
static inline uint8_t *dump_load(const char *name, size_t *len)
{
    char *path = dump_path(name);
    FILE *f = fopen(path, "rb");

    if (!f || fseek(f, 0, SEEK_END) != 0) {
        perror(path);
        abort();
    }
    *len = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = xmalloc(*len);
    if (fread(bytes, 1, *len, f) != *len) {
        perror(path);
        abort();
    }
    fclose(f);
    free(path);
    return bytes;
}
