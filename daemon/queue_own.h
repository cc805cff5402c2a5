/* daemon/queue_own.h: what the four files of the queue share. Not for others.
 *
 * queue.c keeps the list and commits changes, queue_ask.c is what people ask
 * for, queue_steer.c what they want changed, queue_run.c what the supervisor
 * does.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "daemon/queue.h"

struct active {                 // a job that has not ended
    struct job_row row;
    json_t        *summary;     // of its stored events, and the newest live one
    int64_t       *after;
    int            n_after;
    struct active *next;
};

struct queue {
    struct store   *store;
    struct records *records;
    struct sse     *sse;
    char           *logs;
    int             wake;
    atomic_int      limit;      // of jobs that wait
    // `order` is held from the begin of a transaction until everybody has been
    // told, so that all hear of changes in the order of commits. The list and
    // what is in it change under both locks, and may be read under either.
    // `order` comes first.
    pthread_mutex_t order, table;
    struct active  *jobs;       // by id
};

// All under `order`, those that change the list also under `table`.

struct active *queue_find(const struct queue *q, int64_t id);
// Takes row.
struct active *queue_insert(struct queue *q, struct job_row *row);

// Commits an event and the row it belongs to; adds the job when row->id is 0.
// Fills *stored for queue_tell().
int  queue_commit(struct queue *q, struct job_row *row, const char *line,
                  bool last, struct stored_event *stored, struct error *err);
// Publishes what was committed. Takes what is in e.
void queue_tell(struct queue *q, struct stored_event *e);

// The event takes job a to `state`; a is gone if that ends it.
int  queue_change(struct queue *q, struct active *a, const char *state,
                  const json_t *event, const char *line, struct error *err);
// The same with an event of the daemon's own. Takes event.
int  queue_change_own(struct queue *q, struct active *a, const char *state,
                      json_t *event, struct error *err);
// A change of the row that has no event.
int  queue_change_row(struct queue *q, struct active *a, const char *state,
                      const char *wish, struct error *err);

// Commits a row; then it takes the place of a's, and row is empty.
int  queue_save_row(struct queue *q, const struct job_row *row,
                    struct error *err);
void queue_take_row(struct queue *q, struct active *a, struct job_row *row);

// Whose turn it is: the higher priority, then the lower rank, which is the id
// unless the job was moved.
int64_t queue_rank(const struct active *a);
bool    queue_goes_first(const struct active *a, const struct active *b);

// Tells the supervisor to look.
void queue_wake(struct queue *q);
