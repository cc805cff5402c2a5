/* cpu/loop.c: a chunk function per loop, compiled for several instruction
 * sets (CPU_CLONES, see meson.build) and picked when the program is loaded,
 * and a parallel loop over chunks. */
#include "cpu/loop.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "common/clock.h"

// 64 KiB: a few chunks fit a core's nearest caches. A multiple of 4 * 16.
enum { CHUNK = 16384 };

#define CHUNKS(n) ((int64_t)(((n) + CHUNK - 1) / CHUNK))

static size_t chunk_length(int64_t i, size_t n)
{
    size_t from = (size_t)i * CHUNK;

    return n - from < CHUNK ? n - from : CHUNK;
}

// Runs call for every chunk: i counts, at is where it starts, len its length.
// n must be the caller's variable of that name.
#define FOR_CHUNKS(n, call)                                                    \
    _Pragma("omp parallel for schedule(static) if(n > CHUNK)")                 \
    for (int64_t i = 0; i < CHUNKS(n); i++) {                                  \
        size_t at = (size_t)i * CHUNK, len = chunk_length(i, n);               \
        call;                                                                  \
    }

// ---- sums ----------------------------------------------------------------

// Four streams hide the latency of the additions.
CPU_CLONES
static double squares_chunk(const float *restrict x, size_t n)
{
    size_t quarter = n / 4;
    double a = 0, b = 0, c = 0, d = 0, rest = 0;

    #pragma omp simd reduction(+:a, b, c, d)
    for (size_t j = 0; j < quarter; j++) {
        double p = x[j], q = x[j + quarter];
        double r = x[j + 2 * quarter], s = x[j + 3 * quarter];

        a += p * p;
        b += q * q;
        c += r * r;
        d += s * s;
    }
    for (size_t j = 4 * quarter; j < n; j++)
        rest += (double)x[j] * x[j];
    return ((a + b) + (c + d)) + rest;
}

// Numbers of a chunk that a loop sums up behind its end, in the chunks' order:
// sums do not depend on the number of threads.
enum { PARTIALS = 4 };

size_t loop_partials(size_t n)
{
    return PARTIALS * (size_t)CHUNKS(n);
}

static void add_up(const double *partial, size_t n, double out[PARTIALS])
{
    for (int k = 0; k < PARTIALS; k++)
        out[k] = 0;
    for (int64_t i = 0; i < CHUNKS(n); i++)
        for (int k = 0; k < PARTIALS; k++)
            out[k] += partial[PARTIALS * i + k];
}

double loop_norm(const float *x, size_t n, double *partial)
{
    double sum = 0;

    FOR_CHUNKS(n, partial[i] = squares_chunk(x + at, len))
    for (int64_t i = 0; i < CHUNKS(n); i++)
        sum += partial[i];
    return sqrt(sum);
}

// sum, squares, zeros.
CPU_CLONES
static void sums_chunk(const float *restrict x, size_t n, double *out)
{
    size_t half = n / 2;
    double a = 0, b = 0, aa = 0, bb = 0;
    int zeros = 0;

    #pragma omp simd reduction(+:a, b, aa, bb)
    for (size_t j = 0; j < half; j++) {
        double p = x[j], q = x[j + half];

        a += p;
        b += q;
        aa += p * p;
        bb += q * q;
    }
    if (n % 2) {
        a += x[n - 1];
        aa += (double)x[n - 1] * x[n - 1];
    }
    #pragma omp simd reduction(+:zeros)
    for (size_t j = 0; j < n; j++)
        zeros += x[j] == 0;
    out[0] = a + b;
    out[1] = aa + bb;
    out[2] = zeros;
}

struct loop_sums loop_sums(const float *x, size_t n, double *partial)
{
    double all[PARTIALS];

    FOR_CHUNKS(n, sums_chunk(x + at, len, partial + PARTIALS * i))
    add_up(partial, n, all);
    return (struct loop_sums){ all[0], all[1], all[2] };
}

CPU_CLONES
static double distance_chunk(const float *restrict x, const float *restrict y,
                             size_t n)
{
    double sum = 0;

    #pragma omp simd reduction(+:sum)
    for (size_t j = 0; j < n; j++) {
        double d = (double)x[j] - y[j];

        sum += d * d;
    }
    return sum;
}

// ---- element by element --------------------------------------------------

void loop_copy(float *y, const float *x, size_t n)
{
    FOR_CHUNKS(n, memcpy(y + at, x + at, len * sizeof *y))
}

CPU_CLONES
static void add_chunk(float *restrict y, const float *restrict x, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        y[j] += x[j];
}

void loop_add(float *y, const float *x, size_t n)
{
    FOR_CHUNKS(n, add_chunk(y + at, x + at, len))
}

CPU_CLONES
static void sum_chunk(float *y, const float *a, const float *b, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        y[j] = a[j] + b[j];
}

// Written so that what is not a number stays so, as in PyTorch.
CPU_CLONES
static void sum_relu_chunk(float *y, const float *a, const float *b, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float s = a[j] + b[j];
        y[j] = s <= 0 ? 0 : s;
    }
}

void loop_sum(float *y, const float *a, const float *b, bool relu, size_t n)
{
    if (relu)
        FOR_CHUNKS(n, sum_relu_chunk(y + at, a + at, b + at, len))
    else
        FOR_CHUNKS(n, sum_chunk(y + at, a + at, b + at, len))
}

