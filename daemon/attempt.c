#include "daemon/attempt.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/event.h"
#include "common/log.h"
#include "common/mem.h"
#include "daemon/checkpoints.h"
#include "daemon/protocol.h"
#include "daemon/remains.h"
#include "daemon/runner.h"

enum {                          // of what a worker says; then others have
    LINES_AT_ONCE = 256,        // their turn
    BYTES_AT_ONCE = 1 << 20,
};

struct attempt {
    struct server  *server;
    int64_t         job;
    struct runner  *worker;     // NULL = could not be started
    struct protocol protocol;
    bool            said;       // the job's last event is stored
    bool            gone;       // the process has ended
    bool            stalled;    // it was killed for saying nothing
    bool            full;       // the disk has no room for what it says
    bool            pausing;    // it was told to end for now
    double          kill_at;    // when to SIGKILL it; 0 = not decided
    double          heard;      // when it last said something
    const char     *code;       // of what fails the job; NULL = nothing
    char            why[512];   // it ended, or the job fails, for people
};

// A full disk passes; any other failure to store does not.
static void note(struct attempt *a, int rc, const struct error *why,
                 struct error *err)
{
    if (rc == ERR_FULL && !a->full) {
        log_warn("job %" PRId64 ": waits for room on the disk: %s", a->job,
                 why->text);
        a->full = true;
    } else if (rc && rc != ERR_FULL && !err->code) {
        *err = *why;
    }
}

// The job cannot go on; it is failed when the worker has gone.
static void break_off(struct attempt *a, const char *code, const char *why)
{
    log_warn("job %" PRId64 ": %s", a->job, why);
    a->code = code;
    snprintf(a->why, sizeof a->why, "%s", why);
    if (a->worker)
        runner_signal(a->worker, SIGKILL);
}

// What the worker says does not count any more.
static bool is_deaf(const struct attempt *a)
{
    return a->said || a->code || a->full || a->pausing;
}

// What the worker had said by a moment; stored together, told after.
struct batch {
    struct queue_said said[LINES_AT_ONCE];      // both owned
    int    n;
    size_t bytes;
    bool   last;                // the job ends with it
};

static void take_line(struct attempt *a, struct batch *b, const char *line,
                      size_t len)
{
    struct error why = { 0 };
    json_t *event;

    a->heard = clock_seconds();
    if (is_deaf(a) || b->last)
        return;
    if (protocol_check(&a->protocol, line, len, &event, &why) != 0) {
        break_off(a, "protocol_error", why.text);
        return;
    }
    if (protocol_repeats(&a->protocol, event)) {
        json_decref(event);
        return;
    }
    b->said[b->n++] = (struct queue_said){ event, xstrdup(line) };
    b->bytes += len;
    b->last = event_is_last(event_type(event));
}

// Takes what is in b.
static void pass_on(struct attempt *a, struct batch *b, struct error *err)
{
    struct error why = { 0 };

    if (!b->n)
        return;
    if (b->last)
        runner_read_log(a->worker);     // whoever hears of the end finds it
    int rc = queue_events(a->server->queue, a->job, b->said, b->n, &why);

    note(a, rc, &why, err);
    if (a->full)
        runner_signal(a->worker, SIGKILL);
    if (!rc && b->last) {
        a->said = true;
        a->kill_at = clock_seconds() + ATTEMPT_GRACE_S;
    }
    for (int i = 0; i < b->n; i++) {
        json_decref((json_t *)b->said[i].event);
        free((char *)b->said[i].line);
    }
}

// What the worker has said by now, or as much of it as is good to store at
// once; false when there is no more.
static bool take_lines(struct attempt *a, struct error *err)
{
    struct batch b = { .n = 0 };
    const char *line = "";

    for (int i = 0; i < LINES_AT_ONCE && b.bytes < BYTES_AT_ONCE && line; i++) {
        struct error why = { 0 };
        size_t len;
        bool end;
        line = runner_line(a->worker, &len, &end, &why);
        if (line)
            take_line(a, &b, line, len);
        else if (why.code && !is_deaf(a))
            break_off(a, "protocol_error", why.text);
    }
    pass_on(a, &b, err);
    return line;
}

