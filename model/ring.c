/* model/ring.c: see ring.h. */
#include "model/ring.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

void ring_open(struct ring *r, const struct plan *p)
{
    const struct graph *g = p->graph;
    size_t n = (size_t)graph_shape(g, g->input).n;
    size_t slots = (size_t)p->opts.slots;

    r->plan = p;
    r->slots = xcalloc(slots, sizeof *r->slots);
    r->done = xcalloc(slots, sizeof *r->done);
    for (size_t i = 0; i < slots; i++) {
        r->slots[i].index = xcalloc(n, sizeof(int32_t));
        r->slots[i].pixels = xcalloc((size_t)graph_elements(g, g->input), 1);
        r->slots[i].labels = xcalloc(n, sizeof(int32_t));
        r->done[i].result.taps = xcalloc((size_t)g->n_taps, sizeof(double));
    }
}

void ring_close(struct ring *r)
{
    for (int i = 0; r->slots && i < r->plan->opts.slots; i++) {
        free(r->slots[i].index);
        free(r->slots[i].pixels);
        free(r->slots[i].labels);
        free(r->done[i].result.taps);
    }
    free(r->slots);
    free(r->done);
}

struct result *ring_next(struct ring *r, enum mode mode)
{
    struct done *done = &r->done[(r->oldest + r->waiting) %
                                 r->plan->opts.slots];

    done->mode = mode;
    return &done->result;
}

void ring_push(struct ring *r)
{
    r->waiting++;
}

int ring_collect(struct ring *r, struct result *out, struct error *err)
{
    const struct done *done = &r->done[r->oldest];
    double *taps = out->taps;

    if (!r->waiting)
        return fail(err, ERR_STATE, "no step waits to be collected");
    if (taps && done->mode != MODE_EVAL)
        memcpy(taps, done->result.taps,
               (size_t)r->plan->graph->n_taps * sizeof *taps);
    *out = done->result;
    out->taps = taps;
    r->oldest = (r->oldest + 1) % r->plan->opts.slots;
    r->waiting--;
    return 0;
}
