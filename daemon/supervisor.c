#include "daemon/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/protocol.h"
#include "daemon/runner.h"

enum {
    LINES_AT_ONCE = 64,         // then others have their turn
    TICK_MILLIS = 1000,
    PROBE_S = 30,               // a probe that takes longer is given up
};

struct supervisor {
    struct server  *server;
    int             wake;
    struct runner  *probe;      // looks for devices, NULL = has done so
    double          probe_until;

    struct runner  *worker;     // NULL = none
    int64_t         job;        // the worker's
    struct protocol protocol;
    bool            over;       // the job has ended, the worker may go on
    double          kill_at;    // when to SIGKILL it; 0 = not decided
    double          heard;      // when it last said something
    bool            stalled;    // it was killed for saying nothing
    bool            pausing;    // it was told to end for now
    struct error    broken;     // nothing can be stored any more
};

// Devices.

static void set_devices(struct supervisor *s, json_t *found)
{
    if (!json_is_array(json_object_get(found, "devices"))) {
        json_decref(found);
        found = json_pack("{s:[], s:[s]}", "devices", "notes",
                          "the worker could not tell its devices");
        log_warn("%s --probe did not tell the devices",
                 s->server->config->worker);
    }
    pthread_mutex_lock(&s->server->lock);
    s->server->devices = found;
    pthread_mutex_unlock(&s->server->lock);
    runner_free(s->probe);
    s->probe = NULL;
}

static void read_probe(struct supervisor *s)
{
    size_t len;
    bool end;
    const char *line = runner_line(s->probe, &len, &end, NULL);

    runner_read_log(s->probe);
    if (line)
        set_devices(s, json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL));
    else if (end || clock_seconds() > s->probe_until)
        set_devices(s, NULL);
}

struct supervisor *supervisor_new(struct server *server, int wake)
{
    struct supervisor *s = xcalloc(1, sizeof *s);
    char *argv[] = { server->config->worker, "--probe", NULL };
    struct runner_opts o = { .argv = argv, .longest = 1 << 20 };
    struct error err = { 0 };

    s->server = server;
    s->wake = wake;
    s->probe_until = clock_seconds() + PROBE_S;
    if (runner_start(&o, &s->probe, &err) != 0) {
        log_error("%s", err.text);
        set_devices(s, NULL);
    }
    return s;
}

void supervisor_free(struct supervisor *s)
{
    if (!s)
        return;
    runner_free(s->probe);
    runner_free(s->worker);
    free(s);
}

void supervisor_probe(struct supervisor *s, double seconds)
{
    double until = clock_seconds() + seconds;

    while (s->probe && clock_seconds() < until) {
        struct pollfd p[] = {
            { .fd = runner_out_fd(s->probe), .events = POLLIN },
            { .fd = runner_log_fd(s->probe), .events = POLLIN },
        };
        poll(p, 2, (int)(1000 * (until - clock_seconds())) + 1);
        read_probe(s);
    }
}

// The worker's end.

static void note(struct supervisor *s, int rc, const struct error *err)
{
    if (rc && !s->broken.code)
        s->broken = *err;
}

static void fail_job(struct supervisor *s, const char *code,
                     const char *message)
{
    struct error err = { 0 };

    log_warn("job %" PRId64 ": %s", s->job, message);
    note(s, queue_fail(s->server->queue, s->job, code, message, &err), &err);
    s->over = true;
}

static void break_off(struct supervisor *s, const struct error *why)
{
    fail_job(s, "protocol_error", why->text);
    runner_signal(s->worker, SIGKILL);
}

static void take_line(struct supervisor *s, const char *line, size_t len)
{
    struct error err = { 0 };
    json_t *event;

    s->heard = clock_seconds();
    if (s->over)
        return;
    if (protocol_check(&s->protocol, line, len, &event, &err) != 0) {
        break_off(s, &err);
        return;
    }
    if (!protocol_repeats(&s->protocol, event))
        note(s, queue_event(s->server->queue, s->job, event, line, &err), &err);
    if (event_is_last(protocol_type(event))) {
        s->over = true;
        s->kill_at = clock_seconds() + SUPERVISOR_GRACE_S;
    }
    json_decref(event);
}