// Starting.

struct words { char **at; int n; };

__attribute__((format(printf, 2, 3)))
static void add(struct words *w, const char *fmt, ...)
{
    va_list args;

    w->at = xrealloc(w->at, (size_t)(w->n + 2) * sizeof *w->at);
    va_start(args, fmt);
    if (vasprintf(&w->at[w->n++], fmt, args) < 0)
        abort();
    va_end(args);
    w->at[w->n] = NULL;
}

static void words_clear(struct words *w)
{
    while (w->n > 0)
        free(w->at[--w->n]);
    free(w->at);
}

static void add_options(struct words *w, const struct server *s,
                        const struct queue_start *start)
{
    const struct config *c = s->config;
    char *dir = checkpoints_of(s, start->id);
    const json_t *row;
    size_t i;

    add(w, "%s", c->worker);
    add(w, "--die-with-parent");
    add(w, "--attempt");
    add(w, "%d", start->attempt);
    add(w, "--cache");
    add(w, "%s/cache", c->state);
    add(w, "--cache-limit");
    add(w, "%.15g", c->cache_limit);
    add(w, "--checkpoints");
    add(w, "%s", dir);
    add(w, "--resume");
    add(w, "%s", dir);
    add(w, "--recorded");
    add(w, "%d", start->recorded);
    if (*start->device) {
        add(w, "--device");
        add(w, "%s", start->device);
    }
    json_array_foreach(start->checkpoints, i, row) {
        char name[CHECKPOINTS_NAME];
        checkpoints_name(json_integer_value(json_object_get(row, "epoch")),
                         name);
        add(w, "--sha256");
        add(w, "%s=%s", name,
            json_string_value(json_object_get(row, "sha256")));
    }
    for (int k = 0; k < c->n_roots; k++) {
        add(w, "--data");
        add(w, "%s=%s", c->roots[k].name, c->roots[k].dir);
    }
    free(dir);
}

// The checkpoint of another job, as a file of this one's.
static int add_init(struct words *w, const struct server *s,
                    const struct queue_start *start, struct error *err)
{
    char *path = NULL, sha256[SHA256_TEXT];

    if (!start->init)
        return 0;
    int rc = checkpoints_adopt(s, start->id, start->init, &path, sha256, err);
    if (!rc) {
        add(w, "--init");
        add(w, "%s", path);
        add(w, "--sha256");
        add(w, "%s=%s", strrchr(path, '/') + 1, sha256);
    }
    free(path);
    return rc;
}

struct attempt *attempt_start(struct server *server, struct queue_start *start)
{
    struct attempt *a = xcalloc(1, sizeof *a);
    struct error err = { 0 };
    struct words words = { 0 };
    char *log = xasprintf("%s/%" PRId64 ".log", server->logs, start->id);

    a->server = server;
    a->job = start->id;
    a->protocol = (struct protocol){ .recorded = start->recorded };
    a->heard = clock_seconds();
    add_options(&words, server, start);
    int rc = add_init(&words, server, start, &err);
    if (rc) {
        break_off(a, "checkpoint", err.text);
    } else {
        struct runner_opts o = { .argv = words.at, .input = start->spec,
                                 .log = log, .longest = PROTOCOL_LONGEST };
        if (runner_start(&o, &a->worker, &err) != 0)
            break_off(a, "internal", err.text);
        else
            remains_note(server->config->state, runner_pid(a->worker));
    }
    a->gone = !a->worker;
    words_clear(&words);
    free(log);
    queue_start_clear(start);
    return a;
}

void attempt_free(struct attempt *a)
{
    if (!a)
        return;
    pid_t pid = a->worker ? runner_pid(a->worker) : 0;
    runner_free(a->worker);
    if (pid)
        remains_forget(a->server->config->state, pid);
    free(a);
}

