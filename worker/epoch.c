/* worker/epoch.c: the steps of an epoch. Plans live on a lane; this thread
 * fills the next batch meanwhile, records, and tells. A device that works by
 * itself is handed steps before the last ones are collected (rig.ahead), so
 * that it never waits for this program; results come in order all the same. */
#include "worker/run.h"

#include <inttypes.h>
#include <math.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/evaluate.h"
#include "worker/rate.h"

// Steps that take longer are taken for hung: no more live events, so that
// whoever watches for them can act.
enum { STEP_LIMIT_S = 600 };

struct turn {                           // what the lane is given
    const struct rig *rig;
    int64_t           give, take;       // steps of the epoch to submit and to
                                        // collect; -1 = none
    double            lr;
    struct result     result;
    struct error     *err;
    int               rc;
};

static void run_turn(void *arg)         // on the lane
{
    struct turn *t = arg;
    const struct backend *b = t->rig->backend;

    if (t->give >= 0)
        t->rc = b->submit(rig_part_of(t->rig, t->give)->plan,
                          rig_slot_of(t->rig, t->give), MODE_TRAIN, t->lr,
                          t->err);
    if (!t->rc && t->take >= 0)
        t->rc = b->collect(rig_part_of(t->rig, t->take)->plan, &t->result,
                           t->err);
}

static void write_partial(void *run)    // on the lane
{
    struct run *r = run;
    keep_write_partial(&r->keep, &r->rig, r->progress.epoch - 1);
}

static void fill(struct run *r, int64_t s)
{
    const struct rig_part *part = rig_part_of(&r->rig, s);

    if (s < r->rig.steps_per_epoch)
        rig_fill(&r->rig, part->slots[rig_slot_of(&r->rig, s)], r->data,
                 r->progress.epoch, r->order + s * r->rig.full.n, part->n);
}

static void measure(struct run *r)
{
    struct progress *p = &r->progress;
    double now = clock_seconds();
    int64_t fresh = r->images - r->marked_images;
    int64_t epochs_left = r->job->train.epochs - p->epoch;
    int64_t images_left = (epochs_left + 1) * r->rig.images_per_epoch -
                          p->images;

    if (!fresh)
        return;
    p->images_per_second = (double)fresh / (now - r->marked);
    p->eta_seconds = (double)images_left * (now - r->begun) /
                     (double)r->images;
    r->marked = now;
    r->marked_images = r->images;
}

void epoch_live(struct run *r)
{
    measure(r);
    tell_live(&r->tell, &r->progress, r->job, &r->rig, r->record);
}

// A step of the epoch as one of the run.
static int64_t of_run(const struct run *r, int64_t s)
{
    return (r->progress.epoch - 1) * r->rig.steps_per_epoch + s;
}

// The lane works, the batch behind the one that is given is filled, and while
// it takes long a live event tells that somebody is at work.
static int take_turn(struct run *r, int64_t give, int64_t take)
{
    int64_t steps = r->rig.steps_per_epoch;
    struct turn turn = {
        .rig = &r->rig, .give = give, .take = take, .err = &r->err,
        .lr = give < 0 ? 0 : rate_at(r->job, of_run(r, give), steps),
        .result = { .taps = r->result.taps },
    };
    double start = clock_seconds();

    lane_give(r->lane, run_turn, &turn);
    if (give >= 0)
        fill(r, give + 1);
    while (!lane_wait(r->lane, TELL_MOST_S))
        if (clock_seconds() - start < STEP_LIMIT_S)
            epoch_live(r);
    if (take >= 0 && !turn.rc)
        r->millis = turn.result.millis;
    if (take >= 0 && !turn.rc && !r->bad)
        r->result = turn.result;
    return turn.rc;
}

static void count(struct run *r, int64_t s)
{
    const struct rig_part *part = rig_part_of(&r->rig, s);

    progress_add(&r->progress, r->result.loss, r->result.correct, part->n);
    r->images += part->n;
    r->tap_seconds += 1e-3 * r->result.tap_millis;
    taps_values(&r->taps, part->sources, r->result.taps, r->numbers);
    record_add(r->record, r->result.loss, r->numbers);
}

static void note(struct run *r, int64_t s)
{
    keep_step(&r->keep, &r->result, r->rig.full.graph->n_taps);
    count(r, s);
    r->bad = r->job->train.on_nonfinite == NONFINITE_STOP &&
             !isfinite(r->result.loss);
    if (tell_due(&r->tell, clock_seconds()))
        epoch_live(r);
}

struct probing { struct run *r; int rc; };

static void run_probe(void *arg)        // on the lane
{
    struct probing *p = arg;
    p->rc = prober_take(p->r->prober, run_stopped, p->r, &p->r->err);
}

