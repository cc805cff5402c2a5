/* gpu/tap.c: tables of segments: one by tap, for the end of a step, and three
 * of the parameters', measured by one launch each: their values before the
 * step changes anything, their gradients, and the changes. A gradient is
 * complete when the backward stage of its producer begins, a value when its
 * forward stage ends, what comes back through a branch when the stage of its
 * first node does. */
#include "gpu/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"

enum { ALIGN = 256 };
enum moment { NEVER = -1 };             // else: 2 * stage, + 1 for its end

// Segments that are measured together.
struct batch {
    struct tap_segment *host, *device;
    int                 n, most;        // most: the largest .count
};
enum { WEIGHTS, GRADS, CHANGES, BATCHES };

struct tap_plan {
    struct tap_segment *rows;           // by tap
    bool               *claimed;        // by tap
    int                *moment;         // by tap; NEVER: needs no kernel
    int                 n_partials;
    struct batch        batches[BATCHES];
    struct tap_segment *device_rows;
    double             *partials;
    float              *before;         // parameters before the update, when
                                        // changes are measured
};

static bool is_param(const struct gpu_plan *p, struct tap tap)
{
    return p->base.graph->values[tap.value].role == ROLE_PARAM;
}

// The group in which v's branch begins.
static const struct group *branch_of(const struct gpu_plan *p, val v)
{
    int first = graph_branch(p->base.graph, v);
    int i = 0;

    while (!p->groups[i].op || p->groups[i].first != first)
        i++;
    return &p->groups[i];
}

static bool makes(const struct gpu_plan *p, const struct group *g,
                  struct tap tap)
{
    return tap.measure == MEASURE_BRANCH ? g == branch_of(p, tap.value)
                                         : g->out == tap.value;
}

// Two per stage, before and after, and one behind all.
static int moment_of(const struct gpu_plan *p, struct tap tap)
{
    const struct schedule *s = &p->schedule;

    if (is_param(p, tap))
        return 2 * s->n_stages;
    if (tap.value == p->base.graph->loss)
        return NEVER;
    for (int i = 0; i < s->n_stages; i++) {
        bool backward = s->stages[i].phase == PHASE_BACKWARD;

        if (makes(p, &p->groups[s->stages[i].node], tap) &&
            backward == (tap.side == SIDE_GRAD))
            return 2 * i + (!backward || tap.measure == MEASURE_BRANCH);
    }
    return NEVER;
}

static size_t count_of(const struct gpu_plan *p, struct tap tap)
{
    const struct graph *g = p->base.graph;

    if (is_param(p, tap)) {
        struct layout l = p->store->rows[tap.value].layout;
        return (size_t)l.n * l.plane * (size_t)l.padded;
    }
    return (size_t)graph_elements(g, tap.value) / (size_t)graph_shape(g,
        tap.value).c * (size_t)store_padded(g, tap.value, p->store->elem);
}

static enum tap_kind kind_of(enum measure m)
{
    static const enum tap_kind kinds[] = {
        [MEASURE_NORM] = TAP_NORM,   [MEASURE_MEAN] = TAP_MEAN,
        [MEASURE_STD] = TAP_STD,     [MEASURE_ZEROS] = TAP_ZEROS,
        [MEASURE_CHANGE] = TAP_NORM, [MEASURE_SAMPLES] = TAP_SAMPLES,
        [MEASURE_BRANCH] = TAP_NORM,
    };

    return kinds[m];
}

void tap_open(struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = p->taps = xcalloc(1, sizeof *t);
    size_t n = (size_t)g->n_taps + 1;

    t->rows = xcalloc(n, sizeof *t->rows);
    t->claimed = xcalloc(n, sizeof *t->claimed);
    t->moment = xcalloc(n, sizeof *t->moment);
    for (int i = 0; i < BATCHES; i++)
        t->batches[i].host = xcalloc(n, sizeof(struct tap_segment));
    for (int i = 0; i < g->n_taps; i++) {
        struct tap_segment *row = &t->rows[i];

        t->moment[i] = moment_of(p, g->taps[i]);
        if (t->moment[i] == NEVER)
            continue;
        row->n = count_of(p, g->taps[i]);
        row->real = (size_t)graph_elements(g, g->taps[i].value);
        row->kind = (int32_t)kind_of(g->taps[i].measure);
        row->parts = row->kind == TAP_SAMPLES
                   ? graph_shape(g, g->taps[i].value).n : 1;
        row->count = tap_partials(row->n, (enum tap_kind)row->kind, row->parts);
    }
}

void tap_free(struct tap_plan *t)
{
    if (!t)
        return;
    for (int i = 0; i < BATCHES; i++)
        free(t->batches[i].host);
    free(t->rows);
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
            g->taps[i].measure == MEASURE_NORM && !t->claimed[i]) {
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

bool tap_changes(const struct gpu_plan *p)
{
    const struct graph *g = p->base.graph;

    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].measure == MEASURE_CHANGE)
            return true;
    return false;
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

static size_t partial_bytes(const struct tap_plan *t)
{
    return rounded(((size_t)t->n_partials + 1) * sizeof(double));
}

size_t tap_bytes(struct gpu_plan *p)
{
    struct tap_plan *t = p->taps;
    size_t before = tap_changes(p) ? p->store->n_used * sizeof(float) : 0;

    t->n_partials = 0;
    for (int i = 0; i < p->base.graph->n_taps; i++) {
        t->rows[i].first = t->n_partials;
        t->n_partials += t->rows[i].count;
    }
    return (1 + BATCHES) * table_bytes(p) + partial_bytes(t) + rounded(before);
}

