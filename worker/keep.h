/* worker/keep.h: the checkpoints of a run: when one is written, how many stay,
 * and from which one a run goes on.
 *
 * keep_load() and keep_write() belong to the thread that has the plan; what
 * they leave in the struct is then told by the loop.
 */
#pragma once
#include "worker/checkpoint.h"
#include "worker/rig.h"
#include "worker/tell.h"
#include "worker/train.h"

struct keep {
    const char *dir;            // where they are written; NULL = nowhere
    const char *resume;         // a file, or a folder whose newest good one is
                                // taken; NULL = from the beginning
    int         recorded;       // no later epoch's is taken from a folder
    const char *init;           // whose weights the run begins with; NULL = the
                                // rule's
    const struct sum *sums;     // what files are known to be
    int         n_sums;
    char        spec[SHA256_TEXT];

    int         epoch;          // the last call's: gone on from, or written
    int64_t     step;
    struct rows rows;           // steps of the epoch in progress
    int64_t     rows_room;
    bool        no_init;        // keep_load() could not use init
    json_t     *damaged;        // [{"path", "reason"}, ...] that were not taken
    struct checkpoint_file file;
};

// Fills the rig's plan from the checkpoint to go on from, if there is one, else
// with the weights of init, if given; epoch is 0 then. ERR_DATA, ERR_NOT_FOUND:
// a file that was asked for by name cannot be used.
int  keep_load(struct keep *k, const struct rig *rig, uint64_t seed,
               struct error *err);
// Whether there is one to be written when an epoch is over (0: before the
// first).
bool keep_due(const struct keep *k, const struct job *job, int epoch);
int  keep_write(struct keep *k, const struct rig *rig, struct error *err);
// Tells of the one that was written, and removes what is not kept.
void keep_tell_written(const struct keep *k, struct tell *t,
                       const struct job *job);
// Tells of what was not taken, and again of the one that was: perhaps nobody
// has heard of it.
void keep_tell_loaded(const struct keep *k, struct tell *t,
                      const struct job *job);
// Notes a step, so that a run that is stopped within the epoch can go on there:
// n numbers beside loss and hits.
void keep_step(struct keep *k, const struct result *result, int n);
// The i-th noted step; result->taps has room. False when there is none.
bool keep_noted(const struct keep *k, int64_t i, struct result *result);
// A new epoch: nothing is noted yet.
void keep_forget(struct keep *k);
// With what is noted, if anything is: for keep_load() of the next attempt.
// If it cannot be written, which is only logged, the last whole epoch's is
// there.
void keep_write_partial(struct keep *k, const struct rig *rig, int epoch);
void keep_clear(struct keep *k);
