/* worker/evaluate.h: what a network makes of images it was not trained on. */
#pragma once
#include "worker/data.h"
#include "worker/lane.h"
#include "worker/rig.h"

struct evaluation {
    double  loss;               // mean over the images
    int64_t correct, images;
};

// Shows every image once, unaugmented, with running statistics; nothing in the
// network changes. Calls go_on now and then, at least every TELL_MOST_S
// seconds while a step takes long; false ends it with ERR_STATE.
int evaluate(struct lane *lane, const struct rig *rig, const struct data *d,
             bool (*go_on)(void *arg), void *arg, struct evaluation *out,
             struct error *err);
