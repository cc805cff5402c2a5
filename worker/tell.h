/* worker/tell.h: the events of a run, as docs/events.md has them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "common/job.h"
#include "worker/record.h"
#include "worker/rig.h"

// At most four live events a second; at least one while steps are made, more
// when they cost less than this share of the time.
#define TELL_LEAST_S 0.25
#define TELL_MOST_S 1.0
#define TELL_SHARE 0.01

struct tell {
    FILE  *out;                         // borrowed
    bool   gone;                        // its reader left: nothing is written
    double last, cost;                  // the last live event: when it was
                                        // written, and what it took; seconds
    double spent;                       // on all of them, without the record's
                                        // own part
};

struct progress {                       // of an epoch, so far
    int     epoch;
    int64_t steps, images, correct;
    double  loss_sum;                   // over images of steps with a finite
    int64_t loss_images;                // loss
    int64_t nonfinite_steps;
    double  probe_seconds;              // in no other time; 0 = no probe
    double  images_per_second, eta_seconds;     // nan = not known yet
    struct { double loss; int64_t correct, images; } validation;
                                                // images 0 = there was none
};

// One more step, of n images.
void progress_add(struct progress *p, double loss, int correct, int n);

// Takes event.
void tell(struct tell *t, json_t *event);

bool tell_due(const struct tell *t, double now);
void tell_live(struct tell *t, const struct progress *p, const struct job *job,
               const struct rig *rig, struct record *r);

void tell_loading(struct tell *t, int64_t images, int64_t of);
void tell_warning(struct tell *t, const char *code, const char *path,
                  const char *reason);
// job has all defaults and the data set's classes filled in.
void tell_started(struct tell *t, const struct job *job, const struct rig *rig,
                  int64_t images, int attempt, int resumed_from,
                  const struct device_info *dev);
// Takes quantities, and early, which may be NULL.
void tell_epoch(struct tell *t, const struct progress *p, bool complete,
                double seconds, double recording_share, json_t *quantities,
                json_t *early);
// The last event of a run that did what it could, or whose loss of the last
// step is not finite.
void tell_done(struct tell *t, int whole_epochs, double seconds);
void tell_diverged(struct tell *t, const struct progress *p, double loss,
                   int whole_epochs, double seconds);
void tell_failed(struct tell *t, const char *code, const char *message);
// Takes kept.
void tell_checkpoint(struct tell *t, int epoch, int64_t step, const char *path,
                     int64_t bytes, const char *sha256, json_t *kept);
// A failure named by all its causes: rows of {"pointer", "value", "message"}.
void tell_bad_spec(struct tell *t, const json_t *problems);
