#include "daemon/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/attempt.h"
#include "daemon/reload.h"
#include "daemon/runner.h"

enum {
    TICK_MILLIS = 1000,
    PROBE_S = 30,               // a probe that takes longer is given up
    MOST = 64,                  // attempts at a time: one a device
    FIXED_FDS = 4,              // before those of the attempts
};

struct supervisor {
    struct server  *server;
    int             wake;
    struct runner  *probe;      // looks for devices, NULL = has done so
    double          probe_until;
    struct attempt *attempts[MOST];
    int64_t         jobs[MOST];         // theirs
    int             n;
    struct error    broken;     // nothing can be stored any more
};

// Devices.

bool supervisor_device_name(const json_t *row, char out[SUPERVISOR_NAME])
{
    const char *backend = json_string_value(json_object_get(row, "backend"));
    int index = (int)json_integer_value(json_object_get(row, "index"));

    if (backend && !strcmp(backend, "cpu"))
        snprintf(out, SUPERVISOR_NAME, "cpu");
    else if (backend)
        snprintf(out, SUPERVISOR_NAME, "%.8s:%d", backend, index % 100);
    return backend != NULL;
}

// Their names, as a job's `device` says them, for the queue.
static void name_devices(struct supervisor *s, const json_t *found)
{
    char text[MOST][SUPERVISOR_NAME];
    const char *names[MOST];
    const json_t *row;
    size_t i;
    int n = 0;

    json_array_foreach(json_object_get(found, "devices"), i, row) {
        if (n < MOST && supervisor_device_name(row, text[n])) {
            names[n] = text[n];
            n++;
        }
    }
    if (!n)
        names[n++] = "cpu";
    queue_set_devices(s->server->queue, names, n);
}

static void set_devices(struct supervisor *s, json_t *found)
{
    if (!json_is_array(json_object_get(found, "devices"))) {
        json_decref(found);
        found = json_pack("{s:[], s:[s]}", "devices", "notes",
                          "the worker could not tell its devices");
        log_warn("%s --probe did not tell the devices",
                 s->server->config->worker);
    }
    name_devices(s, found);
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
    for (int i = 0; i < s->n; i++)
        attempt_free(s->attempts[i]);
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

// Attempts.

static bool has_room(const struct supervisor *s)
{
    struct statvfs disk;

    return statvfs(s->server->config->state, &disk) != 0 ||
           disk.f_bavail * disk.f_frsize >= SUPERVISOR_ROOM;
}

static void note(struct supervisor *s, int rc, const struct error *err)
{
    if (rc && rc != ERR_FULL && !s->broken.code)
        s->broken = *err;
}

static void start_all(struct supervisor *s)
{
    struct queue *q = s->server->queue;
    int found = 1;

    queue_set_room(q, has_room(s));
    while (s->n < MOST && found == 1 && !s->broken.code) {
        struct queue_start start = { 0 };
        struct error err = { 0 };
        found = queue_next(q, &start, &err);
        note(s, found < 0 ? found : 0, &err);
        if (found == 1) {
            s->jobs[s->n] = start.id;
            s->attempts[s->n++] = attempt_start(s->server, &start);
        }
    }
}

static void step(struct supervisor *s)
{
    struct error err = { 0 };

    if (s->probe)
        read_probe(s);
    for (int i = s->n; i-- > 0 && !err.code; ) {
        if (!attempt_step(s->attempts[i], &err))
            continue;
        queue_release(s->server->queue, s->jobs[i]);
        attempt_free(s->attempts[i]);
        s->n--;
        s->attempts[i] = s->attempts[s->n];
        s->jobs[i] = s->jobs[s->n];
    }
    note(s, err.code, &err);
    if (!s->broken.code)
        start_all(s);
}

// The loop.

static void wait_for_something(struct supervisor *s, int signals)
{
    struct pollfd p[FIXED_FDS + ATTEMPT_FDS * MOST] = {
        { .fd = signals, .events = POLLIN },
        { .fd = s->wake, .events = POLLIN },
        { .fd = s->probe ? runner_out_fd(s->probe) : -1, .events = POLLIN },
        { .fd = s->probe ? runner_log_fd(s->probe) : -1, .events = POLLIN },
    };
    uint64_t n;

    for (int i = 0; i < s->n; i++)
        attempt_fds(s->attempts[i], p + FIXED_FDS + ATTEMPT_FDS * i);
    poll(p, (nfds_t)(FIXED_FDS + ATTEMPT_FDS * s->n), TICK_MILLIS);
    if (p[1].revents && read(s->wake, &n, sizeof n) < 0)
        log_debug("wake: %s", strerror(errno));
}

// Whether one says stop. SIGHUP is about the configuration.
static bool got_signal(struct supervisor *s, int signals)
{
    struct notify *notify = &s->server->notify;
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            log_info("stopping: %s", sigdescr_np((int)info.ssi_signo));
            notify_say(notify, "STOPPING=1\nSTATUS=stopping");
            return true;
        }
        notify_reloading(notify);
        reload(s->server);
        notify_say(notify, "READY=1\nSTATUS=ready");
    }
    return false;
}

static void stop_workers(struct supervisor *s, int signals)
{
    double until = clock_seconds() + SUPERVISOR_STOP_S;
    bool gone = false;

    for (int i = 0; i < s->n; i++)
        attempt_stop(s->attempts[i]);
    while (!gone && clock_seconds() < until) {
        gone = true;
        for (int i = 0; i < s->n; i++)
            gone = attempt_gone(s->attempts[i]) && gone;
        if (!gone)
            wait_for_something(s, signals);
        if (got_signal(s, signals))
            break;              // a second signal: at once
    }
    while (s->n > 0)
        attempt_free(s->attempts[--s->n]);
}

// Whether the disk has failed; the error is then in s->broken.
static bool is_broken(struct supervisor *s)
{
    return s->broken.code || store_broken(s->server->store, &s->broken);
}

int supervisor_run(struct supervisor *s, struct http *http, int signals,
                   struct error *err)
{
    double next_tick = 0;

    while (!is_broken(s) && !got_signal(s, signals)) {
        step(s);
        if (clock_seconds() >= next_tick) {
            sse_tick(s->server->sse);
            http_tick(http);
            notify_tick(&s->server->notify);
            next_tick = clock_seconds() + 1e-3 * TICK_MILLIS;
        }
        if (!is_broken(s))
            wait_for_something(s, signals);
    }
    if (is_broken(s))
        return fail(err, ERR_IO, "jobs and events cannot be stored any more, "
                    "stopping: %s", s->broken.text);
    stop_workers(s, signals);
    return 0;
}