// What the tap reads, once everything has its place.
static void point(struct gpu_plan *p, struct tap tap, struct tap_segment *row)
{
    const struct store *s = p->store;
    const struct buffer *b = tap.side == SIDE_VALUE ? p->value[tap.value]
                                                    : p->grad[tap.value];

    if (tap.measure == MEASURE_BRANCH)
        b = branch_of(p, tap.value)->added;
    if (!is_param(p, tap)) {
        row->x = b->data;
        row->elem = b->elem;
    } else if (tap.side == SIDE_VALUE) {
        row->x = store_value(s, p->base.graph, tap.value);
        row->elem = ELEM_F32;
        if (tap.measure == MEASURE_CHANGE)
            row->minus = p->taps->before + s->rows[tap.value].offset;
    } else {
        row->x = store_grad(s, tap.value);
        row->elem = store_grad_elem(s, tap.value);
    }
}

static void gather(struct batch *b, const struct tap_segment *row)
{
    b->host[b->n++] = *row;
    if (row->count > b->most)
        b->most = row->count;
}

static int send(struct gpu_plan *p, struct tap_segment *to,
                const struct tap_segment *from, int n, struct error *err)
{
    int rc = 0;

    CUDA_TRY(cudaMemcpyAsync(to, from, (size_t)n * sizeof *from,
                             cudaMemcpyHostToDevice, plan_stream(p)));
    CUDA_TRY(cudaStreamSynchronize(plan_stream(p)));
out:
    return rc;
}

int tap_place(struct gpu_plan *p, void *memory, struct error *err)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = p->taps;
    size_t bytes = table_bytes(p);
    char *at = memory;

    t->device_rows = (struct tap_segment *)at;
    for (int i = 0; i < BATCHES; i++)
        t->batches[i].device = (struct tap_segment *)(at += bytes);
    t->partials = (double *)(at += bytes);
    t->before = (float *)(at + partial_bytes(t));
    for (int i = 0; i < g->n_taps; i++) {
        if (t->moment[i] == NEVER)
            continue;
        if (g->taps[i].measure == MEASURE_BRANCH &&
            !branch_of(p, g->taps[i].value)->added)
            return fail(err, ERR_SPEC, "cuda measures what comes back through "
                        "a branch only where it begins with a convolution, "
                        "not at %s", g->values[g->taps[i].value].name);
        point(p, g->taps[i], &t->rows[i]);
        if (is_param(p, g->taps[i]))
            gather(&t->batches[t->rows[i].minus ? CHANGES
                               : g->taps[i].side == SIDE_GRAD ? GRADS
                               : WEIGHTS], &t->rows[i]);
    }
    int rc = send(p, t->device_rows, t->rows, g->n_taps, err);
    for (int i = 0; i < BATCHES && !rc; i++)
        rc = send(p, t->batches[i].device, t->batches[i].host,
                  t->batches[i].n, err);
    return rc;
}

// ---- a step -----------------------------------------------------------------

// Taps that follow each other are measured in one launch.
static void measure(struct gpu_plan *p, int moment)
{
    const struct tap_plan *t = p->taps;
    int n = p->mode == MODE_EVAL ? 0 : p->base.graph->n_taps;

    for (int i = 0, last; i < n; i = last) {
        int most = 0;

        for (last = i; last < n && t->moment[last] == moment &&
                       !t->claimed[last]; last++)
            if (t->rows[last].count > most)
                most = t->rows[last].count;
        launch_tap_sums(t->device_rows + i, last - i, most, t->partials,
                        plan_stream(p));
        last += last == i;
    }
}

void tap_begin(struct gpu_plan *p, int stage)
{
    measure(p, 2 * stage);
}

void tap_after(struct gpu_plan *p, int stage)
{
    measure(p, 2 * stage + 1);
}

static void run_batch(struct gpu_plan *p, int which)
{
    const struct batch *b = &p->taps->batches[which];

    if (p->mode != MODE_EVAL)
        launch_tap_sums(b->device, b->n, b->most, p->taps->partials,
                        plan_stream(p));
}

void tap_weights(struct gpu_plan *p)
{
    const struct tap_plan *t = p->taps;

    run_batch(p, WEIGHTS);
    if (p->mode != MODE_EVAL && t->batches[CHANGES].n > 0)
        launch_copy(t->before, p->store->w, ELEM_F32, p->store->n_used,
                    plan_stream(p));
}

void tap_grads(struct gpu_plan *p)
{
    run_batch(p, GRADS);
}

void tap_updated(struct gpu_plan *p)
{
    run_batch(p, CHANGES);
}

void tap_finish(struct gpu_plan *p, struct score *row)
{
    const struct tap_plan *t = p->taps;
    int n = p->mode == MODE_EVAL ? 0 : p->base.graph->n_taps;

    launch_tap_finish((double *)(row + 1), t->device_rows, n, t->partials, row,
                      p->score, plan_stream(p));
}

// Of one number: it is its own mean and norm.
static double constant(struct tap tap, double x)
{
    switch (tap.measure) {
    case MEASURE_NORM:
    case MEASURE_SAMPLES: return fabs(x);
    case MEASURE_MEAN:  return x;
    case MEASURE_ZEROS: return x == 0;
    default:            return 0;
    }
}

void tap_constants(const struct gpu_plan *p, double loss, double *out)
{
    const struct graph *g = p->base.graph;

    for (int i = 0; i < g->n_taps; i++)
        if (p->taps->moment[i] == NEVER)
            out[i] = constant(g->taps[i],
                              g->taps[i].side == SIDE_GRAD ? 1 : loss);
}