// While it runs.

static void check_heartbeat(struct attempt *a)
{
    double limit = a->server->config->heartbeat;

    if (!a->protocol.started)
        limit *= ATTEMPT_PATIENCE;
    if (a->stalled || clock_seconds() - a->heard < limit)
        return;
    log_warn("job %" PRId64 ": its worker has said nothing for %.0f s and is "
             "killed", a->job, limit);
    a->stalled = true;
    runner_signal(a->worker, SIGKILL);
}

static void check_wishes(struct attempt *a)
{
    double now = clock_seconds();
    bool cancel = queue_wants_cancel(a->server->queue, a->job);
    bool pause = queue_wants_pause(a->server->queue, a->job);

    if (!a->kill_at && !is_deaf(a) && (cancel || pause)) {
        runner_signal(a->worker, SIGTERM);
        a->pausing = pause;
        a->kill_at = now + ATTEMPT_GRACE_S;
    }
    if (a->kill_at && now >= a->kill_at) {
        log_warn("job %" PRId64 ": its worker does not end and is killed",
                 a->job);
        runner_signal(a->worker, SIGKILL);
        a->kill_at = INFINITY;
    }
}

// The process has ended: the rest of what it said, and why.
static void take_leave(struct attempt *a, int status, struct error *err)
{
    while (take_lines(a, err) && !err->code)
        ;
    runner_read_log(a->worker);
    a->gone = true;
    if (a->code)
        return;
    runner_describe(a->worker, status, a->why, sizeof a->why);
    if (a->stalled)
        snprintf(a->why, sizeof a->why, "the worker said nothing for too long "
                 "and was killed");
    if (a->full)
        snprintf(a->why, sizeof a->why, "there is no room on the disk for what "
                 "the job says");
}

// What the worker left unsaid.
static int settle(struct attempt *a, struct error *err)
{
    struct queue *q = a->server->queue;

    if (a->said)
        return 0;
    if (a->code)
        return queue_fail(q, a->job, a->code, a->why, err);
    if (queue_wants_cancel(q, a->job))
        return queue_end_cancelled(q, a->job, err);
    if (a->pausing || queue_wants_pause(q, a->job))
        return queue_set_paused(q, a->job, err);
    if (!a->full)
        log_warn("job %" PRId64 ": %s", a->job, a->why);
    return queue_interrupt(q, a->job, a->full ? "no_space" : a->stalled
                           ? "stalled" : "worker_died", a->why, err);
}

bool attempt_step(struct attempt *a, struct error *err)
{
    struct error why = { 0 };
    int status;

    if (!a->gone) {
        runner_read_log(a->worker);
        take_lines(a, err);
        if (runner_ended(a->worker, &status)) {
            take_leave(a, status, err);
        } else {
            check_heartbeat(a);
            check_wishes(a);
        }
    }
    if (!a->gone || err->code)
        return false;
    int rc = settle(a, &why);
    bool full = rc == ERR_FULL && a->full;      // known already
    if (!full)
        note(a, rc, &why, err);
    return rc == 0;
}

void attempt_fds(const struct attempt *a, struct pollfd *out)
{
    int fds[ATTEMPT_FDS] = { -1, -1, -1 };

    if (!a->gone) {
        fds[0] = runner_out_fd(a->worker);
        fds[1] = runner_log_fd(a->worker);
        fds[2] = runner_exit_fd(a->worker);
    }
    for (int i = 0; i < ATTEMPT_FDS; i++)
        out[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
}

void attempt_stop(struct attempt *a)
{
    a->said = true;
    if (!a->gone)
        runner_signal(a->worker, SIGTERM);
}

bool attempt_gone(struct attempt *a)
{
    struct error err = { 0 };
    int status;

    if (a->gone)
        return true;
    take_lines(a, &err);
    runner_read_log(a->worker);
    a->gone = runner_ended(a->worker, &status);
    return a->gone;
}
