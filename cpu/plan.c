/* cpu/plan.c: the backend's table; from a graph to a plan, and back.
 *
 * compile: fuse nodes to groups, put stages in order, let each group's op set
 * up its primitives and tensors, pack the tensors by life span, give out
 * memory. What then happens in a step is in step.c.
 */
#include <stdlib.h>
#include <string.h>
#include <omp.h>
#include "common/mem.h"
#include "cpu/fuse.h"
#include "cpu/machine.h"
#include "cpu/step.h"
#include "cpu/store.h"
#include "cpu/tap.h"
#include "model/arena.h"
#include "model/plan.h"

enum { ALIGN = 64, MAX_THREADS = 1024 };

static struct cpu_plan *of(struct plan *p)
{
    return (struct cpu_plan *)p;
}

static int cpu_probe(struct device_info *out, int max, int mine)
{
    (void)mine;
    if (max > 0)
        machine_describe(out);
    return 1;
}

// ---- memory --------------------------------------------------------------

static void stretch(struct span *a, struct span b)
{
    if (b.first < 0)
        return;
    if (a->first < 0 || b.first < a->first)
        a->first = b.first;
    if (b.last > a->last)
        a->last = b.last;
}

// Packs the arena's tensors. Several values may lie in one tensor, one after
// the other: it lives from the first one's first stage to the last one's last.
static void pack(struct cpu_plan *p)
{
    int n = 0, i = 0;

    for (struct cpu_tensor *t = p->tensors; t; t = t->next)
        n++;
    struct span *spans = xcalloc((size_t)n, sizeof *spans);
    size_t *bytes = xcalloc((size_t)n, sizeof *bytes);
    size_t *offsets = xcalloc((size_t)n, sizeof *offsets);

    for (struct cpu_tensor *t = p->tensors; t; t = t->next, i++) {
        spans[i] = (struct span){ -1, -1 };
        if (t->room != ROOM_ARENA || t->view_of)
            continue;
        for (val v = 0; v < p->base.graph->n_values; v++) {
            if (p->value[v] == &t->t)
                stretch(&spans[i], p->schedule.value[v]);
            if (p->grad[v] == &t->t)
                stretch(&spans[i], p->schedule.grad[v]);
        }
        bytes[i] = t->t.bytes;
    }
    p->room_bytes[ROOM_ARENA] = arena_plan(spans, bytes, n, ALIGN, offsets);
    i = 0;
    for (struct cpu_tensor *t = p->tensors; t; t = t->next, i++)
        if (t->room == ROOM_ARENA)
            t->offset = offsets[i];
    free(spans);
    free(bytes);
    free(offsets);
}

// Blocks for the rooms that are this plan's own.
static int alloc_rooms(struct cpu_plan *p, struct error *err)
{
    for (int room = ROOM_ARENA; room <= ROOM_KEEP; room++) {
        p->block[room] = block_new(p->room_bytes[room] + 1);
        if (!p->block[room])
            return fail(err, ERR_MEMORY, "no memory for a block of %zu bytes",
                        p->room_bytes[room]);
    }
    p->scratchpad = block_new(p->dnn.scratchpad_bytes + 1);
    if (!p->scratchpad)
        return fail(err, ERR_MEMORY, "no memory for a scratchpad of %zu bytes",
                    p->dnn.scratchpad_bytes);
    if (!p->shares && store_alloc(p->store, err))
        return ERR_MEMORY;
    p->block[ROOM_WEIGHT] = p->store->block[BLOCK_WEIGHT];
    p->block[ROOM_GRAD] = p->store->block[BLOCK_GRAD];
    p->block[ROOM_STATE] = p->store->block[BLOCK_STATE];
    return 0;
}

