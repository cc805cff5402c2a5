/* worker/train.c: the loop. Plans live on a lane; this thread fills the next
 * batch meanwhile, records, and tells. */
#include "worker/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "model/nets.h"
#include "worker/backends.h"
#include "worker/data.h"
#include "worker/evaluate.h"
#include "worker/keep.h"
#include "worker/lane.h"
#include "worker/rate.h"
#include "worker/tell.h"

// A step that takes longer is taken for hung: no more live events, so that
// whoever watches for them can act.
enum { STEP_LIMIT_S = 600 };

struct run {
    const struct train_opts *o;
    struct job     *job;
    struct data    *data, *validation;  // validation: NULL = none
    struct taps     taps;
    struct rig      rig;
    struct lane    *lane;
    struct record  *record;
    struct tell     tell;
    struct keep     keep;
    struct error    err;
    json_t         *problems;           // with the spec, found by this run
    int32_t        *order;              // (data.n) images of the epoch
    double         *numbers;            // (taps.n) of the step, to record
    struct progress progress;
    double          tap_seconds;        // of the epoch
    double          begun;              // the first epoch
    int64_t         images;             // trained on since then
    double          marked;             // when images_per_second was measured
    int64_t         marked_images;
    int             whole_epochs;
};

struct step {                           // what a lane is given
    const struct backend *backend;
    struct plan          *plan;
    int                   slot;
    double                lr;
    struct result         result;
    struct error         *err;
    int                   rc;
};

static bool stopped(void *run)
{
    struct run *r = run;
    return *r->o->stop || r->tell.gone;
}

static void on_loading(void *run, int64_t images, int64_t of)
{
    tell_loading(&((struct run *)run)->tell, images, of);
}

static void on_warning(void *run, const char *code, const char *path,
                       const char *reason)
{
    tell_warning(&((struct run *)run)->tell, code, path, reason);
}

// Takes value. Always ERR_SPEC.
static int spec_problem(struct run *r, const char *pointer, json_t *value,
                        const char *message)
{
    r->problems = json_pack("[{s:s, s:o, s:s}]", "pointer", pointer,
                            "value", value, "message", message);
    return ERR_SPEC;
}

// What can be checked before images are decoded: device, precision, network
// and the layers to record, whose names do not depend on the data.
static int check(struct run *r)
{
    struct job *job = r->job;
    const char *precision[] = { "auto", "f32", "tf32", "bf16" };
    struct net_opts net = net_opts_of(job, 2, 2);
    int rc = backend_find(job->device, &r->rig.backend, &r->rig.ordinal,
                          &r->err);

    if (rc)
        return rc;
    if (backend_precision(r->rig.backend, job->train.precision,
                          &r->rig.precision, &r->err) != 0)
        return spec_problem(r, "/train/precision",
                            json_string(precision[job->train.precision]),
                            r->err.text);
    struct graph *g = net_build(&net, &r->err);
    if (!g)
        return r->err.code;
    rc = taps_select(job, g, &r->taps, &r->problems);
    graph_free(g);
    return rc;
}

static int open_data(struct run *r)
{
    struct job *job = r->job;
    struct data_watch watch = {
        .progress = on_loading, .warning = on_warning, .stopped = stopped,
        .arg = r,
    };
    int rc;

    if (*job->data.root && !r->o->root_dir)
        return fail(&r->err, ERR_DATA, "data root \"%s\" is not known here: "
                    "give it with --data %s=DIR", job->data.root,
                    job->data.root);
    rc = data_open(job, r->o->root_dir, r->o->cache_dir, &watch, &r->data,
                   &r->err);
    if (rc)
        return rc;
    if (!job->model.classes)
        job->model.classes = r->data->n_classes < 2 ? 2 : r->data->n_classes;
    if (job->model.classes < r->data->n_classes) {
        fail(&r->err, ERR_SPEC, "must be at least %d, the classes of the data "
             "set", r->data->n_classes);
        return spec_problem(r, "/model/classes",
                            json_integer(job->model.classes), r->err.text);
    }
    rc = data_open_validation(r->data, job, r->o->root_dir, r->o->cache_dir,
                              &watch, &r->validation, &r->err);
    return rc ? rc : rig_cut(&r->rig, r->data->n, job->train.batch, &r->err);
}