// Up to `most` lines of the worker; false when there are no more now.
static bool take_lines(struct supervisor *s, int most)
{
    for (int i = 0; i < most && !s->broken.code; i++) {
        struct error err = { 0 };
        size_t len;
        bool end;
        const char *line = runner_line(s->worker, &len, &end, &err);
        if (line)
            take_line(s, line, len);
        else if (err.code && !s->over)
            break_off(s, &err);
        if (!line)
            return false;
    }
    return true;
}

// The process has gone. What it left unsaid is said here.
static void finish(struct supervisor *s, int status)
{
    struct queue *q = s->server->queue;
    struct error err = { 0 };
    char why[512];

    while (take_lines(s, LINES_AT_ONCE) && !s->broken.code)
        ;
    runner_read_log(s->worker);
    runner_describe(s->worker, status, why, sizeof why);
    if (s->stalled)
        snprintf(why, sizeof why, "the worker said nothing for too long and "
                 "was killed");
    if ((!s->over || s->pausing) && queue_wants_cancel(q, s->job)) {
        note(s, queue_end_cancelled(q, s->job, &err), &err);
    } else if (s->pausing || (!s->over && queue_wants_pause(q, s->job))) {
        note(s, queue_set_paused(q, s->job, &err), &err);
    } else if (!s->over) {
        log_warn("job %" PRId64 ": %s", s->job, why);
        note(s, queue_interrupt(q, s->job, s->stalled ? "stalled"
                                : "worker_died", why, &err), &err);
    }
    runner_free(s->worker);
    s->worker = NULL;
    s->job = 0;
}

// The worker's start.

char *checkpoints_of(const struct server *s, int64_t job)
{
    return xasprintf("%s/%" PRId64, s->checkpoints, job);
}

static int launch(struct supervisor *s, const struct queue_start *start,
                  struct error *err)
{
    enum { FIXED = 14, OWNED = 4 };
    const struct config *c = s->server->config;
    char *argv[FIXED + 2 * CONFIG_MAX_LIST], *owned[OWNED + CONFIG_MAX_LIST];
    char *log = xasprintf("%s/%" PRId64 ".log", s->server->logs, start->id);
    int n = 0, m = 0;

    argv[n++] = c->worker;
    argv[n++] = "--die-with-parent";
    argv[n++] = "--attempt";
    argv[n++] = owned[m++] = xasprintf("%d", start->attempt);
    argv[n++] = "--cache";
    argv[n++] = owned[m++] = xasprintf("%s/cache", c->state);
    argv[n++] = "--checkpoints";
    argv[n++] = owned[m++] = checkpoints_of(s->server, start->id);
    argv[n++] = "--resume";
    argv[n++] = owned[m - 1];
    argv[n++] = "--recorded";
    argv[n++] = owned[m++] = xasprintf("%d", start->recorded);
    for (int i = 0; i < c->n_roots; i++) {
        argv[n++] = "--data";
        argv[n++] = owned[m++] = xasprintf("%s=%s", c->roots[i].name,
                                           c->roots[i].dir);
    }
    argv[n] = NULL;
    struct runner_opts o = { .argv = argv, .input = start->spec, .log = log,
                             .longest = PROTOCOL_LONGEST };
    int rc = runner_start(&o, &s->worker, err);
    while (m > 0)
        free(owned[--m]);
    free(log);
    return rc;
}

static void start_next(struct supervisor *s)
{
    struct queue_start start = { 0 };
    struct error err = { 0 };
    int found = queue_next(s->server->queue, s->worker ? NULL : &start, &err);

    note(s, found < 0 ? found : 0, &err);
    if (found <= 0)
        return;
    s->job = start.id;
    s->protocol = (struct protocol){ .recorded = start.recorded };
    s->over = s->stalled = s->pausing = false;
    s->kill_at = 0;
    s->heard = clock_seconds();
    if (launch(s, &start, &err) != 0)
        fail_job(s, "internal", err.text);
    free(start.spec);
}