static int alloc_memory(struct cpu_plan *p, struct error *err)
{
    struct device_info machine;

    pack(p);
    p->base.bytes = p->room_bytes[ROOM_ARENA] + p->room_bytes[ROOM_STAGE] +
                    p->room_bytes[ROOM_KEEP] + p->dnn.scratchpad_bytes;
    if (!p->shares)
        p->base.bytes += store_close(p->store, p->base.graph);
    machine_describe(&machine);
    if (p->base.bytes > machine.bytes_free)
        return fail(err, ERR_MEMORY, "this network at batch %d wants %zu MiB "
                    "of memory, %zu MiB of %zu are free",
                    graph_shape(p->base.graph, p->base.graph->input).n,
                    p->base.bytes >> 20, machine.bytes_free >> 20,
                    machine.bytes_total >> 20);
    int rc = alloc_rooms(p, err);
    if (rc)
        return rc;
    for (struct cpu_tensor *t = p->tensors; t; t = t->next) {
        const struct cpu_tensor *owner = t->view_of ? t->view_of : t;

        dnn_place(&p->dnn, &t->t,
                  (char *)p->block[owner->room] + owner->offset);
    }
    dnn_scratchpads(&p->dnn, p->scratchpad);
    return p->dnn.err.code
        ? fail(err, p->dnn.err.code, "%s", p->dnn.err.text) : 0;
}

// ---- compile, destroy ----------------------------------------------------

static void cpu_destroy(struct plan *plan)
{
    struct cpu_plan *p = of(plan);

    if (!p)
        return;
    ring_close(&p->ring);
    tap_free(p->taps);
    while (p->tensors) {
        struct cpu_tensor *t = p->tensors;

        p->tensors = t->next;
        dnn_tensor_clear(&t->t);
        free(t);
    }
    dnn_close(&p->dnn);
    for (int room = ROOM_ARENA; room <= ROOM_KEEP; room++)
        block_free(p->block[room], p->room_bytes[room] + 1);
    block_free(p->scratchpad, p->dnn.scratchpad_bytes + 1);
    for (int i = 0; p->groups && i < p->base.graph->n_nodes; i++)
        free(p->groups[i].state);
    free(p->groups);
    free(p->grad_of);
    free(p->masked);
    free(p->value);
    free(p->grad);
    schedule_clear(&p->schedule);
    if (!p->shares)
        store_free(p->store);
    free(p);
}

static int check_opts(const struct plan_opts *o, struct error *err)
{
    if (o->device != 0)
        return fail(err, ERR_USAGE, "device is %d, the cpu backend has only 0",
                    o->device);
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return fail(err, ERR_USAGE, "threads is %d, must be 0 (all cores) to "
                    "%d", o->threads, MAX_THREADS);
    if (o->precision != PREC_F32)
        return fail(err, ERR_SPEC, "the cpu backend computes in f32, not in "
                    "%s", o->precision == PREC_BF16 ? "bf16" : "tf32");
    return plan_check_slots(o, err);
}

// Threads wait for each other twice a node. Where there is hardly anything to
// share out between two waits one thread is as fast, and undisturbed by what
// else the machine does: resnet50 at width 0.125 and 32 px makes 4500 images/s
// on one or two free cores; on busy ones 1200 on one, 25 to 1200 on two.
static int useful_threads(const struct graph *g)
{
    const double least = 5e5;           // operations per node, pass and thread
    double operations = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];

        if (graph_is_layer(g, i))
            operations += 2.0 * (double)graph_elements(g, n->out) *
                          (double)graph_elements(g, n->param[0]) /
                          graph_shape(g, n->param[0]).n;
    }
    double share = operations / g->n_nodes / least;
    int cores = machine_cores();
    return share < 1 ? 1 : share < cores ? (int)share : cores;
}

// Groups, stages, primitives, tensors.
static void set_up(struct cpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct lowering *lo = fuse_groups(p);

    p->value = xcalloc((size_t)g->n_values, sizeof(struct tensor *));
    p->grad = xcalloc((size_t)g->n_values, sizeof(struct tensor *));
    schedule_build(g, lo, p->base.opts.keep_all, &p->schedule);
    free(lo);
    fuse_gradients(p);
    dnn_open(&p->dnn);
    for (int i = 0; i < g->n_nodes && !p->dnn.err.code; i++) {
        struct group *group = &p->groups[i];

        p->stage_bytes = 0;
        if (!group->op)
            continue;
        group->op->setup(p, group);
        group->param_bytes = store_piece(p->store, &g->nodes[group->first],
                                         &group->param_at);
        if (p->dnn.err.code) {
            struct error first = p->dnn.err;

            fail(&p->dnn.err, first.code, "%s: %s",
                 g->values[group->out].name, first.text);
        }
    }
}