static void open_rig(void *run)         // on the lane
{
    struct run *r = run;
    r->err.code = 0;
    if (rig_open(&r->rig, r->job, &r->taps, &r->err) == 0 &&
        rig_reside(&r->rig, r->data, &r->err) == 0)
        keep_load(&r->keep, &r->rig, r->job->train.seed, &r->err);
}

static void write_partial(void *run)    // on the lane
{
    struct run *r = run;
    keep_write_partial(&r->keep, &r->rig, r->progress.epoch - 1);
}

static void write_checkpoint(void *run) // on the lane
{
    struct run *r = run;
    r->err.code = 0;
    keep_write(&r->keep, &r->rig, &r->err);
}

static void close_rig(void *run)        // on the lane
{
    rig_close(&((struct run *)run)->rig);
}

static void on_lane(struct run *r, lane_call *call)
{
    lane_give(r->lane, call, r);
    while (!lane_wait(r->lane, TELL_MOST_S))
        ;
}

static int prepare(struct run *r)
{
    struct device_info device;
    int rc = check(r);

    if (!rc)
        rc = open_data(r);
    if (!rc)
        rc = backend_info(r->rig.backend, r->rig.ordinal, &device, &r->err);
    if (rc)
        return rc;
    r->keep = (struct keep){ .dir = r->o->checkpoints, .resume = r->o->resume,
                             .recorded = r->o->recorded };
    checkpoint_spec(r->job, r->data->n, r->keep.spec);
    r->lane = lane_open();
    on_lane(r, open_rig);
    if (r->err.code)
        return r->err.code;
    r->record = record_new(&(struct record_opts){
        .taps = r->taps.tap, .n_taps = r->taps.n,
        .quantities = r->job->record.quantities,
        .samples = r->job->record.samples,
        .early_steps = r->job->record.early_steps,
        .seed = r->job->train.seed,
    });
    r->order = xcalloc((size_t)r->data->n, sizeof *r->order);
    r->numbers = xcalloc((size_t)r->taps.n, sizeof *r->numbers);
    r->whole_epochs = r->keep.epoch;
    tell_started(&r->tell, r->job, &r->rig, r->data->n, r->o->attempt,
                 r->keep.epoch, &device);
    keep_tell_loaded(&r->keep, &r->tell, r->job);
    if (r->rig.leftover)
        tell_warning(&r->tell, "leftover_image", NULL, "the last batch of an "
            "epoch would hold one image; it is left out, because batch norm "
            "needs two");
    return 0;
}

static void fill(struct run *r, int64_t s)
{
    const struct rig_part *part = rig_part_of(&r->rig, s);

    rig_fill(&r->rig, part->slots[rig_slot_of(&r->rig, s)], r->data,
             r->progress.epoch, r->order + s * r->rig.full.n, part->n);
}

