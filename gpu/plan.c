/* gpu/plan.c: the backend's table; from a graph to a plan, and back.
 *
 * compile: fuse nodes to groups, put stages in order, let each group's op
 * choose plans and declare buffers, pack the buffers by life span, see whether
 * the device has room, take it. Steps are captured when they are first run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"
#include "gpu/feed.h"
#include "gpu/fuse.h"
#include "gpu/step.h"
#include "gpu/tap.h"
#include "model/arena.h"
#include "model/plan.h"

enum { ALIGN = 256, LEAST_MAJOR = 8 };

// The module's one name; all others stay inside.
extern const struct backend backend_cuda;

// Every way in: CUDA keeps the current device by thread, and a plan may have
// moved to another one.
static struct gpu_plan *of(struct plan *p)
{
    if (p)
        cudaSetDevice(p->opts.device);
    return (struct gpu_plan *)p;
}

static int gpu_submit(struct plan *plan, int slot, enum mode mode, double lr,
                      struct error *err)
{
    return step_submit(of(plan), slot, mode, lr, err);
}

static int gpu_collect(struct plan *plan, struct result *out,
                       struct error *err)
{
    return step_collect(of(plan), out, err);
}

// Without a driver or a device: 0. Cards that the kernels were not built for
// are not counted, nor what CUDA lists behind them: the fastest come first.
static int gpu_probe(struct device_info *out, int max, int mine)
{
    struct cudaDeviceProp device;
    int n = 0, known = 0;

    if (cudaGetDeviceCount(&n) != cudaSuccess)
        n = 0;
    for (; known < n && known < max; known++) {
        struct device_info *to = &out[known];

        if (cudaGetDeviceProperties(&device, known) != cudaSuccess ||
            device.major < LEAST_MAJOR)
            break;
        *to = (struct device_info){ .bytes_total = device.totalGlobalMem,
                                    .bytes_free = device.totalGlobalMem };
        snprintf(to->name, sizeof to->name, "%.63s", device.name);
        if (known == mine && cudaSetDevice(mine) == cudaSuccess)
            cudaMemGetInfo(&to->bytes_free, &to->bytes_total);
    }
    cudaGetLastError();                 // nobody else's mistake
    return known;
}

// ---- memory -----------------------------------------------------------------

// Packs the arena's buffers; those of other rooms have their offsets.
static void pack(struct gpu_plan *p)
{
    int n = 0, i = 0;

    for (struct buffer *b = p->buffers; b; b = b->next)
        n += b->room == ROOM_ARENA;
    struct span *spans = xcalloc((size_t)n + 1, sizeof *spans);
    size_t *bytes = xcalloc((size_t)n + 1, sizeof *bytes);
    size_t *offsets = xcalloc((size_t)n + 1, sizeof *offsets);

    for (struct buffer *b = p->buffers; b; b = b->next)
        if (b->room == ROOM_ARENA) {
            spans[i] = b->life;
            bytes[i++] = b->bytes;
        }
    p->room_bytes[ROOM_ARENA] = arena_plan(spans, bytes, n, ALIGN, offsets);
    i = 0;
    for (struct buffer *b = p->buffers; b; b = b->next)
        if (b->room == ROOM_ARENA)
            b->offset = offsets[i++];
    free(spans);
    free(bytes);
    free(offsets);
}

static size_t counter_bytes(const struct gpu_plan *p)
{
    return ((size_t)p->n_counters * sizeof(unsigned) + ALIGN) / ALIGN * ALIGN;
}

// What the plan will hold, against what the device has.
static int check_room(struct gpu_plan *p, struct error *err)
{
    const struct graph *g = p->base.graph;
    size_t left, total;
    int rc = 0;

    p->base.bytes = feed_bytes(p) + tap_bytes(p) + counter_bytes(p);
    for (int room = 0; room < ROOMS; room++)
        p->base.bytes += p->room_bytes[room];
    if (!p->shares)
        p->base.bytes += p->store->bytes;
    CUDA_TRY(cudaMemGetInfo(&left, &total));
    if (p->base.bytes > left)
        rc = fail(err, ERR_MEMORY, "this network at batch %d wants %zu MiB of "
                  "the device's memory, %zu MiB of %zu are free",
                  graph_shape(g, g->input).n, p->base.bytes >> 20, left >> 20,
                  total >> 20);
out:
    return rc;
}

static int alloc_memory(struct gpu_plan *p, struct error *err)
{
    size_t extra = counter_bytes(p);
    char *memory;
    int rc = 0;

    for (int room = 0; room < ROOMS; room++) {
        size_t bytes = p->room_bytes[room];

        if (room == ROOM_KEEP)          // counters and taps behind it
            bytes += extra + tap_bytes(p) + ALIGN;
        if (bytes)
            CUDA_TRY(cudaMalloc(&p->block[room], bytes));
    }
    memory = (char *)p->block[ROOM_KEEP] +
             (p->room_bytes[ROOM_KEEP] + ALIGN - 1) / ALIGN * ALIGN;
    p->counters = (unsigned *)memory;
    CUDA_TRY(cudaMemsetAsync(memory, 0, extra, plan_stream(p)));
    for (struct buffer *b = p->buffers; b; b = b->next)
        b->data = (char *)p->block[b->room] + b->offset;
    if (!p->shares)
        rc = store_alloc(p->store, err);
    if (!rc)
        rc = tap_place(p, memory + extra, err);
    if (!rc)
        rc = feed_open(p, err);
out:
    return rc;
}

// ---- compile, destroy -------------------------------------------------------

static void gpu_destroy(struct plan *plan)
{
    struct gpu_plan *p = of(plan);

    if (!p)
        return;
    if (p->store)
        cudaDeviceSynchronize();        // copies, too
    step_close(p);
    feed_close(p);
    tap_free(p->taps);
    for (int room = 0; room < ROOMS; room++)
        cudaFree(p->block[room]);
    while (p->buffers) {
        struct buffer *b = p->buffers;

        p->buffers = b->next;
        free(b);
    }
    for (int i = 0; p->groups && i < p->base.graph->n_nodes; i++)
        free(p->groups[i].state);
    free(p->groups);
    free(p->value);
    free(p->grad);
    free(p->late);
    free(p->sums);
    schedule_clear(&p->schedule);
    if (!p->shares)
        store_free(p->store);
    free(p);
}

static int check_opts(const struct graph *g, const struct plan_opts *o,
                      const struct plan *share, struct error *err)
{
    int rc = plan_check_slots(o, err);

    if (!rc)
        rc = plan_check_share(&backend_cuda, g, share, err);
    if (rc)
        return rc;
    if (share && (share->opts.device != o->device ||
                  share->opts.precision != o->precision))
        return fail(err, ERR_USAGE, "cannot share the parameters of a plan on "
                    "another device or in another precision");
    return 0;
}

// Groups, stages, cuDNN's plans, buffers.
static void set_up(struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct lowering *lo = fuse_groups(p);

    p->value = xcalloc((size_t)g->n_values, sizeof(struct buffer *));
    p->grad = xcalloc((size_t)g->n_values, sizeof(struct buffer *));
    p->late = xcalloc((size_t)g->n_values, sizeof(struct buffer *));
    p->sums = xcalloc((size_t)g->n_values, sizeof(struct buffer *));
    schedule_build(g, lo, p->base.opts.keep_all, &p->schedule);
    free(lo);
    tap_open(p);
    for (int i = 0; i < g->n_nodes && !p->err.code; i++) {
        struct group *group = &p->groups[i];

        p->stage_bytes = 0;
        if (!group->op)
            continue;
        group->op->setup(p, group);
        if (p->err.code) {
            struct error first = p->err;

            fail(&p->err, first.code, "%s: %s",
                 g->values[group->out].name, first.text);
        }
    }
}

static int make(struct gpu_plan *p, struct plan *share, struct error *err)
{
    const struct plan_opts *o = &p->base.opts;
    int rc = 0;

    CUDA_TRY(cudaSetDevice(o->device));
    p->shares = share;
    if (share)
        p->store = of(share)->store;
    else
        rc = store_new(p->base.graph, o, &p->store, err);
    if (rc)
        return rc;
    p->base.opts.optim = p->store->optim;
    set_up(p);
    if (p->err.code)
        return fail(err, p->err.code, "%s", p->err.text);
    pack(p);
    if ((rc = check_room(p, err)) == 0 && (rc = alloc_memory(p, err)) == 0)
        step_open(p);
out:
    return rc;
}

static int gpu_compile(const struct graph *g, const struct plan_opts *o,
                       struct plan *share, struct plan **out,
                       struct error *err)
{
    int rc = check_opts(g, o, share, err);

    *out = NULL;
    if (rc)
        return rc;
    struct gpu_plan *p = xcalloc(1, sizeof *p);
    p->base = (struct plan){ &backend_cuda, g, *o, 0 };
    rc = make(p, share, err);
    if (rc)
        gpu_destroy(&p->base);
    else
        *out = &p->base;
    return rc;
}

// ---- values across the seam -------------------------------------------------

static int gpu_write(struct plan *plan, val v, enum side side,
                     const float *src, struct error *err)
{
    int rc = plan_check_write(plan, v, side, err);

    return rc ? rc : store_write(of(plan)->store, plan->graph, v, side, src,
                                 err);
}

static int read_act(struct gpu_plan *p, val v, enum side side, float *dst,
                    struct error *err)
{
    const struct graph *g = p->base.graph;
    const struct buffer *b = side == SIDE_VALUE ? p->value[v] : p->grad[v];
    int rc = plan_check_kept(&p->base, v, side, err);

    if (rc)
        return rc;
    if (side <= SIDE_GRAD && v == g->loss) {
        *dst = side == SIDE_GRAD ? 1 : (float)step_loss(p);
        return 0;
    }
    if (side > SIDE_GRAD || !b)
        return plan_lacks(g, v, side, err);
    return store_fetch(p->store, b->data, (struct layout){ b->elem, b->shape.n,
        b->shape.c, b->c, (size_t)b->shape.h * (size_t)b->shape.w }, dst, err);
}

static int gpu_read(struct plan *plan, val v, enum side side, float *dst,
                    struct error *err)
{
    int rc = plan_check_value(plan, v, err);

    if (rc)
        return rc;
    if (plan->graph->values[v].role == ROLE_ACT)
        return read_act(of(plan), v, side, dst, err);
    return store_read(of(plan)->store, plan->graph, v, side, dst, err);
}

static int gpu_reside(struct plan *plan, const struct images *im,
                      struct error *err)
{
    return feed_reside(of(plan), im, err);
}

static struct slot *gpu_slot(struct plan *plan, int i)
{
    return feed_slot(of(plan), i);
}

static int64_t gpu_steps(const struct plan *plan)
{
    return ((const struct gpu_plan *)plan)->store->steps;
}

static void gpu_set_steps(struct plan *plan, int64_t n)
{
    of(plan)->store->steps = n;
}

__attribute__((visibility("default")))
const struct backend backend_cuda = {
    .name = "cuda",
    .ahead = 16,                        // so that results come by eights
    .probe = gpu_probe,
    .compile = gpu_compile,
    .destroy = gpu_destroy,
    .reside = gpu_reside,
    .slot = gpu_slot,
    .submit = gpu_submit,
    .collect = gpu_collect,
    .write = gpu_write,
    .read = gpu_read,
    .steps = gpu_steps,
    .set_steps = gpu_set_steps,
};
