#include "daemon/records.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

struct entry {
    int64_t          job;
    int64_t          seq;       // newest stored event in it; under its lock
    struct history  *history;   // under its lock
    bool             loaded;    // under its lock
    pthread_rwlock_t lock;
    int              users;     // these four under records.lock
    bool             dropped;
    uint64_t         used;      // when: counts up
    struct entry    *next;
};

struct records {
    struct store   *store;
    pthread_mutex_t lock;       // taken before an entry's, never while holding
    struct entry   *entries;
    uint64_t        clock;
};

struct records *records_new(struct store *store)
{
    struct records *r = xcalloc(1, sizeof *r);
    r->store = store;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void entry_free(struct entry *e)
{
    history_free(e->history);
    pthread_rwlock_destroy(&e->lock);
    free(e);
}

void records_free(struct records *r)
{
    if (!r)
        return;
    while (r->entries) {
        struct entry *e = r->entries;
        r->entries = e->next;
        entry_free(e);
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void unlink_entry(struct records *r, struct entry *gone)
{
    struct entry **p = &r->entries;

    while (*p != gone)
        p = &(*p)->next;
    *p = gone->next;
    entry_free(gone);
}

// Forgets those least recently used until the rest fits. Under r->lock.
static void make_room(struct records *r)
{
    for (;;) {
        struct entry *oldest = NULL;
        size_t bytes = 0;
        int n = 0;
        for (struct entry *e = r->entries; e; e = e->next) {
            n++;
            if (e->users)
                continue;
            bytes += history_bytes(e->history);
            if (!oldest || e->used < oldest->used)
                oldest = e;
        }
        if (!oldest || (n <= RECORDS_MAX && bytes <= RECORDS_BYTES))
            return;
        unlink_entry(r, oldest);
    }
}

// The entry of a job with one more user, or NULL.
static struct entry *entry_hold(struct records *r, int64_t job, bool make)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = r->entries;
    while (e && (e->job != job || e->dropped))
        e = e->next;
    if (!e && make) {
        e = xcalloc(1, sizeof *e);
        e->job = job;
        e->history = history_new();
        pthread_rwlock_init(&e->lock, NULL);
        e->next = r->entries;
        r->entries = e;
    }
    if (e) {
        e->users++;
        e->used = ++r->clock;
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

static void entry_release(struct records *r, struct entry *e)
{
    pthread_mutex_lock(&r->lock);
    if (--e->users == 0 && e->dropped)
        unlink_entry(r, e);
    make_room(r);
    pthread_mutex_unlock(&r->lock);
}

// Under the entry's lock. Lines have been checked before they were stored; one
// that history.c cannot use all the same is left out.
static void add(struct entry *e, int64_t seq, const char *line)
{
    struct error err = { 0 };

    if (history_add(e->history, line, strlen(line), &err) != 0 && seq)
        log_warn("job %" PRId64 ": event %" PRId64 ": %s", e->job, seq,
                 err.text);
    if (seq)
        e->seq = seq;
}

void records_add(struct records *r, int64_t job, int64_t seq, const char *line)
{
    struct entry *e = entry_hold(r, job, false);

    if (!e)
        return;         // whoever asks first loads it
    pthread_rwlock_wrlock(&e->lock);
    if (e->loaded && (!seq || seq > e->seq))
        add(e, seq, line);
    pthread_rwlock_unlock(&e->lock);
    entry_release(r, e);
}

void records_drop(struct records *r, int64_t job)
{
    struct entry *e = entry_hold(r, job, false);

    if (!e)
        return;
    pthread_mutex_lock(&r->lock);
    e->dropped = true;
    pthread_mutex_unlock(&r->lock);
    entry_release(r, e);
}

// Takes in what is in the store and not in e yet. Under the entry's lock.
static int load(struct records *r, struct entry *e, struct error *err)
{
    struct stored_event event;
    int found;

    while ((found = store_event(r->store, e->job, e->seq, &event, err)) > 0) {
        add(e, event.seq, event.line);
        free(event.line);
    }
    e->loaded = e->loaded || found == 0;
    return found;
}

// Whether all that is committed is in e: an event may be seen in the store a
// moment before records_add() brings it. Under the entry's lock.
static bool is_current(struct records *r, struct entry *e)
{
    struct stored_event event = { 0 };

    if (e->loaded)
        store_event(r->store, e->job, e->seq, &event, NULL);
    bool newer = event.line != NULL;
    free(event.line);
    return e->loaded && !newer;
}

int records_open(struct records *r, int64_t job, const struct history **out,
                 struct error *err)
{
    struct entry *e = entry_hold(r, job, true);
    int rc = 0;

    pthread_rwlock_rdlock(&e->lock);
    while (!rc && !is_current(r, e)) {
        pthread_rwlock_unlock(&e->lock);
        pthread_rwlock_wrlock(&e->lock);
        rc = load(r, e, err);
        pthread_rwlock_unlock(&e->lock);
        pthread_rwlock_rdlock(&e->lock);
    }
    if (rc) {
        pthread_rwlock_unlock(&e->lock);
        entry_release(r, e);
        return rc;
    }
    *out = e->history;
    return 0;
}

void records_close(struct records *r, const struct history *h)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = r->entries;
    while (e->history != h)
        e = e->next;
    pthread_mutex_unlock(&r->lock);
    pthread_rwlock_unlock(&e->lock);
    entry_release(r, e);
}
