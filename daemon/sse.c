#include "daemon/sse.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"

enum {
    RING = 4096,                // messages
    RING_BYTES = 32 << 20,      // of their text
    BLOCK = 1024,               // what is asked for at a time; each watcher
                                // has a buffer of that size
};

struct message {
    int     refs;               // the ring's and the readers'; under the lock
    int64_t job, seq, n;        // seq and n 0: not stored
    bool    last;               // ends its job
    size_t  len;
    char    line[];
};

struct watcher {
    struct sse            *sse;
    struct MHD_Connection *connection;
    int     fd;                 // its socket; borrowed
    int64_t job;                // 0 = all
    int64_t after;              // seq (or n) of what it has
    bool    caught_up;          // has read all there was in the store
    uint64_t ticket;            // next message of the ring
    bool    suspended, beat, over;
    double  quiet_since, looked;        // times

    char            head[48];   // what goes out now: head, line, tail
    struct message *message;
    size_t          at;         // bytes of it that went out
    struct watcher *next, *prev;
};

struct sse {
    struct store   *store;
    pthread_mutex_t lock;
    struct message *ring[RING];
    uint64_t        first, end; // tickets in the ring
    size_t          bytes;
    struct watcher *watchers;
    int             n_watchers, most;
    bool            stopped;
};

static const char data_head[] = "data: ", tail[] = "\n\n", beat[] = ":\n\n";

