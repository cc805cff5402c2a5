/* worker/train.c: a run from its job to its end. What it does with an epoch is
 * epoch.c's. */
#include "worker/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/mem.h"
#include "model/nets.h"
#include "worker/backends.h"

// A device that takes longer to wake up is taken for hung, as a step is.
enum { WAKE_LIMIT_S = 1800 };

bool run_stopped(void *run)
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

static int init_problem(struct run *r, const char *message)
{
    return spec_problem(r, "/model/init", json_sprintf("checkpoint:%" PRId64,
                        r->job->model.init_job), message);
}

// What can be checked before images are decoded: device, precision, network
// and the layers to record, whose names do not depend on the data.
static int check(struct run *r)
{
    struct job *job = r->job;
    const char *precision[] = { "auto", "f32", "tf32", "bf16" };
    struct net_opts net = net_opts_of(job, 2, 2);
    int rc = backend_find(r->o->device ? r->o->device : job->device,
                          &r->rig.backend, &r->rig.ordinal, &r->err);

    if (rc)
        return rc;
    if (backend_precision(r->rig.backend, job->train.precision,
                          &r->rig.precision, &r->err) != 0)
        return spec_problem(r, "/train/precision",
                            json_string(precision[job->train.precision]),
                            r->err.text);
    if (job->model.init == INIT_CHECKPOINT && !r->o->init)
        return init_problem(r, "needs the file of that checkpoint: give it "
                            "with --init FILE");
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
        .progress = on_loading, .warning = on_warning, .stopped = run_stopped,
        .arg = r,
    };
    int rc;

    if (*job->data.root && !r->o->root_dir)
        return fail(&r->err, ERR_DATA, "data root \"%s\" is not known here: "
                    "give it with --data %s=DIR", job->data.root,
                    job->data.root);
    rc = data_open(job, r->o->root_dir, r->o->cache, &watch, &r->data,
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
    rc = data_open_validation(r->data, job, r->o->root_dir, r->o->cache,
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
    if (!r->err.code)
        prober_open(&r->rig, r->job, r->data, &r->prober, &r->err);
}

static void write_checkpoint(void *run) // on the lane
{
    struct run *r = run;
    r->err.code = 0;
    keep_write(&r->keep, &r->rig, &r->err);
}

static void close_rig(void *run)        // on the lane
{
    struct run *r = run;
    prober_close(r->prober, &r->rig);
    rig_close(&r->rig);
}

void run_on_lane(struct run *r, lane_call *call)
{
    lane_give(r->lane, call, r);
    while (!lane_wait(r->lane, TELL_MOST_S))
        ;
}

// The first job on a new card tries out how it computes each layer, which can
// take minutes: meanwhile it is told that somebody is at work.
static void wake_device(struct run *r)
{
    double start = clock_seconds();

    r->lane = lane_open();
    lane_give(r->lane, open_rig, r);
    while (!lane_wait(r->lane, TELL_MOST_S))
        if (clock_seconds() - start < WAKE_LIMIT_S)
            tell_loading(&r->tell, r->data->n, r->data->n);
}

// What was asked for and will not be.
static void tell_left_out(struct run *r)
{
    const struct job_probe *p = &r->job->record.probe;
    int64_t last = r->job->train.epochs * r->rig.steps_per_epoch - 1;
    char text[120];

    if (r->rig.leftover)
        tell_warning(&r->tell, "leftover_image", NULL, "the last batch of an "
            "epoch would hold one image; it is left out, because batch norm "
            "needs two");
    for (int i = 0; i < p->n_steps; i++) {
        if (p->steps[i] <= last)
            continue;
        snprintf(text, sizeof text, "record.probe has step %" PRId64 ", but "
                 "the last step of the run is %" PRId64, p->steps[i], last);
        tell_warning(&r->tell, "probe_step", NULL, text);
        return;
    }
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
                             .recorded = r->o->recorded,
                             .init = r->o->init, .sums = r->o->sums,
                             .n_sums = r->o->n_sums };
    checkpoint_spec(r->job, r->data->n, r->keep.spec);
    r->rig.cache = r->o->cache ? r->o->cache->dir : NULL;
    wake_device(r);
    if (r->err.code && r->keep.no_init)
        return init_problem(r, r->err.text);
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
    r->result.taps = xcalloc((size_t)r->rig.full.graph->n_taps, sizeof(double));
    r->whole_epochs = r->keep.epoch;
    tell_started(&r->tell, r->job, &r->rig, r->data->n, r->o->attempt,
                 r->keep.epoch, &device);
    keep_tell_loaded(&r->keep, &r->tell, r->job);
    tell_left_out(r);
    return 0;
}

static enum train_outcome done(struct run *r)
{
    tell_done(&r->tell, r->whole_epochs, clock_seconds() - r->begun);
    return TRAIN_DONE;
}

static enum train_outcome diverged(struct run *r)
{
    tell_diverged(&r->tell, &r->progress, r->result.loss, r->whole_epochs,
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

    if (rc == ERR_STATE && run_stopped(r))
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
        epoch_live(r);
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
        if (run_stopped(r))
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

static enum train_outcome run_epoch(struct run *r, int epoch)
{
    int rc = epoch_run(r, epoch);

    if (rc)
        return failed(r, rc);
    if (r->bad)
        return diverged(r);
    return r->progress.steps == r->rig.steps_per_epoch ? TRAIN_DONE
                                                       : cancelled(r);
}

static enum train_outcome run_epochs(struct run *r)
{
    enum train_outcome end = TRAIN_DONE;

    r->begun = r->marked = clock_seconds();
    r->progress.images_per_second = r->progress.eta_seconds = NAN;
    int first = r->keep.epoch + 1;
    int rc = first == 1 && !r->keep.rows.n ? checkpoint(r, 0) : 0;
    for (int e = first; e <= r->job->train.epochs && !rc && end == TRAIN_DONE;
         e++) {
        end = run_epoch(r, e);
        if (end == TRAIN_DONE)
            rc = checkpoint(r, e);
    }
    if (rc)
        end = failed(r, rc);
    return end == TRAIN_DONE ? done(r) : end;
}

enum train_outcome train_run(const struct train_opts *o)
{
    struct run r = { .o = o, .job = o->job, .tell.out = o->out };
    int rc = prepare(&r);
    enum train_outcome end = rc ? failed(&r, rc) : run_epochs(&r);

    if (r.lane)
        run_on_lane(&r, close_rig);
    lane_close(r.lane);
    record_free(r.record);
    taps_clear(&r.taps);
    data_close(r.validation);
    data_close(r.data);
    json_decref(r.problems);
    keep_clear(&r.keep);
    free(r.order);
    free(r.numbers);
    free(r.result.taps);
    return r.tell.gone ? TRAIN_INTERNAL : end;
}
