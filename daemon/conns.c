#include "daemon/conns.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/mem.h"

struct conn {
    int          fd;
    bool         asked;
    double       since;
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
    conn->since = clock_seconds();
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

static void set(struct conns *c, struct conn *conn, bool asked)
{
    pthread_mutex_lock(&c->lock);
    conn->asked = asked;
    conn->since = clock_seconds();
    pthread_mutex_unlock(&c->lock);
}

void conns_asked(struct conns *c, struct conn *conn)
{
    set(c, conn, true);
}

void conns_answered(struct conns *c, struct conn *conn)
{
    set(c, conn, false);
}

int conns_sweep(struct conns *c, double now)
{
    int late = 0;

    pthread_mutex_lock(&c->lock);
    for (struct conn *conn = c->first; conn; conn = conn->next) {
        if (conn->asked || now - conn->since < CONNS_ASK_S)
            continue;
        shutdown(conn->fd, SHUT_RDWR);
        late++;
    }
    pthread_mutex_unlock(&c->lock);
    return late;
}
