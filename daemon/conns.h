/* daemon/conns.h: the deadline of connections.
 *
 * libmicrohttpd's timeout only sees silence; a client that sends a byte now
 * and then would stay for ever. So a new connection has CONNS_HEAD_S seconds
 * until the headers of its first request are there, and CONNS_BODY_S from
 * there to the end of the body. After an answer it may stay for CONNS_IDLE_S
 * until the headers of its next request are there. Any thread. */
#pragma once

enum { CONNS_HEAD_S = 10, CONNS_BODY_S = 30, CONNS_IDLE_S = 30 };

struct conns;
struct conn;

struct conns *conns_new(void);
void          conns_free(struct conns *c);

struct conn *conns_open(struct conns *c, int fd);       // borrows fd
void         conns_close(struct conns *c, struct conn *conn);

// The headers of its request are there.
void conns_headed(struct conns *c, struct conn *conn);
// Its request is complete: no deadline until the answer is.
void conns_asked(struct conns *c, struct conn *conn);
void conns_answered(struct conns *c, struct conn *conn);

// Shuts down those that are late by the monotonic clock; they end as if the
// client had left. Returns how many.
int  conns_sweep(struct conns *c, double now);
