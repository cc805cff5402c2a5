/* gpu/tap.c: two tables of segments: one by tap, for the end of a step, and
 * one of the parameters', which one launch measures all of. A gradient is
 * complete when the backward stage of its producer begins, a value when its
 * forward stage ends. */
#include "gpu/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"

enum { ALIGN = 256 };

struct tap_plan {
    struct tap_segment *rows, *params;  // by tap; of n_params of them
    bool               *claimed;        // by tap
    int                *moment;         // by tap; -1: needs no kernel
    int                 n_params, most; // most: the largest .count of params
    int                 n_partials;
    struct tap_segment *device_rows, *device_params;
    double             *partials;
};

// Two per stage, before and after, and one behind all.
static int moment_of(const struct gpu_plan *p, struct tap tap)
{
    const struct graph *g = p->base.graph;
    const struct schedule *s = &p->schedule;

    if (g->values[tap.value].role == ROLE_PARAM)
        return 2 * s->n_stages;
    if (tap.value == g->loss)
        return -1;
    for (int i = 0; i < s->n_stages; i++) {
        bool backward = s->stages[i].phase == PHASE_BACKWARD;

        if (p->groups[s->stages[i].node].out == tap.value &&
            backward == (tap.side == SIDE_GRAD))
            return 2 * i + !backward;
    }
    return -1;
}

static size_t count_of(const struct gpu_plan *p, struct tap tap)
{
    const struct graph *g = p->base.graph;

    if (g->values[tap.value].role == ROLE_PARAM) {
        struct layout l = p->store->rows[tap.value].layout;
        return (size_t)l.n * l.plane * (size_t)l.padded;
    }
    return (size_t)graph_elements(g, tap.value) / (size_t)graph_shape(g,
        tap.value).c * (size_t)store_padded(g, tap.value, p->store->elem);
}

void tap_open(struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = p->taps = xcalloc(1, sizeof *t);
    size_t n = (size_t)g->n_taps;

    t->rows = xcalloc(n + 1, sizeof *t->rows);
    t->params = xcalloc(n + 1, sizeof *t->params);
    t->claimed = xcalloc(n + 1, sizeof *t->claimed);
    t->moment = xcalloc(n + 1, sizeof *t->moment);
    for (int i = 0; i < g->n_taps; i++) {
        t->moment[i] = moment_of(p, g->taps[i]);
        if (t->moment[i] < 0)
            continue;
        t->rows[i].n = count_of(p, g->taps[i]);
        t->rows[i].count = tap_partials(t->rows[i].n);
    }
}

void tap_free(struct tap_plan *t)
{
    if (!t)
        return;
    free(t->rows);
    free(t->params);
    free(t->claimed);
    free(t->moment);
    free(t);
}

int tap_claim(struct gpu_plan *p, val v, enum side side, int count)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = p->taps;

    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].value == v && g->taps[i].side == side &&
            !t->claimed[i]) {
            t->claimed[i] = true;
            t->rows[i].count = count;
            return i;
        }
    return -1;
}

double *tap_squares(const struct gpu_plan *p, int row)
{
    const struct tap_plan *t = p->taps;

    return row < 0 ? NULL : t->partials + t->rows[row].first;
}

// ---- memory -----------------------------------------------------------------

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t table_bytes(const struct gpu_plan *p)
{
    return rounded(((size_t)p->base.graph->n_taps + 1) *
                   sizeof(struct tap_segment));
}

size_t tap_bytes(struct gpu_plan *p)
{
    struct tap_plan *t = p->taps;

    t->n_partials = 0;
    for (int i = 0; i < p->base.graph->n_taps; i++) {
        t->rows[i].first = t->n_partials;
        t->n_partials += t->rows[i].count;
    }
    return 2 * table_bytes(p) +
           rounded(((size_t)t->n_partials + 1) * sizeof(double));
}

// What the tap reads, once everything has its place.
static void point(struct gpu_plan *p, struct tap tap, struct tap_segment *row)
{
    const struct graph *g = p->base.graph;
    const struct buffer *b = tap.side == SIDE_VALUE ? p->value[tap.value]
                                                    : p->grad[tap.value];

    if (g->values[tap.value].role != ROLE_PARAM) {
        row->x = b->data;
        row->elem = b->elem;
    } else if (tap.side == SIDE_VALUE) {
        row->x = store_value(p->store, g, tap.value);
        row->elem = ELEM_F32;
    } else {
        row->x = store_grad(p->store, tap.value);
        row->elem = store_grad_elem(p->store, tap.value);
    }
}

int tap_place(struct gpu_plan *p, void *memory, struct error *err)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = p->taps;
    size_t bytes = table_bytes(p);
    int rc = 0;

    t->device_rows = memory;
    t->device_params = (struct tap_segment *)((char *)memory + bytes);
    t->partials = (double *)((char *)memory + 2 * bytes);
    for (int i = 0; i < g->n_taps; i++) {
        if (t->moment[i] < 0)
            continue;
        point(p, g->taps[i], &t->rows[i]);
        if (g->values[g->taps[i].value].role != ROLE_PARAM)
            continue;
        t->params[t->n_params++] = t->rows[i];
        if (t->rows[i].count > t->most)
            t->most = t->rows[i].count;
    }
    CUDA_TRY(cudaMemcpyAsync(t->device_rows, t->rows, (size_t)g->n_taps *
        sizeof *t->rows, cudaMemcpyHostToDevice, plan_stream(p)));
    CUDA_TRY(cudaMemcpyAsync(t->device_params, t->params, (size_t)t->n_params *
        sizeof *t->params, cudaMemcpyHostToDevice, plan_stream(p)));
    CUDA_TRY(cudaStreamSynchronize(plan_stream(p)));
out:
    return rc;
}

// ---- a step -----------------------------------------------------------------

static void measure(struct gpu_plan *p, int moment)
{
    const struct tap_plan *t = p->taps;

    for (int i = 0; p->mode != MODE_EVAL && i < p->base.graph->n_taps; i++)
        if (t->moment[i] == moment && !t->claimed[i])
            launch_tap_squares(t->device_rows + i, 1, t->rows[i].count,
                               t->partials, plan_stream(p));
}

void tap_begin(struct gpu_plan *p, int stage)
{
    measure(p, 2 * stage);
}

void tap_after(struct gpu_plan *p, int stage)
{
    measure(p, 2 * stage + 1);
}

void tap_params(struct gpu_plan *p)
{
    const struct tap_plan *t = p->taps;

    if (p->mode != MODE_EVAL)
        launch_tap_squares(t->device_params, t->n_params, t->most, t->partials,
                           plan_stream(p));
}

void tap_finish(struct gpu_plan *p, double *norm, struct score *score)
{
    const struct tap_plan *t = p->taps;
    int n = p->mode == MODE_EVAL ? 0 : p->base.graph->n_taps;

    launch_tap_finish(norm, t->device_rows, n, t->partials, score, p->score,
                      plan_stream(p));
}

void tap_constants(const struct gpu_plan *p, double loss, double *norm)
{
    const struct graph *g = p->base.graph;

    for (int i = 0; i < g->n_taps; i++)
        if (p->taps->moment[i] < 0)
            norm[i] = g->taps[i].side == SIDE_GRAD ? 1 : fabs(loss);
}
