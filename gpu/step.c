/* gpu/step.c: steps on their way to the device and back. Nothing here waits
 * but collect, and that not at every step: results come half of those on their
 * way at a time, and the device has the other half to work at meanwhile. */
#include "gpu/step.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "gpu/capture.h"
#include "gpu/feed.h"
#include "gpu/optim.h"
#include "gpu/tap.h"
#include "model/plan.h"

struct waiting { int slot; enum mode mode; };

struct steps {
    struct captures *captures;
    struct waiting  *ring;              // of opts.slots
    int              oldest, n;
    int              here;              // of the oldest ones: fetched
    double           loss;
};

void step_open(struct gpu_plan *p)
{
    struct steps *s = p->steps = xcalloc(1, sizeof *s);

    s->ring = xcalloc((size_t)p->base.opts.slots, sizeof *s->ring);
    capture_open(p, &s->captures);
}

void step_close(struct gpu_plan *p)
{
    if (!p->steps)
        return;
    capture_close(p->steps->captures);
    free(p->steps->ring);
    free(p->steps);
}

static bool on_its_way(const struct gpu_plan *p, int slot)
{
    const struct steps *s = p->steps;

    for (int i = 0; i < s->n; i++)
        if (s->ring[(s->oldest + i) % p->base.opts.slots].slot == slot)
            return true;
    return false;
}

// An index out of range would read another's memory.
static int check_images(const struct gpu_plan *p, int slot, enum source source,
                        struct error *err)
{
    const struct graph *g = p->base.graph;
    struct shape s = graph_shape(g, g->input);

    if (source != SOURCE_VALUES && s.c != 3)
        return fail(err, ERR_USAGE, "images have 3 channels, this network's "
                    "input has %d", s.c);
    if (source == SOURCE_RESIDENT && !p->store->resident.host)
        return fail(err, ERR_USAGE, "images by index, but none are resident");
    for (int i = 0; source == SOURCE_RESIDENT && i < s.n; i++) {
        int32_t at = feed_slot(p, slot)->index[i];

        if (at < 0 || at >= p->store->resident.n)
            return fail(err, ERR_USAGE, "index %d of image %d, must be 0 to "
                        "%lld", at, i, (long long)p->store->resident.n - 1);
    }
    return 0;
}

static int check_slot(struct gpu_plan *p, int slot, enum mode mode,
                      struct error *err)
{
    int rc = plan_check_step(&p->base, slot, p->steps->n, mode, err);

    if (!rc && on_its_way(p, slot))
        rc = fail(err, ERR_STATE, "slot %d waits to be collected", slot);
    return rc;
}

int step_submit(struct gpu_plan *p, int slot, enum mode mode, double lr,
                struct error *err)
{
    struct steps *s = p->steps;
    int rc = check_slot(p, slot, mode, err);

    if (rc)
        return rc;
    enum source source = feed_source(p, slot);
    if ((rc = check_images(p, slot, source, err)) ||
        (rc = feed_send(p, slot, source, optim_next(p->store, lr), err)) ||
        (rc = capture_launch(p, s->captures, slot, mode, source, err)))
        return rc;
    s->ring[(s->oldest + s->n++) % p->base.opts.slots] =
        (struct waiting){ slot, mode };
    if (mode == MODE_TRAIN)
        p->store->steps++;
    return 0;
}

static int fetch(struct gpu_plan *p, struct error *err)
{
    struct steps *s = p->steps;
    int n = s->n > 1 ? s->n / 2 : 1;
    int last = s->ring[(s->oldest + n - 1) % p->base.opts.slots].slot;
    int rc = feed_fetch(p, capture_end(s->captures, last), err);

    if (!rc)
        s->here = n;
    return rc;
}

int step_collect(struct gpu_plan *p, struct result *out, struct error *err)
{
    struct steps *s = p->steps;
    struct waiting done = s->ring[s->oldest];
    size_t bytes = (size_t)p->base.graph->n_taps * sizeof *out->taps;
    int rc;

    if (!s->n)
        return fail(err, ERR_STATE, "no step waits to be collected");
    if ((!s->here && (rc = fetch(p, err)) != 0) ||
        (rc = capture_times(s->captures, done.slot, &out->millis,
                            &out->tap_millis, err)))
        return rc;
    const struct score *row = feed_fetched(p, done.slot);
    s->oldest = (s->oldest + 1) % p->base.opts.slots;
    s->n--;
    s->here--;
    out->loss = s->loss = row->loss;
    out->correct = row->correct;
    if (out->taps && done.mode != MODE_EVAL) {
        memcpy(out->taps, row + 1, bytes);
        tap_constants(p, out->loss, out->taps);
    }
    return 0;
}

double step_loss(const struct gpu_plan *p)
{
    return p->steps->loss;
}
