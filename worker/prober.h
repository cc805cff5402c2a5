/* worker/prober.h: when a run probes, on which images, and what it tells. */
#pragma once
#include "worker/data.h"
#include "worker/probe.h"
#include "worker/rig.h"
#include "worker/tell.h"

struct prober;                          // owns its network and plan

// What job.record asks for; NULL in *out when that is nothing. The images are
// spread evenly over the data set, never augmented, and stay the same. On the
// lane.
int  prober_open(const struct rig *rig, const struct job *job,
                 const struct data *data, struct prober **out,
                 struct error *err);
void prober_close(struct prober *p, const struct rig *rig);     // NULL is fine

// Whether there is one before step `step` of the run, the first of an epoch or
// not. p may be NULL.
bool prober_due(const struct prober *p, const struct job *job, int64_t step,
                bool first);
// Takes it; on the lane. ERR_STATE when stopped.
int  prober_take(struct prober *p, bool (*stopped)(void *arg), void *arg,
                 struct error *err);
// Tells what was taken last.
void prober_tell(const struct prober *p, struct tell *t, int epoch,
                 int64_t step, double seconds);
