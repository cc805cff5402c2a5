#include "worker/backends.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

enum { MAX_DEVICES = 64 };              // of one backend

static const char module_name[] = "libgradwatch-cuda.so";

// The directory of this program into out; "." when it cannot be told.
static void program_dir(char out[PATH_MAX])
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = 0;
    snprintf(out, PATH_MAX, "%s", n > 0 ? dirname(path) : ".");
}

// The path of the module, or NULL when it is not installed. Caller owns.
static char *module_path(void)
{
    char dir[PATH_MAX];

    program_dir(dir);
    char *paths[] = {
        xasprintf("%s/%s", dir, module_name),
        xasprintf("%s/../gpu/%s", dir, module_name),    // the build folder
        xasprintf("%s/../%s/gradwatch/%s", dir, GRADWATCH_LIBDIR, module_name),
    };
    char *found = NULL;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (!found && access(paths[i], R_OK) == 0)
            found = paths[i];
        else
            free(paths[i]);
    }
    return found;
}

// The module stays open as long as the program runs.
static int open_cuda(const struct backend **out, struct error *err)
{
    char *path = module_path();
    int rc = 0;

    if (!path)
        return fail(err, ERR_DEVICE, "%s is not installed", module_name);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct backend *b = module ? dlsym(module, "backend_cuda") : NULL;
    if (!b)
        rc = fail(err, ERR_DEVICE, "%s", dlerror());
    else
        *out = b;
    free(path);
    return rc;
}

// A cuda backend with at least `least` devices.
static int find_cuda(int least, const struct backend **out, struct error *err)
{
    const struct backend *b = NULL;
    struct device_info info[MAX_DEVICES];
    int rc = open_cuda(&b, err);

    if (rc)
        return rc;
    int n = b->probe(info, MAX_DEVICES, -1);
    if (n <= 0)
        return fail(err, ERR_DEVICE, "no GPU of compute capability 8.0 or "
                    "later answers");
    if (n < least)
        return fail(err, ERR_DEVICE, "there %s %d of them, numbered from 0",
                    n == 1 ? "is" : "are", n);
    *out = b;
    return 0;
}

int backend_find(const char *device, const struct backend **out, int *ordinal,
                 struct error *err)
{
    struct error why = { 0 };

    *ordinal = 0;
    if (!strcmp(device, "cpu") ||
        (!strcmp(device, "auto") && find_cuda(1, out, NULL) != 0)) {
        *out = &backend_cpu;
        return 0;
    }
    if (!strcmp(device, "reference")) {
        *out = &backend_reference;
        return 0;
    }
    if (!strcmp(device, "auto"))
        return 0;
    if (!strncmp(device, "cuda:", 5))
        *ordinal = atoi(device + 5);
    else if (strcmp(device, "cuda") != 0)
        return fail(err, ERR_DEVICE, "there is no device \"%s\"", device);
    if (find_cuda(*ordinal + 1, out, &why) != 0)
        return fail(err, ERR_DEVICE, "no device %s: %s", device, why.text);
    return 0;
}

int backend_precision(const struct backend *b, enum job_precision wanted,
                      enum precision *out, struct error *err)
{
    bool gpu = !strcmp(b->name, "cuda");
    static const enum precision precisions[] = {
        [PRECISION_AUTO] = PREC_TF32,   // what PyTorch does on a GPU
        [PRECISION_F32] = PREC_F32,
        [PRECISION_TF32] = PREC_TF32,
        [PRECISION_BF16] = PREC_BF16,
    };
    static const char *const names[] = { "auto", "f32", "tf32", "bf16" };

    *out = gpu ? precisions[wanted] : PREC_F32;
    if (gpu || wanted == PRECISION_AUTO || wanted == PRECISION_F32)
        return 0;
    return fail(err, ERR_SPEC, "\"%s\" needs a GPU; device %s has f32 only",
                names[wanted], b->name);
}

int backend_info(const struct backend *b, int ordinal, struct device_info *out,
                 struct error *err)
{
    struct device_info info[MAX_DEVICES] = { 0 };
    int n = b->probe(info, MAX_DEVICES, ordinal);

    if (ordinal >= n)
        return fail(err, ERR_DEVICE, "device %s:%d does not answer", b->name,
                    ordinal);
    *out = info[ordinal];
    return 0;
}

static void add_devices(json_t *devices, const struct backend *b)
{
    struct device_info info[MAX_DEVICES] = { 0 };
    int n = b->probe(info, MAX_DEVICES, 0);

    for (int i = 0; i < n; i++)
        json_array_append_new(devices, json_pack(
            "{s:s, s:i, s:s, s:I, s:I}", "backend", b->name, "index", i,
            "name", info[i].name,
            "bytes_total", (json_int_t)info[i].bytes_total,
            "bytes_free", (json_int_t)info[i].bytes_free));
}

json_t *backends_probe(void)
{
    json_t *devices = json_array(), *notes = json_array();
    const struct backend *cuda = NULL;
    struct error why = { 0 };

    if (find_cuda(1, &cuda, &why) == 0)
        add_devices(devices, cuda);
    else
        json_array_append_new(notes, json_sprintf("cuda: %s", why.text));
    add_devices(devices, &backend_cpu);
    return json_pack("{s:o, s:o}", "devices", devices, "notes", notes);
}
