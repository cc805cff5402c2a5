/* gpu/store.c: places in blocks, and the way across the seam. */
#include "gpu/store.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/check.h"
#include "model/plan.h"

enum { ALIGN = 64 };                    // numbers; 128 bytes in bf16

// ---- layout -----------------------------------------------------------------

int store_padded(const struct graph *g, val v, enum elem e)
{
    int c = graph_shape(g, v).c, pack = elem_pack(e);

    if (v != g->input)
        return c;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < MAX_IN; k++)
            if (g->nodes[i].in[k] == v && g->nodes[i].op != OP_CONV)
                return c;
    return (c + pack - 1) / pack * pack;
}

static void place(struct store *s, val v, struct layout l, bool low,
                  size_t *end)
{
    s->rows[v] = (struct stored){ .offset = *end, .layout = l, .low = low };
    *end += ((size_t)l.n * l.plane * (size_t)l.padded + ALIGN - 1) /
            ALIGN * ALIGN;
    size_t bytes = (size_t)l.n * l.plane * (size_t)l.c * sizeof(float);
    if (bytes > s->staging_bytes)
        s->staging_bytes = bytes;
}

static struct layout layout_of(const struct graph *g, val v)
{
    struct shape s = graph_shape(g, v);

    return (struct layout){ ELEM_F32, s.n, s.c, s.c,
                            (size_t)s.h * (size_t)s.w };
}

static void place_conv_weights(struct store *s, const struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];

        if (n->op != OP_CONV)
            continue;
        struct layout l = layout_of(g, n->param[0]);
        l.padded = store_padded(g, n->in[0], s->elem);
        place(s, n->param[0], l, true, &s->n);
    }
    s->n_low = s->n;
}

static void place_all(struct store *s, const struct graph *g)
{
    place_conv_weights(s, g);
    for (int used = 1; used >= 0; used--) {
        for (val v = 0; v < g->n_values; v++)
            if (g->values[v].role == ROLE_PARAM && !s->rows[v].low &&
                g->values[v].used == used)
                place(s, v, layout_of(g, v), false, &s->n);
        if (used)
            s->n_used = s->n;
    }
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_STATE)
            place(s, v, layout_of(g, v), false, &s->n_state);
}

// ---- memory -----------------------------------------------------------------

struct want { void **at; size_t bytes; };
enum { WANTS = 8 };

static void wants_of(struct store *s, struct want w[WANTS])
{
    size_t f = sizeof(float), low = elem_bytes(s->elem);
    struct want all[WANTS] = {
        { (void **)&s->w, s->n * f }, { (void **)&s->m, s->n * f },
        { (void **)&s->v, s->optim.kind == OPTIM_SGD ? 0 : s->n * f },
        { (void **)&s->state, s->n_state * f },
        { (void **)&s->grad, (s->n_used - s->n_low) * f },
        { &s->low_grad, s->n_low * low },
        { &s->copy, s->elem == ELEM_BF16 ? s->n_low * low : 0 },
        { (void **)&s->staging, s->staging_bytes },
    };

    memcpy(w, all, sizeof all);
}

enum { STREAMS = 5, EVENTS = 4 };

static int open_streams(struct store *s, struct error *err)
{
    cudaStream_t *const streams[STREAMS] = { &s->main, &s->side, &s->updating,
                                             &s->copying, &s->fetching };
    cudaEvent_t *const events[EVENTS] = { &s->fork, &s->join, &s->ready,
                                          &s->updated };
    int rc = 0;

    for (int i = 0; i < STREAMS; i++)
        CUDA_TRY(cudaStreamCreateWithFlags(streams[i], cudaStreamNonBlocking));
    for (int i = 0; i < EVENTS; i++)
        CUDA_TRY(cudaEventCreateWithFlags(events[i], cudaEventDisableTiming));
out:
    return rc;
}

static void close_streams(struct store *s)
{
    const cudaStream_t streams[STREAMS] = { s->main, s->side, s->updating,
                                            s->copying, s->fetching };
    const cudaEvent_t events[EVENTS] = { s->fork, s->join, s->ready,
                                         s->updated };

    for (int i = 0; i < EVENTS; i++)
        if (events[i])
            cudaEventDestroy(events[i]);
    for (int i = 0; i < STREAMS; i++)
        if (streams[i])
            cudaStreamDestroy(streams[i]);
}

int store_new(const struct graph *g, const struct plan_opts *o,
              struct store **out, struct error *err)
{
    struct store *s = *out = xcalloc(1, sizeof *s);
    struct want wants[WANTS];
    int rc = 0;

    s->rows = xcalloc((size_t)g->n_values, sizeof *s->rows);
    s->optim = o->optim;
    s->elem = o->precision == PREC_BF16 ? ELEM_BF16 : ELEM_F32;
    s->tf32 = o->precision != PREC_F32;
    place_all(s, g);
    wants_of(s, wants);
    for (int i = 0; i < WANTS; i++)
        s->bytes += wants[i].bytes;
    rc = open_streams(s, err);
    if (!rc)
        rc = dnn_open(o->cache, &s->dnn, err);
    if (!rc)
        rc = blas_open(&s->blas, err);
    return rc;                          // the caller frees *out
}

