/* tests/daemon.h: gradwatchd from outside, with tests/fake_worker.c: requests
 * by libcurl, event streams and odd bytes by sockets. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <jansson.h>

struct daemon {
    pid_t pid;
    int   port;
    char *state;                // its directory; owned
};

// Starts ../daemon/gradwatchd, seen from this test, on a free port, with
// further options in args (ends with NULL; may be NULL), and waits until it
// listens. `state` is copied. Aborts when it does not start.
// Everybody may ask it.
struct daemon daemon_start(const char *state, const char *const *args);
// The same, but it wants its token.
struct daemon daemon_start_closed(const char *state, const char *const *args);
// SIGTERM, or SIGKILL; waits. The exit code, or 128 + the signal.
int  daemon_stop(struct daemon *d);
int  daemon_kill(struct daemon *d);
// Runs it with options that make it end by itself; err (size bytes) gets what
// it says on stderr. The exit code.
int  daemon_try(const char *const *args, char *err, size_t size);

struct answer {
    int     status;
    char   *head, *body;        // owned; end with a zero byte
    size_t  len;
    json_t *json;               // of body, or NULL; owned
};

// body NULL = none, else sent as JSON. headers ("Name: value") end with NULL;
// may be NULL. answer_clear() ends it.
struct answer ask(const struct daemon *d, const char *method, const char *path,
                  const char *body, const char *const *headers);
void answer_clear(struct answer *a);
// The value of a header, "" when there is none; valid until the next call.
const char *answer_header(const struct answer *a, const char *name);

// The answer to a GET that must be 200. Caller owns.
json_t *get(const struct daemon *d, const char *path);
// A job of that name for the fake worker; `more` are further members of the
// spec, ", \"priority\": 1", or "". Its id.
int64_t submit(const struct daemon *d, const char *name, int epochs,
               const char *more);
// Reads the job's events to the end; its state.
const char *run_to_end(const struct daemon *d, int64_t id, json_t **job);

// A connection; -1 is never returned. Answers are read with a timeout of 120 s.
int  dial(const struct daemon *d);
void send_text(int fd, const char *text);
// Everything until the other side closes; caller owns.
char *read_all(int fd, size_t *len);
// Sends text as it is and returns the status of the answer, 0 when the
// connection was closed without one.
int  status_of(const struct daemon *d, const char *text);

// Server-Sent Events.
struct stream { FILE *f; };
// path with its query; last_id < 0 = no Last-Event-ID.
struct stream stream_open(const struct daemon *d, const char *path,
                          int64_t last_id);
// From the beginning, with one more header.
struct stream stream_open_as(const struct daemon *d, const char *path,
                             const char *header);
// The next event, owned by the caller, or NULL at the end; *id is -1 when it
// has none. Comments are passed over.
json_t *stream_next(struct stream *s, int64_t *id);
// The next one of that type, or NULL at the end.
json_t *stream_find(struct stream *s, const char *type, int64_t *id);
void    stream_close(struct stream *s);
