/* daemon/checkpoints.h: the files that jobs leave, as the daemon sees them. */
#pragma once
#include "common/sha256.h"
#include "daemon/server.h"

enum { CHECKPOINTS_NAME = 40 };

// The folder of a job's checkpoints. Caller owns.
char *checkpoints_of(const struct server *s, int64_t job);
// "epoch-000003.safetensors"
void  checkpoints_name(int64_t epoch, char out[CHECKPOINTS_NAME]);
void  checkpoints_remove(const struct server *s, int64_t job);

// Whether job `from` has a checkpoint, or has not ended: else ERR_NOT_FOUND.
int   checkpoints_expect(const struct server *s, int64_t from,
                         struct error *err);

// The newest checkpoint of job `from`, as a file in the folder of `job`, which
// starts from its weights: the same one at every attempt, whatever becomes of
// the other job. ERR_NOT_FOUND when there is none. Caller owns *path.
int   checkpoints_adopt(const struct server *s, int64_t job, int64_t from,
                        char **path, char sha256[SHA256_TEXT],
                        struct error *err);