CPU_CLONES
static void relu_chunk(float *y, const float *x, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        y[j] = x[j] <= 0 ? 0 : x[j];
}

void loop_relu(float *y, const float *x, size_t n)
{
    FOR_CHUNKS(n, relu_chunk(y + at, x + at, len))
}

CPU_CLONES
static void mask_chunk(float *dx, const float *dy, const float *y, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        dx[j] = y[j] <= 0 ? 0 : dy[j];
}

CPU_CLONES
static void mask_add_chunk(float *dx, const float *dy, const float *y,
                           size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        dx[j] += y[j] <= 0 ? 0 : dy[j];
}

void loop_mask(float *dx, const float *dy, const float *y, bool adds, size_t n)
{
    if (adds)
        FOR_CHUNKS(n, mask_add_chunk(dx + at, dy + at, y + at, len))
    else
        FOR_CHUNKS(n, mask_chunk(dx + at, dy + at, y + at, len))
}

CPU_CLONES
static void add_masked_chunk(float *restrict g, const float *restrict x,
                             const float *restrict y, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float s = g[j] + x[j];
        g[j] = y[j] <= 0 ? 0 : s;
    }
}

void loop_add_masked(float *g, const float *x, const float *y, size_t n)
{
    FOR_CHUNKS(n, add_masked_chunk(g + at, x + at, y + at, len))
}

// ---- updates -------------------------------------------------------------

CPU_CLONES
static void sgd_chunk(float *restrict w, float *restrict v,
                      const float *restrict g, struct loop_sgd at, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float d = g[j] + at.weight_decay * w[j];
        v[j] = at.momentum * v[j] + d;
        w[j] -= at.lr * v[j];
    }
}

void loop_sgd(float *w, float *v, const float *g, struct loop_sgd how, size_t n)
{
    FOR_CHUNKS(n, sgd_chunk(w + at, v + at, g + at, how, len))
}

CPU_CLONES
static void adam_chunk(float *restrict w, float *restrict m, float *restrict v,
                       const float *restrict g, struct loop_adam at, size_t n)
{
    float keep = at.decoupled ? 1 - at.lr * at.weight_decay : 1;
    float decay = at.decoupled ? 0 : at.weight_decay;

    #pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float d = g[j] + decay * w[j];
        m[j] = at.beta1 * m[j] + at.rest1 * d;
        v[j] = at.beta2 * v[j] + at.rest2 * d * d;
        w[j] = keep * w[j] - at.step * m[j] / (sqrtf(v[j]) / at.root + at.eps);
    }
}

void loop_adam(float *w, float *m, float *v, const float *g,
               struct loop_adam how, size_t n)
{
    FOR_CHUNKS(n, adam_chunk(w + at, m + at, v + at, g + at, how, len))
}

// ---- updates that are watched --------------------------------------------

// Whose numbers of a chunk are w, g and so on, and where its partials go.
struct chunk {
    float       *w;
    const float *g;
    size_t       len;
    unsigned     wants;
    double      *partial;
};

static double watch_before(const struct chunk *c, float *old)
{
    double start = clock_seconds();

    c->partial[0] = c->wants & WATCH_WEIGHT ? squares_chunk(c->w, c->len) : 0;
    c->partial[1] = c->wants & WATCH_GRAD ? squares_chunk(c->g, c->len) : 0;
    if (c->wants & WATCH_CHANGE)
        memcpy(old, c->w, c->len * sizeof *old);
    return clock_seconds() - start;
}

static void watch_after(const struct chunk *c, const float *old, double spent)
{
    double start = clock_seconds();

    c->partial[2] = c->wants & WATCH_CHANGE
        ? distance_chunk(c->w, old, c->len) : 0;
    c->partial[3] = spent + clock_seconds() - start;
}

static void watch_end(struct loop_watch *out, size_t n)
{
    double all[PARTIALS];

    add_up(out->partial, n, all);
    out->weight = sqrt(all[0]);
    out->grad = sqrt(all[1]);
    out->change = sqrt(all[2]);
    out->seconds = all[3] / (n > CHUNK ? omp_get_max_threads() : 1);
}

// The update is the same function on the same chunks: what it gives is, too.
#define WATCHED(update)                                                        \
    do {                                                                       \
        float old[CHUNK];                                                      \
        struct chunk c = { w + at, g + at, len, out->wants,                    \
                           out->partial + PARTIALS * i };                      \
        double spent = watch_before(&c, old);                                  \
        update;                                                                \
        watch_after(&c, old, spent);                                           \
    } while (0)

void loop_sgd_watched(float *w, float *v, const float *g, struct loop_sgd how,
                      size_t n, struct loop_watch *out)
{
    #pragma omp parallel for schedule(static) if(n > CHUNK)
    for (int64_t i = 0; i < CHUNKS(n); i++) {
        size_t at = (size_t)i * CHUNK, len = chunk_length(i, n);
        WATCHED(sgd_chunk(w + at, v + at, g + at, how, len));
    }
    watch_end(out, n);
}

void loop_adam_watched(float *w, float *m, float *v, const float *g,
                       struct loop_adam how, size_t n, struct loop_watch *out)
{
    #pragma omp parallel for schedule(static) if(n > CHUNK)
    for (int64_t i = 0; i < CHUNKS(n); i++) {
        size_t at = (size_t)i * CHUNK, len = chunk_length(i, n);
        WATCHED(adam_chunk(w + at, m + at, v + at, g + at, how, len));
    }
    watch_end(out, n);
}
