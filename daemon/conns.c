#include "daemon/conns.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/mem.h"

struct conn {
    int          fd;
    double       until;         // by the monotonic clock
    struct conn *next, *prev;
};

struct conns {
    pthread_mutex_t lock;
    struct conn    *first;
};

struct conns *conns_new(void)
{
    struct conns *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void conns_free(struct conns *c)
{
    if (!c)
        return;
    while (c->first)
        conns_close(c, c->first);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct conn *conns_open(struct conns *c, int fd)
{
    struct conn *conn = xcalloc(1, sizeof *conn);

    conn->fd = fd;
    conn->until = clock_seconds() + CONNS_HEAD_S;
    pthread_mutex_lock(&c->lock);
    conn->next = c->first;
    if (conn->next)
        conn->next->prev = conn;
    c->first = conn;
    pthread_mutex_unlock(&c->lock);
    return conn;
}

void conns_close(struct conns *c, struct conn *conn)
{
    pthread_mutex_lock(&c->lock);
    *(conn->prev ? &conn->prev->next : &c->first) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    pthread_mutex_unlock(&c->lock);
    free(conn);
}

static void set(struct conns *c, struct conn *conn, double seconds)
{
    pthread_mutex_lock(&c->lock);
    conn->until = clock_seconds() + seconds;
    pthread_mutex_unlock(&c->lock);
}

void conns_headed(struct conns *c, struct conn *conn)
{
    set(c, conn, CONNS_BODY_S);
}

void conns_asked(struct conns *c, struct conn *conn)
{
    set(c, conn, INFINITY);
}

void conns_answered(struct conns *c, struct conn *conn)
{
    set(c, conn, CONNS_IDLE_S);
}

int conns_sweep(struct conns *c, double now)
{
    int late = 0;

    pthread_mutex_lock(&c->lock);
    for (struct conn *conn = c->first; conn; conn = conn->next) {
        if (now < conn->until)
            continue;
        shutdown(conn->fd, SHUT_RDWR);
        late++;
    }
    pthread_mutex_unlock(&c->lock);
    return late;
}
