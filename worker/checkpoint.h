/* worker/checkpoint.h: all that a run needs to go on, in a safetensors file.
 *
 * Parameters and running statistics have torchvision's state_dict names, those
 * of unused downsample branches and num_batches_tracked too; optimizer state is
 * under "optim.": optim.NAME.momentum_buffer (SGD), optim.NAME.exp_avg and
 * .exp_avg_sq (Adam), optim.step; a checkpoint within an epoch also has
 * run.steps, a row for each step of it. Metadata: format, epoch, step, spec (a
 * hash of what decides the numbers), crc32 (of the file with this text as
 * zeros). Nothing depends on the time or the job's id: equal runs give equal
 * bytes.
 *
 * A file is written under another name, synced and renamed, and the folder is
 * synced: it is there whole or not at all. One run uses a folder at a time.
 * Functions with a plan belong to its thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/job.h"
#include "common/sha256.h"
#include "model/backend.h"

enum { CHECKPOINT_FORMAT = 1, CHECKPOINT_NAME = 40 };

// What is known of each step of an epoch that is not over; owns numbers.
struct rows { int64_t n, width; double *numbers; };
void rows_clear(struct rows *r);

struct checkpoint {
    int     epoch;                      // whole ones behind it
    int64_t step;                       // steps behind it
    char    spec[SHA256_TEXT];
    struct rows rows;                   // of the epoch in progress; borrowed
                                        // when written, owned when read
};

struct checkpoint_file {                // what was written
    char    name[CHECKPOINT_NAME];      // in the folder
    int64_t bytes;
    char    sha256[SHA256_TEXT];        // "" of a partial one
};

// The hash of all that decides a run's numbers: the spec without name, place in
// the queue and checkpoints, and how many images there are.
void checkpoint_spec(const struct job *job, int64_t images,
                     char out[SHA256_TEXT]);

// The name of one within an epoch (with rows), of which there is at most one.
extern const char checkpoint_partial[];
// "epoch-000003.safetensors"
void checkpoint_name(int epoch, char out[CHECKPOINT_NAME]);

// dir is made if need be. ERR_FULL when there is no room, ERR_IO.
int  checkpoint_write(const char *dir, const struct checkpoint *c,
                      struct plan *p, struct checkpoint_file *out,
                      struct error *err);

// Reads all into the plan, whose step count becomes that of the optimizer.
// wanted: the spec it must have; NULL = any. weights: parameters and running
// statistics only, for a run that starts from them. ERR_DATA: it is damaged or
// of another network; ERR_NOT_FOUND. On failure the plan holds anything.
int  checkpoint_read(const char *path, const char *wanted, bool weights,
                     struct plan *p, struct checkpoint *out,
                     struct error *err);

// After a read whose numbers are not wanted, or a failed one: no step is behind
// the plan, and the optimizer remembers nothing. Values stay as they are.
int  checkpoint_forget(struct plan *p, struct error *err);

// The epochs there are checkpoints of, newest first; the caller owns *epochs.
// Returns how many, 0 without a folder.
int  checkpoint_list(const char *dir, int **epochs);

// Removes all that are not of the `keep` newest up to epoch `last` nor, if
// `initial`, epoch 0, the partial one, and what a killed run left half written.
void checkpoint_prune(const char *dir, int last, int keep, bool initial);

// Bytes and checksum of one that is there.
int  checkpoint_measure(const char *path, struct checkpoint_file *out,
                        struct error *err);