// Counts for no rate, as validation.
static int probe(struct run *r, int64_t step)
{
    struct probing p = { .r = r };
    double start = clock_seconds();

    lane_give(r->lane, run_probe, &p);
    while (!lane_wait(r->lane, TELL_MOST_S))
        epoch_live(r);
    double seconds = clock_seconds() - start;
    r->progress.probe_seconds += seconds;
    r->marked += seconds;
    if (!p.rc)
        prober_tell(r->prober, &r->tell, r->progress.epoch, step, seconds);
    return p.rc == ERR_STATE ? 0 : p.rc;    // stopped: the loop sees that too
}

// All from `first` on, until one says stop. What is on its way then is
// collected, and recorded: a checkpoint has its updates. Not behind a loss that
// ends the run: what follows that is not the user's.
static int take_steps(struct run *r, int64_t first)
{
    int64_t given = first, taken = first, probed = -1;
    int rc = 0;

    fill(r, first);
    while (!rc) {
        int lag = rig_lag(&r->rig, r->millis);
        bool give = given < r->rig.steps_per_epoch && !run_stopped(r) &&
                    !r->bad;
        if (!give && taken == given)
            break;
        give = give && given - taken <= lag;
        if (give && given != probed &&
            prober_due(r->prober, r->job, of_run(r, given), given == 0)) {
            if (taken == given) {       // no update is on its way
                rc = probe(r, of_run(r, given));
                probed = given;
                continue;
            }
            give = false;
        }
        bool take = !give || given - taken >= lag;
        rc = take_turn(r, give ? given : -1, take ? taken : -1);
        if (!rc && take && !r->bad)
            note(r, taken);
        given += give;
        taken += take;
    }
    return rc;
}

// While images are shown: at most as often as live events, says that somebody
// is at work.
static bool on_evaluating(void *run)
{
    struct run *r = run;

    if (clock_seconds() - r->tell.last >= TELL_MOST_S)
        epoch_live(r);
    return !run_stopped(r);
}

// Counts for no rate: those are about training.
static int validate(struct run *r)
{
    double start = clock_seconds();
    struct evaluation e;
    int rc = evaluate(r->lane, &r->rig, r->validation, on_evaluating, r, &e,
                      &r->err);

    if (!rc) {
        r->progress.validation.loss = e.loss;
        r->progress.validation.correct = e.correct;
        r->progress.validation.images = e.images;
    }
    r->marked += clock_seconds() - start;
    return rc;
}

static int finish(struct run *r, double start, double spent)
{
    struct progress *p = &r->progress;
    bool complete = p->steps == r->rig.steps_per_epoch;
    json_t *quantities = record_quantities(r->record, false);
    double seconds = clock_seconds() - start - p->probe_seconds;
    double recording = r->tap_seconds + record_seconds(r->record) +
                       r->tell.spent - spent;

    int rc = r->validation && complete && !run_stopped(r) ? validate(r) : 0;

    r->whole_epochs += complete;
    tell_epoch(&r->tell, p, complete, seconds, recording / seconds, quantities,
               record_early(r->record));
    log_info("epoch %d: %" PRId64 " steps in %.1f s, loss %.4g, accuracy %.3f",
             p->epoch, p->steps, seconds,
             p->loss_sum / (double)p->loss_images,
             (double)p->correct / (double)p->images);
    return rc == ERR_STATE ? 0 : rc;    // stopped: the loop sees that too
}

// The steps of this epoch that were taken before the run was stopped, as if
// they had just been; how many.
static int64_t replay(struct run *r)
{
    int64_t images = r->images, n = 0;

    for (; keep_noted(&r->keep, n, &r->result); n++)
        count(r, n);
    r->images = images;                 // for rates
    return n;
}

static void begin(struct run *r, int epoch)
{
    r->progress = (struct progress){
        .epoch = epoch, .eta_seconds = r->progress.eta_seconds,
        .images_per_second = r->progress.images_per_second,
    };
    r->tap_seconds = 0;
    record_begin(r->record, epoch);
    data_order(r->data, r->job->train.seed, epoch, r->job->data.shuffle,
               r->order);
}

int epoch_run(struct run *r, int epoch)
{
    double start = clock_seconds(), spent = r->tell.spent;

    begin(r, epoch);
    int rc = take_steps(r, replay(r));
    if (r->progress.steps == r->rig.steps_per_epoch)
        keep_forget(&r->keep);
    else if (r->keep.dir && r->keep.rows.n && !rc && !r->bad)
        run_on_lane(r, write_partial);
    if (r->progress.steps) {
        int after = finish(r, start, spent);
        rc = rc ? rc : after;
    }
    return rc;
}