// The loop.

static void check_heartbeat(struct supervisor *s)
{
    double limit = s->server->config->heartbeat;

    if (!s->worker || s->stalled)
        return;
    if (!s->protocol.started)
        limit *= SUPERVISOR_PATIENCE;
    if (clock_seconds() - s->heard < limit)
        return;
    log_warn("job %" PRId64 ": its worker has said nothing for %.0f s and is "
             "killed", s->job, limit);
    s->stalled = true;
    runner_signal(s->worker, SIGKILL);
}

static void check_wishes(struct supervisor *s)
{
    double now = clock_seconds();

    if (!s->worker)
        return;
    bool cancel = queue_wants_cancel(s->server->queue, s->job);
    bool pause = queue_wants_pause(s->server->queue, s->job);
    if (!s->kill_at && !s->over && (cancel || pause)) {
        runner_signal(s->worker, SIGTERM);
        s->over = s->pausing = pause;
        s->kill_at = now + SUPERVISOR_GRACE_S;
    }
    if (s->kill_at && now >= s->kill_at) {
        log_warn("job %" PRId64 ": its worker does not end and is killed",
                 s->job);
        runner_signal(s->worker, SIGKILL);
        s->kill_at = INFINITY;
    }
}

static void step(struct supervisor *s)
{
    int status;

    if (s->probe)
        read_probe(s);
    if (s->worker) {
        runner_read_log(s->worker);
        take_lines(s, LINES_AT_ONCE);
        if (runner_ended(s->worker, &status))
            finish(s, status);
    }
    check_heartbeat(s);
    check_wishes(s);
    if (!s->broken.code)
        start_next(s);
}

static void wait_for_something(struct supervisor *s, int signals)
{
    struct pollfd p[7] = {
        { .fd = signals, .events = POLLIN },
        { .fd = s->wake, .events = POLLIN },
    };
    uint64_t n;

    for (int i = 2; i < 7; i++)
        p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
    if (s->worker) {
        p[2].fd = runner_out_fd(s->worker);
        p[3].fd = runner_log_fd(s->worker);
        p[4].fd = runner_exit_fd(s->worker);
    }
    if (s->probe) {
        p[5].fd = runner_out_fd(s->probe);
        p[6].fd = runner_log_fd(s->probe);
    }
    poll(p, 7, TICK_MILLIS);
    if (p[1].revents && read(s->wake, &n, sizeof n) < 0)
        log_debug("wake: %s", strerror(errno));
}

static bool got_signal(int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    log_info("stopping: %s", sigdescr_np((int)info.ssi_signo));
    return true;
}

// Its job is taken up by the next daemon, from its last checkpoint; nothing
// that it still says is stored.
static void stop_worker(struct supervisor *s, int signals)
{
    double until = clock_seconds() + SUPERVISOR_STOP_S;
    int status;

    if (!s->worker)
        return;
    runner_signal(s->worker, SIGTERM);
    s->over = true;
    while (!runner_ended(s->worker, &status) && clock_seconds() < until) {
        wait_for_something(s, signals);
        take_lines(s, LINES_AT_ONCE);
        runner_read_log(s->worker);
        if (got_signal(signals))
            break;              // a second signal: at once
    }
    runner_free(s->worker);
    s->worker = NULL;
}

int supervisor_run(struct supervisor *s, struct http *http, int signals,
                   struct error *err)
{
    double next_tick = 0;

    while (!s->broken.code && !store_broken(s->server->store, &s->broken) &&
           !got_signal(signals)) {
        step(s);
        if (clock_seconds() >= next_tick) {
            sse_tick(s->server->sse);
            http_tick(http);
            next_tick = clock_seconds() + 1e-3 * TICK_MILLIS;
        }
        wait_for_something(s, signals);
    }
    stop_worker(s, signals);
    if (s->broken.code)
        return fail(err, ERR_IO, "jobs and events cannot be stored any more: "
                    "%s", s->broken.text);
    return 0;
}
