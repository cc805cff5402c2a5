/* tests/kernels.h: arrays that kernels work on, and what they ought to hold.
 * Include after cmocka.h. The kernels are the real ones, run on a CPU
 * (tests/emulate), so "device" memory is memory. */
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/rng.h"
#include "gpu/kernels.h"

struct array {
    enum elem elem;
    size_t    n;
    void     *inside;                   // what kernels see
    float    *x;                        // the same numbers
};

static inline void array_load(struct array *a)          // x from inside
{
    launch_cast(a->x, ELEM_F32, a->inside, a->elem, a->n, NULL);
}

static inline void array_store(struct array *a)         // and rounded
{
    launch_cast(a->inside, a->elem, a->x, ELEM_F32, a->n, NULL);
    array_load(a);
}

// Random in (-1, 1), then times scale plus offset.
static inline struct array array_new(enum elem e, size_t n, uint64_t seed,
                                     float scale, float offset)
{
    struct array a = { e, n, NULL, xcalloc(n, sizeof(float)) };

    if (posix_memalign(&a.inside, 64, n * elem_bytes(e)) != 0)
        abort();
    for (size_t i = 0; i < n; i++)
        a.x[i] = (float)rng_unit(seed, 7, i) * scale + offset;
    array_store(&a);
    return a;
}

static inline void array_free(struct array *a)
{
    free(a->inside);
    free(a->x);
}

// Every element within `relative` of what was wanted, or of `floor` where that
// is larger. want is taken, and freed.
static inline void array_is(struct array *a, double *want, double relative,
                            double floor, const char *what)
{
    array_load(a);
    for (size_t i = 0; i < a->n; i++) {
        double allowed = relative * fmax(fabs(want[i]), floor);

        if (!(fabs(a->x[i] - want[i]) <= allowed) &&
            !(isnan(a->x[i]) && isnan(want[i])))
            fail_msg("%s: number %zu of %zu is %.9g, not %.9g", what, i, a->n,
                     a->x[i], want[i]);
    }
    free(want);
}

static inline double *doubles(size_t n)
{
    return xcalloc(n, sizeof(double));
}

// Storing rounds to 8 (bf16) or 24 bits; loops in float add a few roundings.
static inline double rounding(enum elem e)
{
    return e == ELEM_BF16 ? 0x1p-8 : 0x1p-20;
}
