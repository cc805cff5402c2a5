/* cpu/step.c: the stages in their order, taps before and behind them, and the
 * update of a group's parameters once its backward stage is over. */
#include "cpu/step.h"

#include <string.h>
#include <omp.h>
#include "common/clock.h"
#include "cpu/optim.h"
#include "cpu/tap.h"

static void run_stage(struct cpu_plan *p, int stage)
{
    struct stage s = p->schedule.stages[stage];
    struct group *g = &p->groups[s.node];

    tap_before(p, stage);
    if (s.phase == PHASE_FORWARD)
        g->op->forward(p, g);
    else
        g->op->backward(p, g);
    tap_after(p, stage);
    if (s.phase == PHASE_BACKWARD && p->mode == MODE_TRAIN && g->param_bytes)
        tap_update(p, stage);
}

static void run_stages(struct cpu_plan *p, double lr)
{
    if (p->mode == MODE_TRAIN)
        optim_begin(p->store, lr);
    for (int i = 0; i < p->schedule.n_stages; i++) {
        if (p->mode != MODE_EVAL ||
            p->schedule.stages[i].phase == PHASE_FORWARD)
            run_stage(p, i);
    }
    tap_end(p);
    if (p->mode == MODE_TRAIN)
        optim_end(p->store);
}

static int check_slot(const struct cpu_plan *p, int slot, enum mode mode,
                      struct error *err)
{
    const struct graph *g = p->base.graph;
    int slots = p->base.opts.slots, classes = graph_shape(g, g->logits).c;

    if (slot < 0 || slot >= slots)
        return fail(err, ERR_USAGE, "slot %d of a plan with %d", slot, slots);
    if (p->waiting == slots)
        return fail(err, ERR_STATE, "%d steps wait to be collected", slots);
    if (mode != MODE_EVAL && p->too_small)
        return fail(err, ERR_SPEC, "%s: cannot train on one value per channel "
                    "(a batch of 1 image of 1 x 1)", p->too_small);
    for (int i = 0; i < graph_shape(g, g->input).n; i++) {
        int32_t label = p->slots[slot].labels[i];

        if (label < -1 || label >= classes)
            return fail(err, ERR_USAGE, "label %d of image %d, must be 0 to "
                        "%d, or -1 for padding", label, i, classes - 1);
    }
    return 0;
}

int step_submit(struct plan *plan, int slot, enum mode mode, double lr,
                struct error *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    double start = clock_seconds();
    int rc = check_slot(p, slot, mode, err);

    if (rc)
        return rc;
    p->now = &p->slots[slot];
    p->mode = mode;
    struct done *done = &p->done[(p->oldest + p->waiting) % plan->opts.slots];
    done->mode = mode;
    p->result = &done->result;
    p->result->tap_millis = 0;
    p->lost = false;

    int threads = omp_get_max_threads();    // the caller's
    omp_set_num_threads(plan->opts.threads);
    run_stages(p, lr);
    omp_set_num_threads(threads);
    if (p->dnn.err.code)
        return fail(err, p->dnn.err.code, "%s", p->dnn.err.text);
    p->result->millis = (float)(1e3 * (clock_seconds() - start));
    p->waiting++;
    return 0;
}

int step_collect(struct plan *plan, struct result *out, struct error *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    const struct done *done = &p->done[p->oldest];
    double *taps = out->taps;

    if (!p->waiting)
        return fail(err, ERR_STATE, "no step waits to be collected");
    if (taps && done->mode != MODE_EVAL)
        memcpy(taps, done->result.taps,
               (size_t)plan->graph->n_taps * sizeof *taps);
    *out = done->result;
    out->taps = taps;
    p->oldest = (p->oldest + 1) % plan->opts.slots;
    p->waiting--;
    return 0;
}
