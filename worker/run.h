/* worker/run.h: what the files of one training run share. Private to train.c
 * and epoch.c. */
#pragma once
#include "worker/data.h"
#include "worker/keep.h"
#include "worker/lane.h"
#include "worker/prober.h"
#include "worker/tell.h"
#include "worker/train.h"

struct run {
    const struct train_opts *o;
    struct job     *job;
    struct data    *data, *validation;  // validation: NULL = none
    struct taps     taps;
    struct rig      rig;
    struct prober  *prober;             // NULL: the job asks for none
    struct lane    *lane;
    struct record  *record;
    struct tell     tell;
    struct keep     keep;
    struct error    err;
    json_t         *problems;           // with the spec, found by this run
    int32_t        *order;              // (data.n) images of the epoch
    double         *numbers;            // (taps.n) of the step, to record
    struct result   result;             // of the last step that was collected
    float           millis;             // that the device took for a step
    bool            bad;                // its loss is why the run ends
    struct progress progress;
    double          tap_seconds;        // of the epoch
    double          begun;              // the first epoch
    int64_t         images;             // trained on since then
    double          marked;             // when images_per_second was measured
    int64_t         marked_images;
    int             whole_epochs;
};

// Of a struct run: whether it is to end in order.
bool run_stopped(void *run);
// Makes the call on the lane, with r.
void run_on_lane(struct run *r, lane_call *call);

// ---- epoch.c ----------------------------------------------------------------

// Takes the steps of an epoch, those behind keep's noted ones, and tells of it.
// 0 also when the run was stopped, or diverged: then r->bad, and r->result has
// the loss. What r->progress counts was recorded.
int  epoch_run(struct run *r, int epoch);
// Measures the rate and tells how far it is.
void epoch_live(struct run *r);
