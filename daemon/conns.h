/* daemon/conns.h: the deadline of connections.
 *
 * libmicrohttpd's timeout only sees silence; a client that sends a byte now
 * and then would stay for ever. So a connection has CONNS_ASK_S seconds from
 * its start, or from its last answer, until its next request is complete.
 * Any thread. */
#pragma once

enum { CONNS_ASK_S = 30 };

struct conns;
struct conn;

struct conns *conns_new(void);
void          conns_free(struct conns *c);

struct conn *conns_open(struct conns *c, int fd);       // borrows fd
void         conns_close(struct conns *c, struct conn *conn);

// Its request is complete: no deadline until the answer is.
void conns_asked(struct conns *c, struct conn *conn);
void conns_answered(struct conns *c, struct conn *conn);

// Shuts down those that are late by the monotonic clock; they end as if the
// client had left. Returns how many.
int  conns_sweep(struct conns *c, double now);
