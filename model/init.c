/* model/init.c: first weights by seed. docs/randomness.md has the rule. */
#include "model/init.h"

#include <math.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/rng.h"

// Box-Muller on two draws of 53 bits; u1 is never 0.
static double normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t a = rng_bits(seed, stream, 2 * index) >> 11;
    uint64_t b = rng_bits(seed, stream, 2 * index + 1) >> 11;
    double u1 = (double)(a + 1) * 0x1p-53;
    double u2 = (double)b * 0x1p-53;

    return sqrt(-2.0 * log(u1)) * cos(2.0 * M_PI * u2);
}

void init_fill(const struct graph *g, val v, uint64_t seed, float *dst)
{
    const struct value *p = &g->values[v];
    uint64_t n = (uint64_t)graph_elements(g, v);
    uint64_t stream = (uint64_t)p->param;

    // The product is taken in double and rounded once.
    for (uint64_t i = 0; i < n; i++) {
        switch (p->fill) {
        case FILL_ZERO:
            dst[i] = 0;
            break;
        case FILL_ONE:
            dst[i] = 1;
            break;
        case FILL_UNIFORM:
            dst[i] = (float)(rng_unit(seed, stream, i) * p->scale);
            break;
        case FILL_NORMAL:
            dst[i] = (float)(normal(seed, stream, i) * p->scale);
            break;
        }
    }
}

int init_plan(struct plan *p, uint64_t seed, struct error *err)
{
    const struct graph *g = p->graph;
    int64_t most = 1;
    int rc = 0;

    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role != ROLE_ACT && graph_elements(g, v) > most)
            most = graph_elements(g, v);

    float *buf = xcalloc((size_t)most, sizeof *buf);
    for (val v = 0; v < g->n_values && rc == 0; v++) {
        if (g->values[v].role == ROLE_ACT)
            continue;
        init_fill(g, v, seed, buf);
        rc = p->backend->write(p, v, SIDE_VALUE, buf, err);
    }
    free(buf);
    return rc;
}