static void run_step(void *arg)         // on the lane
{
    struct step *s = arg;
    s->rc = s->backend->submit(s->plan, s->slot, MODE_TRAIN, s->lr, s->err);
    if (!s->rc)
        s->rc = s->backend->collect(s->plan, &s->result, s->err);
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

static void live(struct run *r)
{
    measure(r);
    tell_live(&r->tell, &r->progress, r->job, &r->rig, r->record);
}

// The step runs, the next batch is filled, and while a step takes long a live
// event tells that somebody is at work.
static int take_step(struct run *r, int64_t s, struct result *result)
{
    const struct rig_part *part = rig_part_of(&r->rig, s);
    int64_t of_run = (r->progress.epoch - 1) * r->rig.steps_per_epoch + s;
    struct step step = {
        .backend = r->rig.backend, .plan = part->plan,
        .slot = rig_slot_of(&r->rig, s), .result = *result, .err = &r->err,
        .lr = rate_at(r->job, of_run, r->rig.steps_per_epoch),
    };
    double start = clock_seconds();

    lane_give(r->lane, run_step, &step);
    if (s + 1 < r->rig.steps_per_epoch)
        fill(r, s + 1);
    while (!lane_wait(r->lane, TELL_MOST_S))
        if (clock_seconds() - start < STEP_LIMIT_S)
            live(r);
    *result = step.result;
    return step.rc;
}

static void count(struct run *r, int64_t s, const struct result *result)
{
    int n = rig_part_of(&r->rig, s)->n;

    progress_add(&r->progress, result->loss, result->correct, n);
    r->images += n;
    r->tap_seconds += 1e-3 * result->tap_millis;
    taps_values(&r->taps, rig_part_of(&r->rig, s)->sources, result->taps,
                r->numbers);
    record_add(r->record, result->loss, r->numbers);
}

// While images are shown: at most as often as live events, says that somebody
// is at work.
static bool on_evaluating(void *run)
{
    struct run *r = run;

    if (clock_seconds() - r->tell.last >= TELL_MOST_S)
        live(r);
    return !stopped(r);
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

static int finish_epoch(struct run *r, double start, double spent)
{
    struct progress *p = &r->progress;
    bool complete = p->steps == r->rig.steps_per_epoch;
    json_t *quantities = record_quantities(r->record, false);
    double seconds = clock_seconds() - start;
    double recording = r->tap_seconds + record_seconds(r->record) +
                       r->tell.spent - spent;

    int rc = r->validation && complete && !stopped(r) ? validate(r) : 0;

    r->whole_epochs += complete;
    tell_epoch(&r->tell, p, complete, seconds, recording / seconds, quantities,
               record_early(r->record));
    log_info("epoch %d: %" PRId64 " steps in %.1f s, loss %.4g, accuracy %.3f",
             p->epoch, p->steps, seconds,
             p->loss_sum / (double)p->loss_images,
             (double)p->correct / (double)p->images);
    return rc == ERR_STATE ? 0 : rc;    // stopped: the loop sees that too
}

static enum train_outcome done(struct run *r)
{
    tell_done(&r->tell, r->whole_epochs, clock_seconds() - r->begun);
    return TRAIN_DONE;
}

static enum train_outcome diverged(struct run *r, double loss)
{
    tell_diverged(&r->tell, &r->progress, loss, r->whole_epochs,
                  clock_seconds() - r->begun);
    return TRAIN_DIVERGED;
}

static enum train_outcome cancelled(struct run *r)
{
    tell(&r->tell, event_new("cancelled"));
    return TRAIN_CANCELLED;
}

static enum train_outcome failed(struct run *r, int rc)
{
    static const struct { int rc; enum train_outcome end; const char *code; }
    rows[] = {
        { ERR_DATA,   TRAIN_DATA,     "data" },
        { ERR_MEMORY, TRAIN_MEMORY,   "device_memory" },
        { ERR_DEVICE, TRAIN_DEVICE,   "device" },
        { ERR_FULL,   TRAIN_DISK,     "disk" },
        { ERR_IO,     TRAIN_DISK,     "disk" },
        { ERR_SPEC,   TRAIN_SPEC,     "spec" },
        { 0,          TRAIN_INTERNAL, "internal" },
    };
    int i = 0;

    if (rc == ERR_STATE && stopped(r))
        return cancelled(r);
    while (rows[i].rc && rows[i].rc != rc)
        i++;
    if (r->problems)
        tell_bad_spec(&r->tell, r->problems);
    else
        tell_failed(&r->tell, rows[i].code, r->err.text);
    return rows[i].end;
}

static void still_here(struct run *r)
{
    if (r->progress.epoch)              // nothing to tell before the first
        live(r);
}

// Waits for room when the disk is full: the run is worth more than the time.
static int checkpoint(struct run *r, int epoch)
{
    struct keep *k = &r->keep;
    bool told = false;

    if (!keep_due(k, r->job, epoch))
        return 0;
    k->epoch = epoch;
    k->step = epoch * r->rig.steps_per_epoch;
    for (;;) {
        lane_give(r->lane, write_checkpoint, r);
        while (!lane_wait(r->lane, TELL_MOST_S))
            still_here(r);
        if (r->err.code != ERR_FULL)
            break;
        if (stopped(r))
            return ERR_STATE;
        if (!told)
            tell_warning(&r->tell, "no_space", k->file.name, r->err.text);
        told = true;
        sleep((unsigned)TELL_MOST_S);
        still_here(r);
    }
    if (r->err.code)
        return r->err.code;
    keep_tell_written(k, &r->tell, r->job);
    return 0;
}

// The steps of this epoch that were taken before the run was stopped, as if
// they had just been; how many.
static int64_t replay(struct run *r, struct result *result)
{
    int64_t images = r->images, n = 0;

    for (; keep_noted(&r->keep, n, result); n++)
        count(r, n, result);
    r->images = images;                 // for rates
    return n;
}

static enum train_outcome run_epoch(struct run *r, int epoch, double *taps)
{
    double start = clock_seconds(), spent = r->tell.spent;
    struct result result = { .taps = taps };
    bool stop = r->job->train.on_nonfinite == NONFINITE_STOP, bad = false;
    int64_t steps = r->rig.steps_per_epoch;
    int rc = 0;

    r->progress = (struct progress){
        .epoch = epoch, .eta_seconds = r->progress.eta_seconds,
        .images_per_second = r->progress.images_per_second,
    };
    r->tap_seconds = 0;
    record_begin(r->record, epoch);
    data_order(r->data, r->job->train.seed, epoch, r->job->data.shuffle,
               r->order);
    int64_t first = replay(r, &result);
    fill(r, first);
    for (int64_t s = first; s < steps && !stopped(r) && !bad; s++) {
        rc = take_step(r, s, &result);
        if (rc)
            break;
        keep_step(&r->keep, &result, r->rig.full.graph->n_taps);
        count(r, s, &result);
        bad = stop && !isfinite(result.loss);
        if (tell_due(&r->tell, clock_seconds()))
            live(r);
    }
    if (r->progress.steps == steps)
        keep_forget(&r->keep);
    else if (r->keep.dir && r->keep.rows.n && !rc && !bad)
        on_lane(r, write_partial);
    if (r->progress.steps) {
        int after = finish_epoch(r, start, spent);
        rc = rc ? rc : after;
    }
    if (rc)
        return failed(r, rc);
    if (bad)
        return diverged(r, result.loss);
    return r->progress.steps == steps ? TRAIN_DONE : cancelled(r);
}

static enum train_outcome run_epochs(struct run *r)
{
    double *taps = xcalloc((size_t)r->rig.full.graph->n_taps, sizeof *taps);
    enum train_outcome end = TRAIN_DONE;

    r->begun = r->marked = clock_seconds();
    r->progress.images_per_second = r->progress.eta_seconds = NAN;
    int first = r->keep.epoch + 1;
    int rc = first == 1 && !r->keep.rows.n ? checkpoint(r, 0) : 0;
    for (int e = first; e <= r->job->train.epochs && !rc && end == TRAIN_DONE;
         e++) {
        end = run_epoch(r, e, taps);
        if (end == TRAIN_DONE)
            rc = checkpoint(r, e);
    }
    if (rc)
        end = failed(r, rc);
    free(taps);
    return end == TRAIN_DONE ? done(r) : end;
}

enum train_outcome train_run(const struct train_opts *o)
{
    struct run r = { .o = o, .job = o->job, .tell.out = o->out };
    int rc = prepare(&r);
    enum train_outcome end = rc ? failed(&r, rc) : run_epochs(&r);

    if (r.lane)
        on_lane(&r, close_rig);
    lane_close(r.lane);
    record_free(r.record);
    taps_clear(&r.taps);
    data_close(r.validation);
    data_close(r.data);
    json_decref(r.problems);
    keep_clear(&r.keep);
    free(r.order);
    free(r.numbers);
    return r.tell.gone ? TRAIN_INTERNAL : end;
}
