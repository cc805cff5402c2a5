/* daemon/attempt.h: one attempt of a job: a worker process on a device, from
 * its start until what became of it is stored.
 *
 * Events of the worker go to the queue as they come. One that says what no
 * worker may say fails its job and nothing else; one that is silent for too
 * long is killed. Cancelling and pausing mean SIGTERM, and SIGKILL to its group
 * after ATTEMPT_GRACE_S. When the disk is full the worker is ended, and the job
 * is queued again as soon as that can be stored. Only the supervisor's thread.
 */
#pragma once
#include <poll.h>
#include "daemon/queue.h"
#include "daemon/server.h"

enum {
    ATTEMPT_GRACE_S = 10,
    ATTEMPT_PATIENCE = 10,      // heartbeats until `started`: devices can take
                                // long to wake up
    ATTEMPT_FDS = 3,
};

struct attempt;

// Takes what is in start. Never fails: a worker that cannot be started fails
// its job.
struct attempt *attempt_start(struct server *server, struct queue_start *start);
// Kills the worker if it is there; the job is as it was last stored.
void            attempt_free(struct attempt *a);

// Does what there is to do now, without waiting. true when all is over and
// stored: free it. An error that keeps things from being stored, but for a full
// disk, is left in err.
bool attempt_step(struct attempt *a, struct error *err);
// What to poll() for, ATTEMPT_FDS rows.
void attempt_fds(const struct attempt *a, struct pollfd *out);

// The daemon ends: SIGTERM, and nothing that the worker still says is stored:
// the next daemon takes its job up.
void attempt_stop(struct attempt *a);
// Whether the process has gone, after attempt_stop(); reads what it says.
bool attempt_gone(struct attempt *a);
