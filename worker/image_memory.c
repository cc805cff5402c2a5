#include "worker/image_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static size_t allowed, held;
static bool   ran_out;

void image_memory_allow(size_t bytes)
{
    allowed = bytes;
    ran_out = false;
}

bool image_memory_ran_out(void)
{
    return ran_out;
}

void *image_memory_take(size_t bytes)
{
    void *p = bytes <= allowed && held <= allowed - bytes ? calloc(1, bytes)
                                                          : NULL;

    if (p)
        held += malloc_usable_size(p);
    else
        ran_out = true;
    return p;
}

void *image_memory_resize(void *p, size_t bytes_now, size_t bytes)
{
    void *to = image_memory_take(bytes);

    if (to && p) {
        memcpy(to, p, bytes_now < bytes ? bytes_now : bytes);
        image_memory_give(p);
    }
    return to;
}

void image_memory_give(void *p)
{
    if (p)
        held -= malloc_usable_size(p);
    free(p);
}
