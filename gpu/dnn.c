/* gpu/dnn.c: plans are chosen, kept and run. */
#include "gpu/dnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"
#include "gpu/dnn_cache.h"
#include "gpu/dnn_graph.h"

enum { CANDIDATES = 10, REPEATS = 5, KEY_BYTES = 512 };
enum { LEAST_VERSION = 90000 };

struct dnn_plan {
    char                     key[KEY_BYTES];
    struct dnn_graph        *graph;     // NULL when it came from the cache
    cudnnBackendDescriptor_t plan;
    size_t                   workspace;
    int                      out;       // channels, for sums
    struct dnn_plan         *next;
};

struct dnn {
    struct dnn_target target;
    struct dnn_plan  *plans;
    char              device[256];      // in keys: name, capability, library
    char             *cache;            // a folder, or NULL
};

static int dnn_fail(struct error *err, cudnnStatus_t status, const char *call)
{
    char words[256] = "";

    cudnnGetLastErrorString(words, sizeof words);
    return fail(err, ERR_DEVICE, "%s: %s%s%s", call,
                cudnnGetErrorString(status), words[0] ? ": " : "", words);
}

#define CUDNN_TRY(call)                                                        \
    do {                                                                       \
        cudnnStatus_t status_ = (call);                                        \
        if (status_ != CUDNN_STATUS_SUCCESS) {                                 \
            rc = dnn_fail(err, status_, #call);                                \
            goto out;                                                          \
        }                                                                      \
    } while (0)

int dnn_open(const char *cache, struct dnn **out, struct error *err)
{
    struct dnn *d = *out = xcalloc(1, sizeof *d);
    struct cudaDeviceProp device;
    int rc = 0, ordinal;

    d->cache = dnn_cache_dir(cache);
    if (cudnnGetVersion() < LEAST_VERSION)
        return fail(err, ERR_DEVICE, "cuDNN is version %zu, must be %d or "
                    "later", cudnnGetVersion(), LEAST_VERSION);
    CUDA_TRY(cudaGetDevice(&ordinal));
    CUDA_TRY(cudaGetDeviceProperties(&device, ordinal));
    CUDNN_TRY(cudnnCreate(&d->target.handle));
    snprintf(d->device, sizeof d->device, "graphs %d, %.100s, sm_%d%d, %d "
             "processors, cuDNN %zu", DNN_GRAPHS, device.name, device.major,
             device.minor, device.multiProcessorCount, cudnnGetVersion());
out:
    return rc;
}

static void drop(struct dnn_plan *p)
{
    if (p->plan)
        cudnnBackendDestroyDescriptor(p->plan);
    dnn_graph_free(p->graph);
    free(p);
}

void dnn_close(struct dnn *d)
{
    if (!d)
        return;
    while (d->plans) {
        struct dnn_plan *p = d->plans;

        d->plans = p->next;
        drop(p);
    }
    if (d->target.handle)
        cudnnDestroy(d->target.handle);
    free(d->cache);
    free(d);
}

// ---- running ----------------------------------------------------------------

size_t dnn_workspace(const struct dnn_plan *p)
{
    return p->workspace;
}

static int execute(struct dnn *d, cudnnBackendDescriptor_t plan,
                   struct dnn_data at, int out, cudaStream_t stream,
                   struct error *err)
{
    int64_t ids[] = { DNN_X, DNN_W, DNN_Y, DNN_SUM, DNN_SQUARES };
    void *data[] = { at.x, at.w, at.y, at.sums,
                     at.sums ? at.sums + out : NULL };
    int n = at.sums ? DNN_IDS - 1 : DNN_Y;
    cudnnBackendDescriptor_t pack = NULL;
    int rc = 0;

    CUDNN_TRY(cudnnSetStream(d->target.handle, stream));
    CUDNN_TRY(cudnnBackendCreateDescriptor(
        CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    CUDNN_TRY(cudnnBackendSetAttribute(pack,
        CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids));
    CUDNN_TRY(cudnnBackendSetAttribute(pack,
        CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, data));
    CUDNN_TRY(cudnnBackendSetAttribute(pack,
        CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
        &at.workspace));
    CUDNN_TRY(cudnnBackendFinalize(pack));
    CUDNN_TRY(cudnnBackendExecute(d->target.handle, plan, pack));
out:
    if (pack)
        cudnnBackendDestroyDescriptor(pack);
    return rc;
}

int dnn_run(struct dnn *d, const struct dnn_plan *p, struct dnn_data at,
            cudaStream_t stream, struct error *err)
{
    return execute(d, p->plan, at, p->out, stream, err);
}

// ---- choosing ---------------------------------------------------------------

// What a trial runs on: random numbers, for with zeros cards run faster.
struct trial {
    struct dnn_data at;
    void           *stats;              // what statistics on their own need
    cudaStream_t    stream;
    cudaEvent_t     begin, end;
};

static struct grid grid_of(const struct dnn_conv *at)
{
    return (struct grid){ at->elem, (size_t)at->n * (size_t)at->rows *
                          (size_t)at->cols, at->out };
}

static int trial_alloc(void **at, enum elem e, size_t n, cudaStream_t stream,
                       struct error *err)
{
    int rc = 0;

    CUDA_TRY(cudaMalloc(at, n * elem_bytes(e)));
    launch_fill(*at, e, n, 1, stream);
    CUDA_TRY(cudaGetLastError());
out:
    return rc;
}

// Means and variances, partial sums, and counters, which are 0.
static size_t stats_bytes(const struct dnn_conv *at)
{
    struct grid g = grid_of(at);

    return (2 * (size_t)at->out + kernel_partials(g)) * sizeof(float) +
           (size_t)kernel_counters(g) * sizeof(unsigned);
}

static int trial_open(struct trial *t, const struct dnn_conv *at,
                      size_t workspace, struct error *err)
{
    size_t x = (size_t)at->n * (size_t)at->h * (size_t)at->w * (size_t)at->c;
    size_t w = (size_t)at->out * (size_t)at->k * (size_t)at->k * (size_t)at->c;
    size_t y = grid_of(at).rows * (size_t)at->out;
    int rc = 0;

    CUDA_TRY(cudaStreamCreateWithFlags(&t->stream, cudaStreamNonBlocking));
    CUDA_TRY(cudaEventCreateWithFlags(&t->begin, cudaEventDefault));
    CUDA_TRY(cudaEventCreateWithFlags(&t->end, cudaEventDefault));
    if ((rc = trial_alloc(&t->at.x, at->elem, x, t->stream, err)) ||
        (rc = trial_alloc(&t->at.w, at->elem, w, t->stream, err)) ||
        (rc = trial_alloc(&t->at.y, at->elem, y, t->stream, err)))
        goto out;
    if (workspace)
        CUDA_TRY(cudaMalloc(&t->at.workspace, workspace));
    if (at->stats) {
        CUDA_TRY(cudaMalloc((void **)&t->at.sums,
                            2 * (size_t)at->out * sizeof(float)));
        CUDA_TRY(cudaMalloc(&t->stats, stats_bytes(at)));
        CUDA_TRY(cudaMemsetAsync(t->stats, 0, stats_bytes(at), t->stream));
    }
out:
    return rc;
}

static void trial_close(struct trial *t)
{
    void *const blocks[] = { t->at.x, t->at.w, t->at.y, t->at.sums,
                             t->at.workspace, t->stats };

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        cudaFree(blocks[i]);
    if (t->begin)
        cudaEventDestroy(t->begin);
    if (t->end)
        cudaEventDestroy(t->end);
    if (t->stream)
        cudaStreamDestroy(t->stream);
    cudaGetLastError();                 // an allocation that failed is over
}

static void run_stats(const struct trial *t, const struct dnn_conv *at)
{
    struct grid g = grid_of(at);
    float *mean = t->stats, *partial = mean + 2 * at->out;

    launch_norm_stats(t->at.y, g, (struct norm_stats){
        .mean = mean, .var = mean + at->out, .partial = partial,
        .counter = (unsigned *)(partial + kernel_partials(g)) }, t->stream);
}

// Once to warm up, then the sum of a few; with the kernel for statistics behind
// each if `stats`. A plan that fails is not an error.
static int trial_run(struct dnn *d, struct trial *t, const struct dnn_conv *at,
                     cudnnBackendDescriptor_t plan, bool stats, float *millis,
                     struct error *err)
{
    struct dnn_data data = t->at;
    int rc = 0;

    if (stats)
        data.sums = NULL;
    for (int i = 0; i <= REPEATS && !rc; i++) {
        if (i == 1)
            CUDA_TRY(cudaEventRecord(t->begin, t->stream));
        rc = execute(d, plan, data, at->out, t->stream, err);
        if (stats)
            run_stats(t, at);
    }
    if (rc)
        return rc;
    CUDA_TRY(cudaEventRecord(t->end, t->stream));
    CUDA_TRY(cudaEventSynchronize(t->end));
    CUDA_TRY(cudaEventElapsedTime(millis, t->begin, t->end));
out:
    return rc;
}

// The fastest of the plans; -1 if there is no room to try. With stats, -1 also
// where `plain`, which has none, and a kernel for them are faster.
static int fastest(struct dnn *d, const struct dnn_conv *at,
                   const struct dnn_plan *plain,
                   cudnnBackendDescriptor_t *plans, int n)
{
    struct trial t = { 0 };
    struct error ignored = { 0 };
    size_t workspace = plain ? plain->workspace : 0;
    float best = -1, millis;
    int choice = -1;

    for (int i = 0; i < n; i++)
        if (dnn_graph_workspace(plans[i]) > workspace)
            workspace = dnn_graph_workspace(plans[i]);
    if (trial_open(&t, at, workspace, &ignored) == 0) {
        if (plain && trial_run(d, &t, at, plain->plan, true, &best, &ignored))
            n = 0;                      // nothing to compare with
        for (int i = 0; i < n; i++)
            if (trial_run(d, &t, at, plans[i], false, &millis,
                          &ignored) == 0 && (best < 0 || millis < best)) {
                best = millis;
                choice = i;
            }
    }
    trial_close(&t);
    return choice;
}

// A choice by time is not the same twice, and another plan gives other bits;
// so one is made only where it can be kept.
static void choose(struct dnn *d, const struct dnn_conv *at,
                   struct dnn_plan *p, cudnnBackendDescriptor_t *plans, int n)
{
    char *first = dnn_graph_text(plans[0]);
    int choice = 0;

    if (n > 1 && first && dnn_cache_put(d->cache, p->key, first)) {
        choice = fastest(d, at, NULL, plans, n);
        char *text = choice > 0 ? dnn_graph_text(plans[choice]) : NULL;
        if (!text || !dnn_cache_put(d->cache, p->key, text))
            choice = 0;                 // as the file says
        free(text);
    }
    free(first);
    p->plan = plans[choice];
    for (int i = 0; i < n; i++)
        if (i != choice)
            cudnnBackendDestroyDescriptor(plans[i]);
}

static int build(struct dnn *d, const struct dnn_conv *at, struct dnn_plan *p,
                 struct error *err)
{
    cudnnBackendDescriptor_t plans[CANDIDATES];
    char *text = dnn_cache_get(d->cache, p->key);
    int rc = 0, n;

    if (text)
        p->plan = dnn_graph_plan(&d->target, text);
    free(text);
    if (p->plan)
        return 0;
    if ((rc = dnn_graph_new(&d->target, at, &p->graph, err)) != 0)
        return rc;
    n = dnn_graph_plans(&d->target, p->graph, at, CANDIDATES, plans);
    if (n == 0)
        return fail(err, ERR_DEVICE, "cuDNN has no plan that repeats bit for "
                    "bit for: %s", p->key);
    choose(d, at, p, plans, n);
    return 0;
}

static int choose_alone(struct dnn *d, const struct dnn_conv *at,
                        const struct dnn_plan **out, struct error *err);

// With statistics; p->plan stays NULL where that is not worth it, or where the
// choice cannot be kept. Then the file says so, and it is not tried again.
static int build_stats(struct dnn *d, const struct dnn_conv *at,
                       struct dnn_plan *p, struct error *err)
{
    static const char none[] = "none";
    const struct dnn_plan *plain = NULL;
    cudnnBackendDescriptor_t plans[CANDIDATES];
    struct dnn_conv without = *at;
    struct error ignored = { 0 };
    char *text = dnn_cache_get(d->cache, p->key);
    int n = 0, choice = -1;

    if (text || !dnn_cache_put(d->cache, p->key, none)) {
        if (text && strcmp(text, none) != 0)
            p->plan = dnn_graph_plan(&d->target, text);
        free(text);
        return 0;
    }
    without.stats = false;
    int rc = choose_alone(d, &without, &plain, err);
    if (rc)
        return rc;
    if (dnn_graph_new(&d->target, at, &p->graph, &ignored) == 0)
        n = dnn_graph_plans(&d->target, p->graph, at, CANDIDATES, plans);
    if (n > 0)
        choice = fastest(d, at, plain, plans, n);
    text = choice >= 0 ? dnn_graph_text(plans[choice]) : NULL;
    if (text && dnn_cache_put(d->cache, p->key, text))
        p->plan = plans[choice];
    free(text);
    for (int i = 0; i < n; i++)
        if (plans[i] != p->plan)
            cudnnBackendDestroyDescriptor(plans[i]);
    return 0;
}

// As dnn_choose(), by whoever has the cache to itself.
static int choose_alone(struct dnn *d, const struct dnn_conv *at,
                        const struct dnn_plan **out, struct error *err)
{
    struct dnn_plan *p = xcalloc(1, sizeof *p);
    char conv[128];
    int rc;

    dnn_conv_text(at, conv, sizeof conv);
    snprintf(p->key, sizeof p->key, "%s, %s", d->device, conv);
    for (*out = d->plans; *out; *out = (*out)->next)
        if (strcmp((*out)->key, p->key) == 0) {
            free(p);
            *out = (*out)->plan ? *out : NULL;
            return 0;
        }
    rc = at->stats ? build_stats(d, at, p, err) : build(d, at, p, err);
    if (rc) {
        drop(p);
        return rc;
    }
    p->out = at->out;
    p->workspace = p->plan ? dnn_graph_workspace(p->plan) : 0;
    p->next = d->plans;
    d->plans = p;
    *out = p->plan ? p : NULL;
    return 0;
}

// Another program that chooses at the same time would time this one's trials,
// and one of the two would go on with what is not in the file.
int dnn_choose(struct dnn *d, const struct dnn_conv *at,
               const struct dnn_plan **out, struct error *err)
{
    int lock = dnn_cache_lock(d->cache);
    int rc = choose_alone(d, at, out, err);

    dnn_cache_unlock(lock);
    return rc;
}
