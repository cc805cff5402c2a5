#include "client/follow.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/api.h"
#include "client/sse.h"
#include "common/clock.h"
#include "common/event.h"
#include "common/mem.h"

enum { FIRST_PAUSE_MILLIS = 200, LONGEST_PAUSE_MILLIS = 2000,
       TICK_MILLIS = 100 };

struct stream {
    const struct follower *f;
    struct sse             sse;
    bool                   lost, ended, left;
    double                 heard;       // clock_seconds() of the last bytes
};

static void set_lost(struct stream *s, bool lost)
{
    if (s->lost != lost && s->f->lost)
        s->f->lost(s->f->arg, lost);
    s->lost = lost;
}

static bool take_event(void *arg, const char *line, size_t len)
{
    struct stream *s = arg;
    json_t *event = json_loadb(line, len, 0, NULL);
    const char *type = api_text(event, "type");

    if (event)
        s->f->event(s->f->arg, line, len, event);
    s->ended = event && event_is_last(type);
    json_decref(event);
    return s->ended;
}

static bool take_bytes(void *arg, const char *bytes, size_t len)
{
    struct stream *s = arg;

    s->heard = clock_seconds();
    set_lost(s, false);
    return sse_feed(&s->sse, bytes, len, take_event, s);
}

static bool on_tick(void *arg)
{
    struct stream *s = arg;

    if (s->f->tick && s->f->tick(s->f->arg))
        s->left = true;
    return s->left;
}

static void pause_for(struct stream *s, int millis)
{
    struct timespec step = {.tv_nsec = TICK_MILLIS * 1000000L};

    for (; millis > 0 && !client_interrupted(); millis -= TICK_MILLIS) {
        nanosleep(&step, NULL);
        if (on_tick(s))
            break;
    }
}

// One connection. 0: it is over, an exit status: so is all else, -1: try again.
static int connect_once(struct client *c, const char *path, struct stream *s,
                        bool first)
{
    struct http_stream stream = {
        .path = path, .last_id = *s->sse.id ? s->sse.id : NULL,
        .data = take_bytes, .tick = on_tick, .arg = s};
    struct response r;
    struct error err = {0};
    int rc = -1;

    sse_restart(&s->sse);
    int failed = http_stream(c->http, &stream, &r, &err);
    if (client_interrupted() || s->left)
        rc = EXIT_INTERRUPTED;
    else if (s->ended || (!failed && r.status == 204))
        rc = 0;
    else if (failed && first && !r.status) {
        s->f->end(s->f->arg);
        client_say("%s", err.text);
        rc = failed == ERR_USAGE ? EXIT_USAGE : EXIT_UNREACHABLE;
    } else if (!failed && (first || r.status < 500) &&
               (r.status != 200 || strcmp(r.type, "text/event-stream"))) {
        char *what = xasprintf("GET %s%s", c->http->base, path);
        s->f->end(s->f->arg);
        rc = api_refused(&r, what);
        free(what);
    }
    http_clear(&r);
    return rc;
}

int follow_job(struct client *c, json_int_t id, const struct follower *f)
{
    struct stream s = {.f = f, .heard = clock_seconds()};
    char *path = api_job(id, "/events");

    if (f->since > 0)
        snprintf(s.sse.id, sizeof s.sse.id, "%" JSON_INTEGER_FORMAT, f->since);
    int pause = FIRST_PAUSE_MILLIS, rc = connect_once(c, path, &s, true);

    while (rc < 0) {
        double before = s.heard;
        set_lost(&s, true);
        if (clock_seconds() - s.heard > FOLLOW_PATIENCE) {
            f->end(f->arg);
            client_say("no answer from %s for %d s: start it with gradwatchd",
                       c->http->base, FOLLOW_PATIENCE);
            rc = EXIT_UNREACHABLE;
            break;
        }
        pause_for(&s, pause);
        rc = s.left ? EXIT_INTERRUPTED : connect_once(c, path, &s, false);
        pause = s.heard > before ? FIRST_PAUSE_MILLIS
                : 2 * pause < LONGEST_PAUSE_MILLIS ? 2 * pause
                                                   : LONGEST_PAUSE_MILLIS;
    }
    if (rc == 0 || rc == EXIT_INTERRUPTED)
        f->end(f->arg);
    sse_clear(&s.sse);
    free(path);
    return rc;
}
