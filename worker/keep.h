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

struct keep {
    const char *dir;            // where they are written; NULL = nowhere
    const char *resume;         // a file, or a folder whose newest good one is
                                // taken; NULL = from the beginning
    int         recorded;       // no later epoch's is taken from a folder
    char        spec[SHA256_TEXT];

    int         epoch;          // the last call's: gone on from, or written
    int64_t     step;
    json_t     *damaged;        // [{"path", "reason"}, ...] that were not taken
    struct checkpoint_file file;
};

// Fills the rig's plan from the checkpoint to go on from, if there is one;
// epoch is 0 when there is none. ERR_DATA, ERR_NOT_FOUND: a file that was asked
// for by name cannot be used.
int  keep_load(struct keep *k, const struct rig *rig, uint64_t seed,
               struct error *err);
// Whether there is one to be written when an epoch is over (0: before the
// first).
bool keep_due(const struct keep *k, const struct job *job, int epoch);
int  keep_write(struct keep *k, const struct rig *rig, struct error *err);
// Removes what is not kept, now that k->epoch's is there. The epochs that stay,
// ascending; caller owns.
json_t *keep_prune(const struct keep *k, const struct job *job);
void keep_clear(struct keep *k);
