/* daemon/store.h: jobs and events on disk: one SQLite database in the state
 * directory, the only place where anything durable lives.
 *
 * Writing happens in transactions, one at a time: store_begin() waits for its
 * turn, store_commit() returns when the change would survive a power cut
 * (WAL, synchronous FULL). Nobody is told of a change before that. Reading
 * goes through a second connection and never waits for a writer's fsync; it
 * sees what is committed. Any thread may call anything.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

struct store;

// What a client gave so that a request that it repeats is not done twice.
struct once { const char *key, *hash; };        // hash of what was asked

struct job_row {
    int64_t id;                     // never used again, even after a delete
    char   *name, *state;
    char   *spec;                   // JSON, every default filled in
    char   *summary;                // JSON, members of the job object that
                                    // events determine; daemon/summary.h
    char   *wish;                   // "", or "cancel": asked for, not done yet
    int     priority;
    int     attempt;                // from 1; counts the daemon's restarts too
    int64_t created, started, ended;        // unix milliseconds, 0 = not yet
    int64_t last_seq;               // of its newest event
    const struct once *once;        // for store_add_job() alone; or NULL
};

struct stored_event {
    int64_t job, seq, n;
    bool    last;                   // ends its job
    char   *line;                   // stamped; owned
};

// Creates dir and the database if need be, and brings an older one up to date.
// ERR_STATE when another daemon has dir, ERR_IO when it cannot be used, was
// made by a newer version, or when its table of jobs is damaged.
int  store_open(const char *dir, struct store **out, struct error *err);
void store_close(struct store *s);

// Between begin and commit or rollback. After a failed commit nothing of the
// transaction has happened, and it is over.
int  store_begin(struct store *s, struct error *err);
int  store_commit(struct store *s, struct error *err);
// Whether the disk failed while something was written (not: was full). Nothing
// is written from then on: what could not be synced once may be lost, whatever
// a second try would say.
bool store_broken(const struct store *s, struct error *why);
void store_rollback(struct store *s);

// Sets row->id.
int  store_add_job(struct store *s, struct job_row *row, struct error *err);
// Writes all of row but id and last_seq.
int  store_update_job(struct store *s, const struct job_row *row,
                      struct error *err);
// The job and its events.
int  store_delete_job(struct store *s, int64_t id, struct error *err);
// Stamps line with job, its next seq and the next n, and stores it. `last`
// says that it ends the job.
int  store_append(struct store *s, int64_t job, const char *line, bool last,
                  struct stored_event *out, struct error *err);
// A setting of the daemon's own, by name.
int  store_set(struct store *s, const char *name, const char *value,
               struct error *err);

// Reading. Rows are filled to be cleared with job_row_clear().
int  store_job(struct store *s, int64_t id, struct job_row *out,
               struct error *err);              // ERR_NOT_FOUND
// The newest `limit` jobs with an id below `before` (0 = any) and a state in
// the comma list `states` ("" = any) of a group ("" = any), newest first. *out
// is the caller's, each row to be cleared. Returns how many.
int  store_jobs(struct store *s, const char *states, const char *group,
                int64_t before, int limit, struct job_row **out,
                struct error *err);
// The first event of `job` after seq `after`, or with job 0 of all jobs after
// n `after`. Returns 1, 0 when there is none, ERR_IO when it is damaged, or (of
// one job) missing although the job has it.
int  store_event(struct store *s, int64_t job, int64_t after,
                 struct stored_event *out, struct error *err);
// The job that was added with that key: 1, 0 when there is none, ERR_STATE
// when something else was asked then. It is forgotten with the job.
int  store_once(struct store *s, const struct once *once, int64_t *job,
                struct error *err);
// Caller owns; NULL when it was never set.
char *store_setting(struct store *s, const char *name);
int64_t store_last_n(struct store *s);          // of the newest event, or 0
// The same, or that of a later one which readers may see already, though
// nobody has been told of it.
int64_t store_newest_n(struct store *s);
// Whether a job of that id was there once and has been removed.
bool store_was_removed(struct store *s, int64_t id);
// How many jobs are in that state.
int64_t store_count(struct store *s, const char *state);

void job_row_clear(struct job_row *row);
