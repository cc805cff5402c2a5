/* gpu/capture.c: see the header. What changes from step to step lies in the
 * slot's block, so a graph is never captured again. */
#include "gpu/capture.h"

#include <stdlib.h>
#include "common/mem.h"
#include "gpu/check.h"
#include "gpu/feed.h"
#include "gpu/optim.h"
#include "gpu/tap.h"

// Moments of a step.
enum { BEGIN, WEIGHTS, FORWARD, TAPS, UPDATE, END, MOMENTS };

struct capture {                        // by slot
    cudaGraphExec_t graphs[MODES][SOURCES];
    cudaEvent_t     at[MOMENTS];
};
struct captures {
    struct capture *slots;
    int             n;
    bool            warm[MODES];
};

void capture_open(struct gpu_plan *p, struct captures **out)
{
    struct captures *c = *out = xcalloc(1, sizeof *c);

    c->n = p->base.opts.slots;
    c->slots = xcalloc((size_t)c->n, sizeof *c->slots);
}

static void slot_close(struct capture *c)
{
    for (int m = 0; m < MODES; m++)
        for (int s = 0; s < SOURCES; s++)
            if (c->graphs[m][s])
                cudaGraphExecDestroy(c->graphs[m][s]);
    for (int i = 0; i < MOMENTS; i++)
        if (c->at[i])
            cudaEventDestroy(c->at[i]);
}

void capture_close(struct captures *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n; i++)
        slot_close(&c->slots[i]);
    free(c->slots);
    free(c);
}

// ---- what a step is ---------------------------------------------------------

static void enqueue_stages(struct gpu_plan *p)
{
    for (int i = 0; i < p->schedule.n_stages && !p->err.code; i++) {
        struct stage s = p->schedule.stages[i];
        struct group *g = &p->groups[s.node];

        if (s.phase == PHASE_FORWARD) {
            g->op->forward(p, g);
        } else if (p->mode != MODE_EVAL) {
            tap_begin(p, i);
            g->op->backward(p, g);
        }
        tap_after(p, i);
        if (s.phase == PHASE_BACKWARD)
            optim_after(p, i);
    }
}

// Events that are nodes of the graph, so that each replay records them.
static int mark(struct gpu_plan *p, cudaEvent_t e, struct error *err)
{
    int rc = 0;

    CUDA_TRY(cudaEventRecordWithFlags(e, plan_stream(p),
                                      cudaEventRecordExternal));
out:
    return rc;
}

static int enqueue(struct gpu_plan *p, struct capture *c, struct error *err)
{
    int rc;

    if ((rc = mark(p, c->at[WEIGHTS], err)) != 0)
        return rc;
    tap_weights(p);
    if ((rc = mark(p, c->at[FORWARD], err)) != 0)
        return rc;
    optim_begin(p);
    enqueue_stages(p);
    if (p->err.code)
        return fail(err, p->err.code, "%s", p->err.text);
    if ((rc = mark(p, c->at[TAPS], err)) != 0)
        return rc;
    tap_grads(p);
    if (!tap_changes(p))
        tap_finish(p, feed_row(p, p->slot));
    if ((rc = mark(p, c->at[UPDATE], err)) != 0 ||
        (p->mode == MODE_TRAIN && (rc = optim_finish(p, err)) != 0))
        return rc;
    if (tap_changes(p)) {
        tap_updated(p);
        tap_finish(p, feed_row(p, p->slot));
    }
    return 0;
}

// ---- capture, launch --------------------------------------------------------

static int make_events(struct capture *c, struct error *err)
{
    int rc = 0;

    for (int i = 0; i < MOMENTS; i++)
        if (!c->at[i])
            CUDA_TRY(cudaEventCreateWithFlags(&c->at[i], cudaEventDefault));
out:
    return rc;
}

// Once, before the first graph, the same without one: libraries load kernels
// when they are called for the first time, and a capture need not survive that.
// Nothing that stays is changed: no update, no running statistics.
static int warm_up(struct gpu_plan *p, struct captures *c, struct error *err)
{
    enum mode mode = p->mode;
    int rc = 0;

    p->mode = mode == MODE_EVAL ? MODE_EVAL : MODE_GRAD;
    if (!c->warm[p->mode]) {
        enqueue_stages(p);
        if (p->err.code)
            rc = fail(err, p->err.code, "%s", p->err.text);
        else
            CUDA_TRY(cudaGetLastError());
        c->warm[p->mode] = !rc;
    }
out:
    p->mode = mode;
    return rc;
}

// A stream that is left capturing can do nothing else any more: ended whatever
// happened, and the first mistake is the one to tell.
static int end_capture(struct gpu_plan *p, cudaGraph_t *out, struct error *err)
{
    cudaError_t launched = cudaGetLastError();
    int rc = 0;

    CUDA_TRY(cudaStreamEndCapture(plan_stream(p), out));
    CUDA_TRY(launched);
out:
    return rc;
}

static int record(struct gpu_plan *p, struct capture *c, cudaGraphExec_t *out,
                  struct error *err)
{
    cudaGraph_t graph = NULL;
    int rc = 0;

    CUDA_TRY(cudaStreamBeginCapture(plan_stream(p),
                                    cudaStreamCaptureModeRelaxed));
    rc = enqueue(p, c, err);
    int ended = end_capture(p, &graph, rc ? NULL : err);
    rc = rc ? rc : ended;
    if (!rc)
        CUDA_TRY(cudaGraphInstantiate(out, graph, 0));
out:
    if (graph)
        cudaGraphDestroy(graph);
    return rc;
}

int capture_launch(struct gpu_plan *p, struct captures *c, int slot,
                   enum mode mode, enum source source, struct error *err)
{
    struct capture *at = &c->slots[slot];
    cudaGraphExec_t *graph = &at->graphs[mode][source];
    int rc = make_events(at, err);

    p->slot = slot;
    p->mode = mode;
    p->source = source;
    if (!rc && !*graph && (rc = warm_up(p, c, err)) == 0)
        rc = record(p, at, graph, err);
    if (rc)
        return rc;
    CUDA_TRY(cudaEventRecord(at->at[BEGIN], plan_stream(p)));
    CUDA_TRY(cudaGraphLaunch(*graph, plan_stream(p)));
    CUDA_TRY(cudaEventRecord(at->at[END], plan_stream(p)));
out:
    return rc;
}

cudaEvent_t capture_end(const struct captures *c, int slot)
{
    return c->slots[slot].at[END];
}

int capture_times(struct captures *c, int slot, float *millis,
                  float *tap_millis, struct error *err)
{
    const cudaEvent_t *at = c->slots[slot].at;
    float weights = 0;
    int rc = 0;

    CUDA_TRY(cudaEventElapsedTime(millis, at[BEGIN], at[END]));
    CUDA_TRY(cudaEventElapsedTime(tap_millis, at[TAPS], at[UPDATE]));
    CUDA_TRY(cudaEventElapsedTime(&weights, at[WEIGHTS], at[FORWARD]));
    *tap_millis += weights;
out:
    return rc;
}
