/* tests/gpu_module.c: backend_cuda out of the module, for tests that were
 * written for any backend. Without the module or a device the program ends
 * with 77, which is "skipped", before a test begins. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/backend.h"

// The tests' copy of the module's table; they see it as const.
extern struct backend backend_cuda;
struct backend backend_cuda;

static void skip(const char *why)
{
    printf("skipped: %s\n", why);
    fflush(stdout);
    _Exit(77);
}

__attribute__((constructor)) static void open_module(void)
{
    const char *path = getenv("GRADWATCH_CUDA");
    void *module = dlopen(path ? path : "libgradwatch-cuda.so",
                          RTLD_NOW | RTLD_LOCAL);
    const struct backend *b = module ? dlsym(module, "backend_cuda") : NULL;
    struct device_info info[1];

    if (!b)
        skip(dlerror());
    if (b->probe(info, 1, -1) < 1)
        skip("no GPU answers");
    printf("on %s\n", info[0].name);
    backend_cuda = *b;
}
