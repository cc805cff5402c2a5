#include "worker/evaluate.h"

#include <stdlib.h>

#include "common/mem.h"
#include "worker/tell.h"

struct step {                           // what the lane is given
    const struct rig *rig;
    struct result     result;
    struct error     *err;
    int               rc;
};

static void run_step(void *arg)         // on the lane
{
    struct step *s = arg;
    const struct backend *b = s->rig->backend;

    s->rc = b->submit(s->rig->full.plan, 0, MODE_EVAL, 0, s->err);
    if (!s->rc)
        s->rc = b->collect(s->rig->full.plan, &s->result, s->err);
}

// Running statistics make images independent of each other: the last batch is
// filled up with padding, which counts for nothing.
static int fill(const struct rig *rig, const struct data *d, int64_t first)
{
    struct slot *slot = rig->full.slots[0];
    int n = 0;

    slot->values = NULL;
    slot->by_index = false;
    for (; n < rig->full.n && first + n < d->n; n++)
        slot->index[n] = (int32_t)(first + n);
    data_batch(d, 1, slot->index, n, slot->pixels, slot->labels);
    for (int i = n; i < rig->full.n; i++)
        slot->labels[i] = -1;
    return n;
}

int evaluate(struct lane *lane, const struct rig *rig, const struct data *d,
             bool (*go_on)(void *arg), void *arg, struct evaluation *out,
             struct error *err)
{
    double sum = 0;

    *out = (struct evaluation){ 0 };
    while (out->images < d->n) {
        struct step s = { .rig = rig, .err = err };
        int n = fill(rig, d, out->images);

        lane_give(lane, run_step, &s);
        while (!lane_wait(lane, TELL_MOST_S))
            go_on(arg);
        if (s.rc)
            return s.rc;
        sum += s.result.loss * n;
        out->correct += s.result.correct;
        out->images += n;
        if (!go_on(arg))
            return fail(err, ERR_STATE, "stopped while evaluating");
    }
    out->loss = sum / (double)out->images;
    return 0;
}
