/* cpu/loop.c: a chunk function per loop, compiled for several instruction
 * sets (CPU_CLONES, see meson.build) and picked when the program is loaded,
 * and a parallel loop over chunks. */
#include "cpu/loop.h"

#include <math.h>
#include <omp.h>
#include <string.h>

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

struct loop_images loop_images(const float *x, int images, size_t one,
                               double *partial)
{
    int64_t each = CHUNKS(one);
    struct loop_images out = { 0 };

    #pragma omp parallel for schedule(static) if((size_t)images * one > CHUNK)
    for (int64_t i = 0; i < images * each; i++) {
        size_t at = (size_t)(i % each) * CHUNK;
        partial[i] = squares_chunk(x + (size_t)(i / each) * one + at,
                                   chunk_length(i % each, one));
    }
    for (int64_t i = 0; i < images * each; i += each) {
        double sum = 0;

        for (int64_t k = 0; k < each; k++)
            sum += partial[i + k];
        out.norms += sqrt(sum);
        out.squares += sum;
    }
    return out;
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

// sum, squares, zeros of y, as sums_chunk().
CPU_CLONES
static void sum_relu_sums_chunk(float *y, const float *a, const float *b,
                                size_t n, double *out)
{
    double sum = 0, squares = 0;
    int zeros = 0;

    #pragma omp simd reduction(+:sum, squares, zeros)
    for (size_t j = 0; j < n; j++) {
        float s = a[j] + b[j];
        s = s <= 0 ? 0 : s;
        y[j] = s;
        double wide = s;
        sum += wide;
        squares += wide * wide;
        zeros += s == 0;
    }
    out[0] = sum;
    out[1] = squares;
    out[2] = zeros;
}

struct loop_sums loop_sum_relu_sums(float *y, const float *a, const float *b,
                                    size_t n, double *partial)
{
    double all[PARTIALS];

    FOR_CHUNKS(n, sum_relu_sums_chunk(y + at, a + at, b + at, len,
                                      partial + PARTIALS * i))
    add_up(partial, n, all);
    return (struct loop_sums){ all[0], all[1], all[2] };
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

CPU_CLONES
static void add_masked_norms_chunk(float *restrict g, const float *restrict x,
                                   const float *restrict y, size_t n,
                                   double *out)
{
    double added = 0, result = 0;

    #pragma omp simd reduction(+:added, result)
    for (size_t j = 0; j < n; j++) {
        float s = g[j] + x[j];
        s = y[j] <= 0 ? 0 : s;
        g[j] = s;
        double p = x[j], q = s;
        added += p * p;
        result += q * q;
    }
    out[0] = added;
    out[1] = result;
}

struct loop_norms loop_add_masked_norms(float *g, const float *x,
                                        const float *y, size_t n,
                                        double *partial)
{
    double all[PARTIALS];

    FOR_CHUNKS(n, add_masked_norms_chunk(g + at, x + at, y + at, len,
                                         partial + PARTIALS * i))
    add_up(partial, n, all);
    return (struct loop_norms){ sqrt(all[0]), sqrt(all[1]) };
}

// ---- updates -------------------------------------------------------------

// Plain or watched, an update is the same sentence to the compiler, which makes
// the same numbers of it.
static inline float sgd_one(float w, float *v, float g, struct loop_sgd at)
{
    float d = g + at.weight_decay * w;

    *v = at.momentum * *v + d;
    return w - at.lr * *v;
}

CPU_CLONES
static void sgd_chunk(float *restrict w, float *restrict v,
                      const float *restrict g, struct loop_sgd at, size_t n)
{
    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        w[j] = sgd_one(w[j], &v[j], g[j], at);
}

void loop_sgd(float *w, float *v, const float *g, struct loop_sgd how, size_t n)
{
    FOR_CHUNKS(n, sgd_chunk(w + at, v + at, g + at, how, len))
}

struct adam_scale { float keep, decay; };

static struct adam_scale adam_scale(struct loop_adam at)
{
    return (struct adam_scale){
        .keep = at.decoupled ? 1 - at.lr * at.weight_decay : 1,
        .decay = at.decoupled ? 0 : at.weight_decay,
    };
}

static inline float adam_one(float w, float *m, float *v, float g,
                             struct loop_adam at, struct adam_scale by)
{
    float d = g + by.decay * w;

    *m = at.beta1 * *m + at.rest1 * d;
    *v = at.beta2 * *v + at.rest2 * d * d;
    return by.keep * w - at.step * *m / (sqrtf(*v) / at.root + at.eps);
}

CPU_CLONES
static void adam_chunk(float *restrict w, float *restrict m, float *restrict v,
                       const float *restrict g, struct loop_adam at, size_t n)
{
    struct adam_scale by = adam_scale(at);

    #pragma omp simd
    for (size_t j = 0; j < n; j++)
        w[j] = adam_one(w[j], &m[j], &v[j], g[j], at, by);
}

void loop_adam(float *w, float *m, float *v, const float *g,
               struct loop_adam how, size_t n)
{
    FOR_CHUNKS(n, adam_chunk(w + at, m + at, v + at, g + at, how, len))
}

// ---- updates that are watched --------------------------------------------

// Squares of w before, of g, and of what w changes by.
#define WATCH(update)                                                          \
    double weight = 0, grad = 0, change = 0;                                   \
    _Pragma("omp simd reduction(+:weight, grad, change)")                      \
    for (size_t j = 0; j < n; j++) {                                           \
        float old = w[j], now = update;                                       \
        double p = old, q = g[j], r = (double)now - old;                       \
        w[j] = now;                                                            \
        weight += p * p;                                                       \
        grad += q * q;                                                         \
        change += r * r;                                                       \
    }                                                                          \
    out[0] = weight;                                                           \
    out[1] = grad;                                                             \
    out[2] = change;

CPU_CLONES
static void sgd_watch_chunk(float *restrict w, float *restrict v,
                            const float *restrict g, struct loop_sgd at,
                            size_t n, double *out)
{
    WATCH(sgd_one(old, &v[j], g[j], at))
}

CPU_CLONES
static void adam_watch_chunk(float *restrict w, float *restrict m,
                             float *restrict v, const float *restrict g,
                             struct loop_adam at, size_t n, double *out)
{
    struct adam_scale by = adam_scale(at);

    WATCH(adam_one(old, &m[j], &v[j], g[j], at, by))
}

static void watch_end(struct loop_watch *out, size_t n)
{
    double all[PARTIALS];

    add_up(out->partial, n, all);
    out->weight = sqrt(all[0]);
    out->grad = sqrt(all[1]);
    out->change = sqrt(all[2]);
}

void loop_sgd_watched(float *w, float *v, const float *g, struct loop_sgd how,
                      size_t n, struct loop_watch *out)
{
    FOR_CHUNKS(n, sgd_watch_chunk(w + at, v + at, g + at, how, len,
                                  out->partial + PARTIALS * i))
    watch_end(out, n);
}

void loop_adam_watched(float *w, float *m, float *v, const float *g,
                       struct loop_adam how, size_t n, struct loop_watch *out)
{
    FOR_CHUNKS(n, adam_watch_chunk(w + at, m + at, v + at, g + at, how, len,
                                   out->partial + PARTIALS * i))
    watch_end(out, n);
}
