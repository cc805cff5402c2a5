/* worker/rig.h: a job's network on its device, ready to take steps.
 *
 * The last batch of an epoch may be short. Batch norm must see its images
 * only, so it has a plan of its own size over the same parameters. All
 * functions but rig_close() on a closed rig belong to one thread.
 */
#pragma once
#include "common/job.h"
#include "model/backend.h"
#include "worker/data.h"
#include "worker/taps.h"

enum { RIG_MOST_SLOTS = 18 };

struct rig_part {                       // a batch size
    struct graph *graph;
    struct plan  *plan;
    struct slot  *slots[RIG_MOST_SLOTS];    // of the plan; a tail has one
    struct tap_source *sources;         // of the recorded numbers
    int           n;                    // images; 0 = there is no such part
};

struct rig {
    const struct backend *backend;
    int                   ordinal;
    enum precision        precision;
    const char           *cache;        // as in struct plan_opts
    struct rig_part       full, tail;
    int64_t               steps_per_epoch, images_per_epoch;
    int                   ahead;        // the most rig_lag() says
    int                   slots;        // of the full part: for those, one that
                                        // is handed over, and one to fill
    bool                  leftover;     // a single image that no step takes
    bool                  resident;     // the device holds the images
};

// How n images are cut into batches: fills the sizes and counts of rig.
// ERR_DATA when n is less than two.
int  rig_cut(struct rig *rig, int64_t n, int batch, struct error *err);

// Builds, taps, compiles and fills the parts that rig_cut() asked for, with
// job.model.classes outputs, with as many threads as OMP_NUM_THREADS says (or
// cores). backend, ordinal, precision and cache are set before.
int  rig_open(struct rig *rig, const struct job *job, const struct taps *taps,
              struct error *err);
void rig_close(struct rig *rig);

// Offers the images to the device, where batches then name them by number and
// say how each is moved. It may not want them: then, and when they are made as
// they are asked for, batches go as pixels.
int  rig_reside(struct rig *rig, const struct data *d, struct error *err);
// Puts the images image[0..n-1] of d into a slot of a part with n of them.
void rig_fill(const struct rig *rig, struct slot *slot, const struct data *d,
              int epoch, const int32_t *image, int n);

// How many steps of n images it can pay to hand over before the oldest is
// collected: slots take memory, and steps that are long need no more than two.
int  rig_ahead(const struct backend *b, int image_size, int n);
// Steps that may be on their way when the oldest is collected, if one takes so
// long (0 = not known yet): where steps are long, few, so that news is young
// and a stop soon.
int  rig_lag(const struct rig *rig, double millis);

// The part that takes step s of an epoch, and the slot it uses for it.
const struct rig_part *rig_part_of(const struct rig *rig, int64_t s);
int  rig_slot_of(const struct rig *rig, int64_t s);