static int cpu_compile(const struct graph *g, const struct plan_opts *o,
                       struct plan *share, struct plan **out,
                       struct error *err)
{
    int rc = check_opts(o, err);

    *out = NULL;
    if (!rc)
        rc = plan_check_share(&backend_cpu, g, share, err);
    if (rc)
        return rc;
    struct cpu_plan *p = xcalloc(1, sizeof *p);
    p->base = (struct plan){ &backend_cpu, g, *o, 0 };
    if (o->threads == 0)
        p->base.opts.threads = useful_threads(g);
    p->shares = share;
    p->store = share ? of(share)->store : store_new(g, o->optim);
    p->base.opts.optim = p->store->optim;

    // oneDNN makes code for the number of threads that it finds now.
    int threads = omp_get_max_threads();
    omp_set_num_threads(p->base.opts.threads);
    set_up(p);
    if (p->dnn.err.code)
        rc = fail(err, p->dnn.err.code, "%s", p->dnn.err.text);
    else
        rc = alloc_memory(p, err);
    omp_set_num_threads(threads);
    if (rc) {
        cpu_destroy(&p->base);
        return rc;
    }
    p->taps = tap_new(p);
    ring_open(&p->ring, &p->base);
    *out = &p->base;
    return 0;
}

// ---- values across the seam ----------------------------------------------

static int cpu_write(struct plan *plan, val v, enum side side,
                     const float *src, struct error *err)
{
    struct cpu_plan *p = of(plan);
    float *to;
    int rc = plan_check_write(plan, v, side, err);

    if (rc)
        return rc;
    rc = store_find(p->store, plan->graph, v, side, &to, err);
    if (rc)
        return rc;
    struct layout at = p->store->rows[v].layout;
    return dnn_copy(&p->dnn, dnn_plain_as(at), src, at, to, err);
}

static int read_act(struct cpu_plan *p, val v, enum side side, float *dst,
                    struct error *err)
{
    const struct graph *g = p->base.graph;
    const struct tensor *t = side == SIDE_VALUE ? p->value[v] : p->grad[v];
    int rc = plan_check_kept(&p->base, v, side, err);

    if (rc)
        return rc;
    if (side == SIDE_GRAD && v == g->loss) {
        *dst = 1;
        return 0;
    }
    if (side > SIDE_GRAD || !t)
        return plan_lacks(g, v, side, err);
    return dnn_copy(&p->dnn, t->layout, t->data, dnn_plain_as(t->layout), dst,
                    err);
}

static int cpu_read(struct plan *plan, val v, enum side side, float *dst,
                    struct error *err)
{
    struct cpu_plan *p = of(plan);
    float *from;
    int rc = plan_check_value(plan, v, err);

    if (rc)
        return rc;
    if (plan->graph->values[v].role == ROLE_ACT)
        return read_act(p, v, side, dst, err);
    rc = store_find(p->store, plan->graph, v, side, &from, err);
    if (rc)
        return rc;
    struct layout at = p->store->rows[v].layout;
    return dnn_copy(&p->dnn, at, from, dnn_plain_as(at), dst, err);
}

static int cpu_reside(struct plan *plan, const struct images *im,
                      struct error *err)
{
    (void)plan, (void)im, (void)err;
    return 0;                           // main memory is the device's
}

static struct slot *cpu_slot(struct plan *plan, int i)
{
    return &of(plan)->ring.slots[i];
}

static int64_t cpu_steps(const struct plan *plan)
{
    return ((const struct cpu_plan *)plan)->store->steps;
}

static void cpu_set_steps(struct plan *plan, int64_t n)
{
    of(plan)->store->steps = n;
}

const struct backend backend_cpu = {
    .name = "cpu",
    .probe = cpu_probe,
    .compile = cpu_compile,
    .destroy = cpu_destroy,
    .reside = cpu_reside,
    .slot = cpu_slot,
    .submit = step_submit,
    .collect = step_collect,
    .write = cpu_write,
    .read = cpu_read,
    .steps = cpu_steps,
    .set_steps = cpu_set_steps,
};
