/* wait, log: until a job has ended, over connections that break. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/api.h"
#include "client/follow.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/event.h"
#include "common/mem.h"

#define LOG_SECONDS 0.5         // between looks at a log that grows
#define QUIET_SECONDS 1.0       // ... of a job that tells nothing
static const struct timespec SOON = {.tv_nsec = 300000000};

/* ---- wait ---- */

static bool has_ended(const char *state)
{
    static const char *const ends[] = {"done", "failed", "cancelled",
                                       "diverged"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!strcmp(ends[i], state))
            return true;
    return false;
}

static void say_ended(const struct client *c, json_int_t id, const char *state,
                      const struct response *r)
{
    if (c->json)
        api_print_body(c, r);
    else if (!c->quiet)
        printf("job %" JSON_INTEGER_FORMAT ": %s\n", id, state);
    fflush(stdout);
}

// One question: 0 and *ended, or an exit status; unless `aloud` nothing is said
// of a daemon out of reach.
static int look(struct client *c, json_int_t id, bool aloud, bool *ended,
                bool *done)
{
    char *path = api_job(id, "");
    struct response r = {0};
    struct error err = {0};
    int rc = aloud ? api_send(c, "GET", path, NULL, &r)
                   : http_send(c->http, "GET", path, NULL, &r, &err);

    *ended = *done = false;
    if (!aloud && (rc || r.status >= 500)) {
        rc = EXIT_UNREACHABLE;
    } else if (!rc && r.status != 200) {
        rc = api_refused(&r, path);
    } else if (!rc) {
        json_t *job = json_loadb(r.body, r.len, 0, NULL);
        const char *state = api_text(job, "state");
        *ended = has_ended(state);
        *done = !strcmp(state, "done");
        if (*ended)
            say_ended(c, id, state, &r);
        json_decref(job);
    }
    http_clear(&r);
    free(path);
    return rc;
}

static int give_up(const struct client *c)
{
    client_say("no answer from %s for %d s: start it with gradwatchd",
               c->http->base, FOLLOW_PATIENCE);
    return EXIT_UNREACHABLE;
}

// Until the job has ended. A daemon that answered once may be away for
// FOLLOW_PATIENCE seconds, as when it is restarted.
static int wait_one(struct client *c, json_int_t id, double deadline,
                    bool *done)
{
    double heard = clock_seconds();
    bool ended, lost = false;
    int rc = look(c, id, true, &ended, done);

    if (rc)
        return rc;
    while (!ended) {
        if (client_interrupted())
            return EXIT_INTERRUPTED;
        if (clock_seconds() > deadline) {
            client_say("job %" JSON_INTEGER_FORMAT " has not ended yet", id);
            return EXIT_TIMEOUT;
        }
        if (clock_seconds() - heard > FOLLOW_PATIENCE)
            return give_up(c);
        nanosleep(&SOON, NULL);
        rc = look(c, id, false, &ended, done);
        if (rc && rc != EXIT_UNREACHABLE)
            return rc;
        if (lost != (rc != 0) && !client_interrupted())
            client_say("%s %s", c->http->base, rc
                ? "does not answer, trying again" : "is back");
        lost = rc != 0;
        heard = lost ? heard : clock_seconds();
    }
    return 0;
}

int command_wait(struct client *c)
{
    double seconds = INFINITY;
    struct error err = {0};
    bool all_done = true;
    json_int_t id;

    if (opts_number(&c->opts, "timeout", 0, 1e9, &seconds, &err))
        return client_refuse("wait", "%s", err.text);
    for (int i = 0; i < c->opts.n_words; i++)
        if (client_id(c, "wait", i, &id))
            return EXIT_USAGE;
    double deadline = clock_seconds() + seconds;
    for (int i = 0; i < c->opts.n_words; i++) {
        bool done;
        client_id(c, "wait", i, &id);
        int rc = wait_one(c, id, deadline, &done);
        if (rc)
            return rc;
        all_done = all_done && done;
    }
    return all_done ? 0 : EXIT_NO;
}

/* ---- log ---- */

struct log {
    struct client *c;
    struct client  other;       // a connection beside that of the events
    json_int_t     id;
    size_t         printed;
    bool           grew;        // since the last look
    double         looked;      // clock_seconds()
};

// Prints what is new; control characters do not get to a terminal.
static void print_log(const struct client *c, const char *text, size_t len)
{
    if (c->terminal)
        text_print(stdout, text, len, c->utf8);
    else
        fwrite(text, 1, len, stdout);
    fflush(stdout);
}

// Of a log that is followed, a failure says nothing: the events tell.
static int fetch_log(struct log *log, struct client *c, bool aloud)
{
    char *path = api_job(log->id, "/log");
    struct response r = {0};
    struct error err = {0};
    int rc = aloud ? api_send(c, "GET", path, NULL, &r)
                   : http_send(c->http, "GET", path, NULL, &r, &err);

    if (!rc && r.status == 200 && r.len > log->printed) {
        print_log(c, r.body + log->printed, r.len - log->printed);
        log->printed = r.len;
    }
    log->looked = clock_seconds();
    log->grew = false;
    http_clear(&r);
    free(path);
    return rc;
}

static void on_event(void *arg, const char *line, size_t len,
                     const json_t *event)
{
    (void)line;
    (void)len;
    (void)event;
    ((struct log *)arg)->grew = true;
}

static bool on_tick(void *arg)
{
    struct log *log = arg;

    double pause = log->grew ? LOG_SECONDS : QUIET_SECONDS;

    if (clock_seconds() - log->looked > pause)
        fetch_log(log, &log->other, false);
    return false;
}

static void on_lost(void *arg, bool lost)
{
    struct log *log = arg;

    client_say("%s %s", log->c->http->base,
               lost ? "does not answer, trying again" : "is back");
}

static void on_end(void *arg)
{
    struct log *log = arg;

    fetch_log(log, &log->other, false);
}

int command_log(struct client *c)
{
    struct log log = {.c = c, .other = *c};
    struct follower f = {.event = on_event, .tick = on_tick, .lost = on_lost,
                         .end = on_end, .arg = &log};
    json_t *job;
    int rc = client_id(c, "log", 0, &log.id);

    if (rc)
        return rc;
    if (!opts_given(&c->opts, "follow"))
        return fetch_log(&log, c, true);
    char *path = api_job(log.id, "");
    rc = api_json(c, "GET", path, NULL, &job);
    free(path);
    if (!rc)
        rc = fetch_log(&log, c, true);
    if (!rc && !has_ended(api_text(job, "state"))) {
        log.other.http = http_again(c->http);
        f.since = json_integer_value(json_object_get(job, "last_event_id"));
        rc = follow_job(c, log.id, &f);
        http_close(log.other.http);
    }
    json_decref(job);
    return rc;
}
