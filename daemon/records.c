#include "daemon/records.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

struct kept {
    char          *key;         // NULL = free
    struct shared *answer;
};

struct entry {
    int64_t          job;
    int64_t          seq;       // newest stored event in it; under its lock
    struct history  *history;   // under its lock
    bool             loaded;    // under its lock
    pthread_rwlock_t lock;
    atomic_llong     current;   // it had all events up to this n
    pthread_mutex_t  keeping;   // of the next three; taken under `lock`
    struct kept      kept[RECORDS_KEPT];
    int              next_kept; // to be replaced
    size_t           kept_bytes;
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
    int             max;        // RECORDS_MAX and RECORDS_BYTES
    size_t          max_bytes;
};

struct records *records_new(struct store *store)
{
    struct records *r = xcalloc(1, sizeof *r);
    r->store = store;
    r->max = RECORDS_MAX;
    r->max_bytes = RECORDS_BYTES;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void kept_drop(struct entry *e, struct kept *k)
{
    e->kept_bytes -= k->answer ? shared_len(k->answer) : 0;
    shared_drop(k->answer);
    free(k->key);
    *k = (struct kept){ 0 };
}

static void kept_drop_all(struct entry *e)
{
    pthread_mutex_lock(&e->keeping);
    for (int i = 0; i < RECORDS_KEPT; i++)
        kept_drop(e, &e->kept[i]);
    pthread_mutex_unlock(&e->keeping);
}

static void entry_free(struct entry *e)
{
    kept_drop_all(e);
    history_free(e->history);
    pthread_mutex_destroy(&e->keeping);
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
            bytes += history_bytes(e->history) + e->kept_bytes;
            if (!oldest || e->used < oldest->used)
                oldest = e;
        }
        if (!oldest || (n <= r->max && bytes <= r->max_bytes))
            return;
        unlink_entry(r, oldest);
    }
}

void records_limit(struct records *r, int max, size_t bytes)
{
    r->max = max;
    r->max_bytes = bytes;
}

int records_held(struct records *r, size_t *bytes)
{
    int n = 0;

    *bytes = 0;
    pthread_mutex_lock(&r->lock);
    for (struct entry *e = r->entries; e; e = e->next, n++)
        *bytes += history_bytes(e->history);
    pthread_mutex_unlock(&r->lock);
    return n;
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
        pthread_mutex_init(&e->keeping, NULL);
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
    kept_drop_all(e);
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
    int64_t n = store_last_n(r->store);

    if (!e->loaded)
        return false;
    if (store_newest_n(r->store) == atomic_load(&e->current))
        return true;            // nothing was stored since the last look
    int found = store_event(r->store, e->job, e->seq, &event, NULL);
    free(event.line);
    if (!found)
        atomic_store(&e->current, n);
    return found <= 0;          // what is damaged is never taken in
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

static struct entry *entry_of(struct records *r, const struct history *h)
{
    pthread_mutex_lock(&r->lock);
    struct entry *e = r->entries;
    while (e->history != h)
        e = e->next;
    pthread_mutex_unlock(&r->lock);
    return e;
}

void records_close(struct records *r, const struct history *h)
{
    struct entry *e = entry_of(r, h);

    pthread_rwlock_unlock(&e->lock);
    entry_release(r, e);
}

// Kept answers.

static struct kept *kept_find(struct entry *e, const char *key)
{
    for (int i = 0; i < RECORDS_KEPT; i++)
        if (e->kept[i].key && !strcmp(e->kept[i].key, key))
            return &e->kept[i];
    return NULL;
}

struct shared *records_kept(struct records *r, int64_t job, const char *key)
{
    struct entry *e = entry_hold(r, job, false);
    struct shared *answer = NULL;

    if (!e)
        return NULL;
    pthread_rwlock_rdlock(&e->lock);
    if (is_current(r, e)) {
        pthread_mutex_lock(&e->keeping);
        struct kept *k = kept_find(e, key);
        answer = k ? shared_hold(k->answer) : NULL;
        pthread_mutex_unlock(&e->keeping);
    }
    pthread_rwlock_unlock(&e->lock);
    entry_release(r, e);
    return answer;
}

void records_keep(struct records *r, const struct history *h, const char *key,
                  struct shared *answer)
{
    struct entry *e = entry_of(r, h);
    size_t len = shared_len(answer);

    if (len > RECORDS_KEPT_BYTES || strlen(key) > RECORDS_KEY)
        return;
    pthread_mutex_lock(&e->keeping);
    struct kept *k = kept_find(e, key);
    for (; !k || e->kept_bytes + len > RECORDS_KEPT_BYTES;
         e->next_kept = (e->next_kept + 1) % RECORDS_KEPT) {
        k = &e->kept[e->next_kept];
        kept_drop(e, k);
    }
    kept_drop(e, k);
    *k = (struct kept){ xstrdup(key), shared_hold(answer) };
    e->kept_bytes += len;
    pthread_mutex_unlock(&e->keeping);
}
