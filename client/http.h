/* client/http.h: requests to the daemon, by libcurl.
 *
 * One struct http is one server; its connection is kept between requests.
 * Functions return 0 when an answer came, whatever its status; ERR_IO when the
 * daemon is out of reach, with a line that says what to do; ERR_STATE when the
 * caller's `stop` ended it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

enum { HTTP_MAX_BODY = 1 << 30 };       // a longer answer is an error

struct http {
    char  *base;                // owned: "http://127.0.0.1:7050"
    char  *token;               // owned: sent to prove who asks; or NULL
    void  *easy, *multi;        // libcurl's
    bool (*stop)(void);         // asked five times a second; true ends it
    int    wake;                // ... and when this can be read; -1: nothing
};

struct response {
    long   status;
    char  *type;                // owned; Content-Type without parameters, or ""
    char  *body;                // owned; ends with a 0 that len leaves out
    size_t len;
};

// ERR_USAGE when `server` is not an http(s) URL; "http://" may be left out.
int  http_open(struct http **out, const char *server, bool (*stop)(void),
               struct error *err);
struct http *http_again(const struct http *h);  // one more connection
void http_close(struct http *h);
// Whether `server` is this machine.
bool http_is_loopback(const char *server);

// path begins with a slash. body NULL: none; else JSON text.
int  http_send(struct http *h, const char *method, const char *path,
               const char *body, struct response *r, struct error *err);
void http_clear(struct response *r);

// GETs what never ends, or is large. The bytes of a 200 go to `data`, until it,
// `tick` (called at least five times a second) or the server ends it; of
// another status the body is in r. A stream that is silent for too long is
// ERR_IO.
struct http_stream {
    const char *path;
    const char *accept;         // NULL: text/event-stream
    const char *last_id;        // Last-Event-ID, or NULL
    bool      (*data)(void *arg, const char *bytes, size_t len);  // true: end
    bool      (*tick)(void *arg);                                 // true: end
    void       *arg;
};
int  http_stream(struct http *h, const struct http_stream *s,
                 struct response *r, struct error *err);

char *http_escape(const char *text);    // for a query; the caller owns it
