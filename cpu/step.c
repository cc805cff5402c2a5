/* cpu/step.c: the stages in their order, taps before and behind them, and the
 * update of a group's parameters once its backward stage is over. */
#include "cpu/step.h"

#include <omp.h>
#include "common/clock.h"
#include "cpu/optim.h"
#include "cpu/tap.h"
#include "model/plan.h"

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

int step_submit(struct plan *plan, int slot, enum mode mode, double lr,
                struct error *err)
{
    struct cpu_plan *p = (struct cpu_plan *)plan;
    double start = clock_seconds();
    int rc = plan_check_step(plan, slot, p->ring.waiting, mode, err);

    if (rc)
        return rc;
    p->now = &p->ring.slots[slot];
    p->mode = mode;
    p->result = ring_next(&p->ring, mode);
    p->result->tap_millis = 0;
    p->lost = false;

    int threads = omp_get_max_threads();    // the caller's
    omp_set_num_threads(plan->opts.threads);
    run_stages(p, lr);
    omp_set_num_threads(threads);
    if (p->dnn.err.code)
        return fail(err, p->dnn.err.code, "%s", p->dnn.err.text);
    p->result->millis = (float)(1e3 * (clock_seconds() - start));
    ring_push(&p->ring);
    return 0;
}

int step_collect(struct plan *plan, struct result *out, struct error *err)
{
    return ring_collect(&((struct cpu_plan *)plan)->ring, out, err);
}
