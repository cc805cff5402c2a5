/* worker/train.h: one training run, from a job to its last event.
 *
 * Says on `out` what happens, one event a line (docs/events.md), whatever the
 * outcome: only when out's reader has left nothing more is written.
 */
#pragma once
#include <signal.h>
#include <stdio.h>
#include "common/job.h"

enum train_outcome {            // exit codes of gradwatch-train
    TRAIN_DONE = 0,
    TRAIN_INTERNAL = 1,         // the reader left, or a mistake of our own
    TRAIN_CANCELLED = 3,
    TRAIN_DIVERGED = 4,
    TRAIN_DATA = 5,             // no usable data set
    TRAIN_MEMORY = 6,           // the device has too little memory
    TRAIN_DEVICE = 7,           // the device is missing or failed
    TRAIN_DISK = 8,
    TRAIN_SPEC = 9,             // a spec that cannot be run
};

struct sum { char *file; const char *sha256; };     // a name without folder

struct train_opts {
    struct job *job;            // borrowed; model.classes is filled in
    const char *root_dir;       // of data.root; NULL when it is not known
    const struct data_cache *cache;     // NULL = none
    int         attempt;        // 1, 2, ...: only told
    const char *checkpoints;    // folder they are written to; NULL = none
    const char *init;           // the checkpoint of model.init; NULL = none
    const char *device;         // in place of the job's; NULL = the job's
    const struct sum *sums;     // of checkpoints, which are held against them
    int         n_sums;
    const char *resume;         // a checkpoint to go on from, or a folder
                                // whose newest good one is taken; NULL = none
    int         recorded;       // the records of so many epochs are safe with
                                // whoever reads: a folder's later checkpoints
                                // are not taken, or theirs would be missing
    FILE       *out;
    // Once not 0, the step in progress is the last one.
    const volatile sig_atomic_t *stop;
};

enum train_outcome train_run(const struct train_opts *o);