struct sse *sse_new(struct store *store, int most)
{
    struct sse *s = xcalloc(1, sizeof *s);
    s->store = store;
    s->most = most;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static struct message *message_new(const struct stored_event *e)
{
    size_t len = strlen(e->line);
    struct message *m = xmalloc(sizeof *m + len + 1);

    *m = (struct message){ .refs = 1, .job = e->job, .seq = e->seq, .n = e->n,
                           .last = e->last, .len = len };
    memcpy(m->line, e->line, len + 1);
    return m;
}

static void message_drop(struct message *m)     // under the lock
{
    if (m && --m->refs == 0)
        free(m);
}

void sse_free(struct sse *s)
{
    if (!s)
        return;
    for (; s->first < s->end; s->first++)
        message_drop(s->ring[s->first % RING]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

// The ring.

static void resume(struct watcher *w)           // under the lock
{
    if (!w->suspended)
        return;
    w->suspended = false;
    MHD_resume_connection(w->connection);
}

static void drop_oldest(struct sse *s)
{
    struct message **m = &s->ring[s->first++ % RING];
    s->bytes -= (*m)->len;
    message_drop(*m);
    *m = NULL;
}

static bool is_for(const struct watcher *w, const struct message *m)
{
    return !w->job || w->job == m->job;
}

static void publish(struct sse *s, struct message *m)
{
    pthread_mutex_lock(&s->lock);
    while (s->end - s->first == RING ||
           (s->first < s->end && s->bytes + m->len > RING_BYTES))
        drop_oldest(s);
    s->ring[s->end++ % RING] = m;
    s->bytes += m->len;
    for (struct watcher *w = s->watchers; w; w = w->next)
        if (is_for(w, m))
            resume(w);
    pthread_mutex_unlock(&s->lock);
}

void sse_publish(struct sse *s, const struct stored_event *e)
{
    publish(s, message_new(e));
}

void sse_publish_live(struct sse *s, int64_t job, const char *line)
{
    char *stamped = event_stamp(line, job, 0, 0);
    publish(s, message_new(&(struct stored_event){ .job = job,
                                                   .line = stamped }));
    free(stamped);
}

// A watcher. It is driven by its connection's thread, which asks for bytes;
// all below is called under the lock.

static void take(struct watcher *w, struct message *m)
{
    int64_t id = w->job ? m->seq : m->n;

    w->message = m;
    w->at = 0;
    if (id) {
        snprintf(w->head, sizeof w->head, "id: %" PRId64 "\n%s", id, data_head);
        w->after = id;
    } else {
        strcpy(w->head, data_head);
    }
    w->over = w->job && m->last;
}

// The next event from the store: 1, 0 when there is none, or an ERR_ code.
// Reads without the lock.
static int take_stored(struct watcher *w)
{
    struct sse *s = w->sse;
    struct stored_event e = { 0 };
    struct error err = { 0 };

    pthread_mutex_unlock(&s->lock);
    int found = store_event(s->store, w->job, w->after, &e, &err);
    if (found < 0)
        log_error("a watcher of events is closed: %s", err.text);
    pthread_mutex_lock(&s->lock);
    if (found > 0)
        take(w, message_new(&e));
    free(e.line);
    return found;
}

// The next event from the ring that it does not have: 1, or 0.
static int take_from_ring(struct watcher *w)
{
    struct sse *s = w->sse;

    while (w->ticket < s->end) {
        struct message *m = s->ring[w->ticket++ % RING];
        int64_t id = w->job ? m->seq : m->n;
        if (!is_for(w, m) || (id && id <= w->after))
            continue;
        m->refs++;
        take(w, m);
        return 1;
    }
    return 0;
}

enum next { NEXT_EVENT, NEXT_NONE, NEXT_END, NEXT_ERROR };

static enum next next_event(struct watcher *w)
{
    struct sse *s = w->sse;

    for (;;) {
        if (s->stopped || w->over)
            return NEXT_END;
        if (!w->caught_up) {
            int found = take_stored(w);
            if (found)
                return found > 0 ? NEXT_EVENT : NEXT_ERROR;
            w->caught_up = true;
            // A ring that went round in the meantime may have dropped what
            // came after the last look into the store: look again.
            if (w->ticket < s->first) {
                w->ticket = s->end;
                w->caught_up = false;
            }
        } else if (w->ticket < s->first) {
            log_info("a watcher of events is closed: it reads too slowly");
            return NEXT_ERROR;
        } else {
            return take_from_ring(w) ? NEXT_EVENT : NEXT_NONE;
        }
    }
}

// Copies what of the parts (head, line, tail) has not gone out yet.
static size_t copy_out(struct watcher *w, char *buf, size_t max)
{
    const char *part[] = { w->head, w->message->line, tail };
    size_t len[] = { strlen(w->head), w->message->len, strlen(tail) };
    size_t done = 0, start = 0;

    for (int i = 0; i < 3; i++) {
        size_t skip = w->at + done - start;     // of this part
        if (skip < len[i]) {
            size_t n = len[i] - skip < max - done ? len[i] - skip : max - done;
            memcpy(buf + done, part[i] + skip, n);
            done += n;
        }
        if (w->at + done < start + len[i])
            break;                              // buf is full
        start += len[i];
    }
    w->at += done;
    if (w->at == len[0] + len[1] + len[2]) {
        message_drop(w->message);
        w->message = NULL;
    }
    return done;
}

static ssize_t read_events(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct watcher *w = cls;
    ssize_t n = 0;

    (void)pos;
    pthread_mutex_lock(&w->sse->lock);
    enum next next = w->message ? NEXT_EVENT : next_event(w);
    if (next == NEXT_END) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (next == NEXT_ERROR) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (next == NEXT_EVENT) {
        n = (ssize_t)copy_out(w, buf, max);
    } else if (w->beat && max >= strlen(beat)) {
        n = (ssize_t)strlen(beat);
        memcpy(buf, beat, (size_t)n);
        w->beat = false;
    } else {
        w->suspended = true;
        MHD_suspend_connection(w->connection);
    }
    if (n > 0)
        w->quiet_since = clock_seconds();
    pthread_mutex_unlock(&w->sse->lock);
    return n;
}

static void watcher_free(void *cls)
{
    struct watcher *w = cls;
    struct sse *s = w->sse;

    pthread_mutex_lock(&s->lock);
    *(w->prev ? &w->prev->next : &s->watchers) = w->next;
    if (w->next)
        w->next->prev = w->prev;
    s->n_watchers--;
    message_drop(w->message);
    pthread_mutex_unlock(&s->lock);
    free(w);
}

// The socket of a watcher. A comment that its machine does not acknowledge for
// so long makes it an error, which sse_tick() sees.
static int prepare_socket(struct MHD_Connection *connection)
{
    const unsigned millis = 1000 * SSE_ACK_S;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection,
        MHD_CONNECTION_INFO_CONNECTION_FD);

    setsockopt(info->connect_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &millis,
               sizeof millis);
    return info->connect_fd;
}

static struct watcher *watcher_new(struct sse *s,
                                   struct MHD_Connection *connection,
                                   int64_t job, int64_t after)
{
    struct watcher *w = xcalloc(1, sizeof *w);

    // The first comment tells the client at once that it is connected.
    *w = (struct watcher){ .sse = s, .connection = connection,
                           .fd = prepare_socket(connection), .job = job,
                           .after = after, .ticket = s->end, .beat = true,
                           .looked = clock_seconds(), .next = s->watchers };
    if (w->next)
        w->next->prev = w;
    s->watchers = w;
    s->n_watchers++;
    return w;
}

struct MHD_Response *sse_watch(struct sse *s, struct MHD_Connection *connection,
                               int64_t job, int64_t after)
{
    struct watcher *w = NULL;

    pthread_mutex_lock(&s->lock);
    if (!s->stopped && s->n_watchers < s->most)
        w = watcher_new(s, connection, job, after);
    pthread_mutex_unlock(&s->lock);
    if (!w)
        return NULL;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_events, w, watcher_free);
    if (!response)
        watcher_free(w);
    return response;
}

// Whether its client has closed the connection, or it is broken. What a client
// still sends is of no interest.
static bool has_left(const struct watcher *w)
{
    char byte;
    ssize_t n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void sse_tick(struct sse *s)
{
    double now = clock_seconds();

    pthread_mutex_lock(&s->lock);
    for (struct watcher *w = s->watchers; w; w = w->next) {
        if (!w->suspended)
            continue;
        if (now - w->looked >= SSE_LOOK_S) {
            w->looked = now;
            w->over = w->over || has_left(w);
        }
        w->beat = now - w->quiet_since >= SSE_HEARTBEAT_S;
        if (w->beat || w->over)
            resume(w);
    }
    pthread_mutex_unlock(&s->lock);
}

void sse_stop(struct sse *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    for (struct watcher *w = s->watchers; w; w = w->next)
        resume(w);
    pthread_mutex_unlock(&s->lock);
}

int sse_watchers(struct sse *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->n_watchers;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int sse_most(const struct sse *s)
{
    return s->most;
}
