/* daemon/queue_own.h: what the files of the queue share. Not for others.
 *
 * queue.c keeps the list and commits changes, queue_ask.c is what people ask
 * for, queue_steer.c what they want changed, queue_run.c what the supervisor
 * does, queue_place.c knows the devices, queue_expect.c what time it will be.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "daemon/queue.h"

enum {
    QUEUE_DEVICES = 64, QUEUE_DEVICE_NAME = 16,
    QUEUE_WAITS = 40,           // bytes of a text: what a job waits for
    QUEUE_PACES = 64,           // kinds of jobs whose pace is known
};

struct active {                 // a job that has not ended
    struct job_row row;
    char          *kind;        // queue_kind()
    json_t        *summary;     // of its stored events, and the newest live one
    int64_t        told;        // when that was; unix milliseconds
    int64_t       *after;
    int            n_after;
    char           device[QUEUE_DEVICE_NAME];   // as the spec wishes
    int64_t        init;        // the job whose weights it starts from; or 0
    double         starts, ends;        // expected, by queue_expect(); seconds
    double         told_start, told_end;        // what people are told of that
    struct active *next;
};

struct device { char name[QUEUE_DEVICE_NAME]; int64_t job; };   // 0 = free
struct pace { char *kind; double epoch_seconds; };      // NULL = no more

struct queue_caller;

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
    pthread_mutex_t joining;    // of the next; taken last
    struct queue_caller *callers;   // of queue_submit_all(), who wait
    struct active  *jobs;       // by id
    // As the list.
    struct device   devices[QUEUE_DEVICES];
    int             n_devices;
    bool            devices_known, draining, no_room;
    struct pace     paces[QUEUE_PACES];
    unsigned        next_pace;
};

// All under `order`, those that change the list also under `table`.

struct active *queue_find(const struct queue *q, int64_t id);
// Takes row.
struct active *queue_insert(struct queue *q, struct job_row *row);

// Ends what store_begin() began: commits after rc 0, else rolls back. rc, or
// what became of the commit.
int  queue_end(struct queue *q, int rc, struct error *err);
// Publishes what was committed. Takes what is in e.
void queue_tell(struct queue *q, struct stored_event *e);

// Events of job a, all stored in one transaction, and then told in their order;
// they say what state it is in. a is gone if the last one ends it.
int  queue_change(struct queue *q, struct active *a,
                  const struct queue_said *said, int n, struct error *err);
// The same with an event of the daemon's own. Takes event.
int  queue_change_own(struct queue *q, struct active *a, json_t *event,
                      struct error *err);
// A change of the row that has no event.
int  queue_change_row(struct queue *q, struct active *a, const char *state,
                      const char *wish, struct error *err);

// Commits rows; queue_take_row() puts one in the place of a's, and row is
// empty.
int  queue_save_rows(struct queue *q, const struct job_row *rows, int n,
                     struct error *err);
void queue_take_row(struct queue *q, struct active *a, struct job_row *row);

// Whose turn it is: the higher priority, then the lower rank, which is the id
// unless the job was moved.
int64_t queue_rank(const struct active *a);
bool    queue_goes_first(const struct active *a, const struct active *b);

// All that wait, as it is their turn; the caller owns *out. How many.
int     queue_line_up(const struct queue *q, struct active ***out);

// Whether the job may run on the device; one of those that is free, or NULL.
bool    queue_fits(const struct queue *q, const struct active *a,
                   const struct device *d);
struct device *queue_free_device(struct queue *q, const struct active *a);
bool    queue_waits_for(struct queue *q, const struct active *a,
                        char out[QUEUE_WAITS]);
void    queue_read_drain(struct queue *q);

// Fills `starts` and `ends` of all jobs. Then {"start_at", "end_at"} of one;
// NULL: of one that has ended. Caller owns.
void    queue_expect(struct queue *q);
json_t *queue_expected(const struct active *a);
// A spec without what has no part in an epoch's time. Caller owns.
char   *queue_kind(const char *spec);
// Remembers how long an epoch of such a job takes.
void    queue_note_epoch(struct queue *q, const char *kind,
                         const json_t *summary);

// Tells the supervisor to look.
void queue_wake(struct queue *q);