int store_alloc(struct store *s, struct error *err)
{
    struct want wants[WANTS];
    int rc = 0;

    wants_of(s, wants);
    for (int i = 0; i < WANTS; i++) {
        if (!wants[i].bytes)
            continue;
        CUDA_TRY(cudaMalloc(wants[i].at, wants[i].bytes));
        CUDA_TRY(cudaMemsetAsync(*wants[i].at, 0, wants[i].bytes, s->main));
    }
out:
    return rc;
}

void store_free(struct store *s)
{
    struct want wants[WANTS];

    if (!s)
        return;
    cudaDeviceSynchronize();
    wants_of(s, wants);
    for (int i = 0; i < WANTS; i++)
        cudaFree(*wants[i].at);
    resident_drop(&s->resident);
    dnn_close(s->dnn);
    blas_close(s->blas);
    close_streams(s);
    free(s->rows);
    free(s);
}

// ---- places -----------------------------------------------------------------

float *store_value(const struct store *s, const struct graph *g, val v)
{
    return (g->values[v].role == ROLE_STATE ? s->state : s->w) +
           s->rows[v].offset;
}

void *store_weight(const struct store *s, val v)
{
    size_t bytes = elem_bytes(s->elem);
    void *from = s->copy ? s->copy : s->w;

    return (char *)from + s->rows[v].offset * bytes;
}

void *store_grad(const struct store *s, val v)
{
    const struct stored *row = &s->rows[v];

    if (row->low)
        return (char *)s->low_grad + row->offset * elem_bytes(s->elem);
    return s->grad + (row->offset - s->n_low);
}

enum elem store_grad_elem(const struct store *s, val v)
{
    return s->rows[v].low ? s->elem : ELEM_F32;
}

// ---- across the seam --------------------------------------------------------

// A side of a stored value, in *l's layout.
static int find(const struct store *s, const struct graph *g, val v,
                enum side side, struct layout *l, void **out,
                struct error *err)
{
    const struct value *row = &g->values[v];
    float *const blocks[] = { s->w, NULL, s->m, s->v };

    *l = s->rows[v].layout;
    *out = NULL;
    if (side == SIDE_VALUE) {
        *out = store_value(s, g, v);
    } else if (side == SIDE_GRAD && row->role == ROLE_PARAM && row->used) {
        *out = store_grad(s, v);
        l->elem = store_grad_elem(s, v);
    } else if (side != SIDE_GRAD && row->role == ROLE_PARAM && blocks[side]) {
        *out = blocks[side] + s->rows[v].offset;
    }
    return *out ? 0 : plan_lacks(g, v, side, err);
}

static size_t outside_bytes(struct layout l)
{
    return (size_t)l.n * l.plane * (size_t)l.c * sizeof(float);
}

int store_write(struct store *s, const struct graph *g, val v, enum side side,
                const float *src, struct error *err)
{
    struct layout l;
    void *to;
    int rc = find(s, g, v, side, &l, &to, err);

    if (rc)
        return rc;
    CUDA_TRY(cudaMemcpyAsync(s->staging, src, outside_bytes(l),
                             cudaMemcpyHostToDevice, s->main));
    launch_to_inside(to, s->staging, l, s->main);
    if (side == SIDE_VALUE && s->rows[v].low && s->copy)
        launch_cast(store_weight(s, v), s->elem, to, ELEM_F32,
                    (size_t)l.n * l.plane * (size_t)l.padded, s->main);
    CUDA_TRY(cudaGetLastError());
    CUDA_TRY(cudaStreamSynchronize(s->main));
out:
    return rc;
}

int store_fetch(struct store *s, const void *x, struct layout l, float *dst,
                struct error *err)
{
    int rc = 0;
    size_t bytes = outside_bytes(l);
    float *room = NULL;                 // activations can be larger

    if (bytes > s->staging_bytes)
        CUDA_TRY(cudaMalloc((void **)&room, bytes));
    launch_to_outside(room ? room : s->staging, x, l, s->main);
    CUDA_TRY(cudaGetLastError());
    CUDA_TRY(cudaMemcpyAsync(dst, room ? room : s->staging, bytes,
                             cudaMemcpyDeviceToHost, s->main));
    CUDA_TRY(cudaStreamSynchronize(s->main));
out:
    cudaFree(room);
    return rc;
}

int store_read(struct store *s, const struct graph *g, val v, enum side side,
               float *dst, struct error *err)
{
    struct layout l;
    void *from;
    int rc = find(s, g, v, side, &l, &from, err);

    return rc ? rc : store_fetch(s, from, l, dst, err);
}
