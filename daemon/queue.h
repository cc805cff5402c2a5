/* daemon/queue.h: what state every job is in, and which one runs next.
 *
 * Every change of a job goes through here, and is durable before anybody is
 * told: the event and the job's row are committed in one transaction, and only
 * then do watchers, histories and answers see it. Jobs that have not ended are
 * held in memory, the others only in the store. Any thread, but for what is
 * marked as the supervisor's.
 *
 * States: queued -> starting -> running -> done, diverged, failed, cancelled;
 * and paused, from queued or running, until it is queued again. A job whose
 * daemon or worker went away is queued again, and goes on from its last
 * checkpoint as another attempt.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "common/error.h"
#include "common/job.h"
#include "daemon/records.h"
#include "daemon/sse.h"
#include "daemon/store.h"

enum { QUEUE_FIRST = -1 };              // in place of a job's id

struct queue;

extern const char *const queue_states[];        // all names, ends with NULL

// Borrows all three. Takes up the jobs that had not ended. `logs` is the
// folder of the log files; `wake` an eventfd that is written to when there may
// be something to do for the supervisor.
int  queue_open(struct store *store, struct records *records, struct sse *sse,
                const char *logs, int wake, struct queue **out,
                struct error *err);
void queue_close(struct queue *q);
// How many jobs may wait; any number until this was called.
void queue_set_limit(struct queue *q, int jobs);
int  queue_limit(const struct queue *q);

// ERR_SPEC when an id of job->after does not exist, ERR_LIMIT when too many
// jobs wait, ERR_FULL when the disk is full.
int  queue_submit(struct queue *q, const struct job *job, int64_t *id,
                  struct error *err);
// The same, but only the first time: 1 when *id is that of the job which was
// submitted then, ERR_STATE when that was something else. once may be NULL.
int  queue_submit_once(struct queue *q, const struct job *job,
                       const struct once *once, int64_t *id,
                       struct error *err);
// The same for n jobs, which all come in, one after the other, or none does:
// *id is the first one's, the others' follow it.
int  queue_submit_all(struct queue *q, const struct job *const *jobs, int n,
                      const struct once *once, int64_t *id, struct error *err);
// ERR_NOT_FOUND; ERR_STATE when it has ended.
int  queue_cancel(struct queue *q, int64_t id, struct error *err);
// The worker, if there is one, is stopped; what it had not saved is trained
// again. ERR_STATE when it has ended or is paused; when it is not paused.
int  queue_pause(struct queue *q, int64_t id, struct error *err);
int  queue_resume(struct queue *q, int64_t id, struct error *err);
// Any job, ended ones too. NULL = stays.
int  queue_edit(struct queue *q, int64_t id, const char *name,
                const int *priority, struct error *err);
// A job that waits, to the place before another that waits, to the beginning
// (QUEUE_FIRST), or to the end (0).
// It takes on a priority that fits there. ERR_STATE when it does not wait,
// ERR_SPEC when the other one does not.
int  queue_move(struct queue *q, int64_t id, int64_t before,
                struct error *err);
// Jobs that run go on, and none is started until it is called with false. Holds
// for daemons to come.
int  queue_drain(struct queue *q, bool drain, struct error *err);
// Its row, events and log. ERR_STATE when it has not ended, or when a job that
// waits names it in `after` or is to start from its weights.
int  queue_remove(struct queue *q, int64_t id, struct error *err);

// {"draining", "queued": n, "paused": n, "running": n}. Caller owns.
json_t *queue_describe(struct queue *q);
// The job that has the device of that name ("cuda:0"), or 0.
int64_t queue_device_job(struct queue *q, const char *name);

// As the API serves them. Caller owns.
int  queue_job(struct queue *q, int64_t id, json_t **out, struct error *err);
// {"jobs": [...], "next": id or null}: store_jobs() has the parameters.
int  queue_list(struct queue *q, const char *states, const char *group,
                int64_t before, int limit, json_t **out, struct error *err);
bool queue_is_ended(const char *state);

// The supervisor's.

enum { QUEUE_DEATHS = 3 };      // of workers, in a row, that end a job

struct queue_start {                    // owns spec and checkpoints
    int64_t id;
    char   *spec;
    int     attempt, recorded;          // whole epochs that are stored
    json_t *checkpoints;                // those that are stored, as rows
    int64_t init;                       // whose weights it starts from; or 0
    char    device[16];                 // what it runs on; "" = as spec says
};

// What there is to run jobs on: "cpu", "cuda:0", ... Before that is known, jobs
// that want the CPU have it.
void queue_set_devices(struct queue *q, const char *const *names, int n);
// Whether there is room on the disk; else nothing is started.
void queue_set_room(struct queue *q, bool room);
// The next job to run, which is `starting` from now on and has its device until
// queue_release(): 1, or 0 when nothing can start.
int  queue_next(struct queue *q, struct queue_start *start, struct error *err);
void queue_start_clear(struct queue_start *start);
void queue_release(struct queue *q, int64_t id);
// Cancelling, pausing was asked for.
bool queue_wants_cancel(struct queue *q, int64_t id);
bool queue_wants_pause(struct queue *q, int64_t id);
// What the worker of a job has said since the last call, in its order. Events
// whose type is stored are stored together: all, and then they are told, or
// none.
struct queue_said { const json_t *event; const char *line; };
int  queue_events(struct queue *q, int64_t id, const struct queue_said *said,
                  int n, struct error *err);
// Ends a job from here.
int  queue_fail(struct queue *q, int64_t id, const char *code,
                const char *message, struct error *err);
int  queue_end_cancelled(struct queue *q, int64_t id, struct error *err);
// Its worker has gone, as was wished: it waits for queue_resume().
int  queue_set_paused(struct queue *q, int64_t id, struct error *err);
// Its worker has gone; reason as in `interrupted`, why for people. It is queued
// again, or has failed when workers died three times in a row without a whole
// epoch.
int  queue_interrupt(struct queue *q, int64_t id, const char *reason,
                     const char *why, struct error *err);
