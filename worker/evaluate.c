#include "worker/evaluate.h"

#include <stdlib.h>

#include "common/mem.h"
#include "worker/tell.h"

struct turn {                           // what the lane is given
    const struct rig *rig;
    int               give, take;       // slots to submit and collect; -1: none
    struct result     result;
    struct error     *err;
    int               rc;
};

static void run_turn(void *arg)         // on the lane
{
    struct turn *t = arg;
    const struct backend *b = t->rig->backend;
    struct plan *plan = t->rig->full.plan;

    if (t->give >= 0)
        t->rc = b->submit(plan, t->give, MODE_EVAL, 0, t->err);
    if (!t->rc && t->take >= 0)
        t->rc = b->collect(plan, &t->result, t->err);
}

static int slot_of(const struct rig *rig, int64_t batch)
{
    return (int)(batch % rig->slots);
}

static int images_in(const struct rig *rig, const struct data *d, int64_t batch)
{
    int64_t left = d->n - batch * rig->full.n;

    return left < rig->full.n ? (int)left : rig->full.n;
}

// Running statistics make images independent of each other: the last batch is
// filled up with padding, which counts for nothing.
static void fill(const struct rig *rig, const struct data *d, int64_t batch)
{
    struct slot *slot = rig->full.slots[slot_of(rig, batch)];
    int n = images_in(rig, d, batch);

    if (n <= 0)
        return;
    slot->values = NULL;
    slot->by_index = false;
    for (int i = 0; i < n; i++)
        slot->index[i] = (int32_t)(batch * rig->full.n + i);
    data_batch(d, 1, slot->index, n, slot->pixels, slot->labels);
    for (int i = n; i < rig->full.n; i++)
        slot->labels[i] = -1;
}

static void add(struct evaluation *e, const struct result *r, int images)
{
    e->loss += r->loss * images;        // the mean, at the end
    e->correct += r->correct;
    e->images += images;
}

// As the steps of an epoch: some are on their way, and the next is filled
// meanwhile. Those that are on their way are collected when it is stopped.
int evaluate(struct lane *lane, const struct rig *rig, const struct data *d,
             bool (*go_on)(void *arg), void *arg, struct evaluation *out,
             struct error *err)
{
    int64_t batches = (d->n + rig->full.n - 1) / rig->full.n;
    int64_t given = 0, taken = 0;
    bool stopped = false;
    double millis = 0;

    *out = (struct evaluation){ 0 };
    fill(rig, d, 0);
    while (taken < given || (given < batches && !stopped)) {
        int lag = rig_lag(rig, millis);
        bool give = given < batches && !stopped && given - taken <= lag;
        bool take = !give || given - taken >= lag;
        struct turn t = { .rig = rig, .err = err,
                          .give = give ? slot_of(rig, given) : -1,
                          .take = take ? slot_of(rig, taken) : -1 };

        lane_give(lane, run_turn, &t);
        if (give)
            fill(rig, d, given + 1);
        while (!lane_wait(lane, TELL_MOST_S))
            go_on(arg);
        if (t.rc)
            return t.rc;
        if (take) {
            add(out, &t.result, images_in(rig, d, taken));
            millis = t.result.millis;
        }
        given += give;
        taken += take;
        stopped = stopped || !go_on(arg);
    }
    if (taken < batches)
        return fail(err, ERR_STATE, "stopped while evaluating");
    out->loss /= (double)out->images;
    return 0;
}
