/* daemon/http.h: HTTP by libmicrohttpd: takes requests in, finds their route,
 * sends the reply.
 *
 * A handler fills a struct reply and returns; it runs on one of a few threads
 * that serve everybody, so it never waits for a worker or a client. Bodies are
 * read whole before (their size is bounded), answers are sent after. Each
 * reply gets its ETag and the security headers here, in one place.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <microhttpd.h>
#include "common/error.h"
#include "daemon/server.h"
#include "daemon/shared.h"
#include "daemon/uri.h"

struct request {
    struct server         *server;
    struct MHD_Connection *connection;
    const char *method;
    struct uri  uri;
    int64_t     id;             // {id} of the route's path
    const char *word;           // {word} of it
    const char *body;           // ends with a zero byte
    size_t      body_len;
};

struct header { const char *name; char *value; };

struct reply {                  // starts as 200 without a body
    int         status;
    const char *type;           // media type of text, static
    char       *text;           // owned, unless `borrowed`
    size_t      len;
    bool        borrowed;       // text lives as long as the server
    struct shared *shared;      // instead of text; a reference of its own
    struct header headers[8];   // further ones, values owned
    int         n_headers;
    struct MHD_Response *stream;        // instead of text; taken
};

typedef void handler(struct request *rq, struct reply *rp);

enum access {                   // who may ask
    ACCESS_TOKEN,               // whoever knows the token (daemon/auth.h)
    ACCESS_METRICS,             // the same, or with --open-metrics everybody
    ACCESS_OPEN,                // everybody
};

struct route {
    const char *path;           // "/api/v1/jobs/{id}/log"
    const char *type;           // what it answers with, for Accept
    handler    *get, *post, *patch, *delete;    // NULL = 405
    enum access access;
};

extern const struct route http_routes[];        // ends with path NULL

struct http;

// How many connections there may be at a time: 12,288, or what the limit of
// descriptors leaves.
int  http_connections(void);

// Borrows server. Listens on a socket that was made before; takes it.
int  http_start(struct server *server, int listen_fd, struct http **out,
                struct error *err);
// After sse_stop(). Waits for answers under way.
void http_stop(struct http *h);
// Call about once a second: closes connections that take too long to ask.
void http_tick(struct http *h);

// A header of the request, or NULL.
const char *request_header(const struct request *rq, const char *name);

// send.c, for http.c: tags and packs the reply, sends and clears it.
enum MHD_Result http_send(struct request *rq, struct reply *rp);

// Replies. All take what they are given.

void reply_json(struct reply *rp, int status, json_t *json);
// text is taken; type is static.
void reply_text(struct reply *rp, const char *type, char *text, size_t len);
void reply_shared(struct reply *rp, struct shared *shared);
__attribute__((format(printf, 3, 4)))
void reply_header(struct reply *rp, const char *name, const char *fmt, ...);
// RFC 9457. `errors` (NULL = none) is an array of {pointer, value, message}.
__attribute__((format(printf, 4, 5)))
void reply_problem(struct reply *rp, int status, json_t *errors,
                   const char *fmt, ...);
// The same from an error, whose code determines the status.
void reply_error(struct reply *rp, const struct error *err);
void reply_clear(struct reply *rp);
