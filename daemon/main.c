/* gradwatchd: accepts jobs, runs them in worker processes, keeps what they
 * say, serves it. Starts and stops here; the rest by request and by event. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/opts.h"
#include "common/standard.h"
#include "daemon/reload.h"
#include "daemon/check.h"
#include "daemon/remains.h"
#include "daemon/supervisor.h"
#include "version.h"

enum { EXIT_NO_START = 1, BACKLOG = 512 };

static const char program[] = "gradwatchd";
static const double probe_s = 1.5;      // of waiting for the devices at start

// Listening.

static int open_socket(const struct config *c, struct error *err)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM }, *a = NULL;
    char port[8];
    int fd = -1, on = 1;

    snprintf(port, sizeof port, "%d", c->port);
    int rc = getaddrinfo(c->host, port, &hints, &a);
    if (rc)
        return fail(err, ERR_IO, "cannot listen on %s: %s", c->host,
                    gai_strerror(rc));
    fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
        fail(err, ERR_IO, "cannot listen on %s port %s: %s; choose another "
             "--listen", c->host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = ERR_IO;
    }
    freeaddrinfo(a);
    return fd;
}

static int port_of(int fd)
{
    struct sockaddr_storage a = { 0 };
    socklen_t len = sizeof a;
    char port[8] = "0";

    getsockname(fd, (struct sockaddr *)&a, &len);
    getnameinfo((struct sockaddr *)&a, len, NULL, 0, port, sizeof port,
                NI_NUMERICSERV);
    return atoi(port);
}

static void announce(const struct config *c, int port)
{
    bool v6 = strchr(c->host, ':');

    printf("listening on http://%s%s%s:%d\n", v6 ? "[" : "", c->host,
           v6 ? "]" : "", port);
    fflush(stdout);
}

// Starting and stopping.

struct parts {                  // what is open, in the order of opening
    int                signals, wake, socket;
    struct server      server;
    struct supervisor *supervisor;
    struct http       *http;
};

static char *folder_below(const char *dir, const char *name, int *rc,
                          struct error *err)
{
    char *path = xasprintf("%s/%s", dir, name);

    if (mkdir(path, 0700) != 0 && errno != EEXIST && !*rc)
        *rc = fail(err, ERR_IO, "cannot make %s: %s", path, strerror(errno));
    return path;
}

static int open_parts(struct parts *p, const struct config *c,
                      struct error *err)
{
    struct server *s = &p->server;
    int rc = store_open(c->state, &s->store, err);

    if (rc)
        return rc;
    s->logs = folder_below(c->state, "logs", &rc, err);
    s->checkpoints = folder_below(c->state, "checkpoints", &rc, err);
    free(folder_below(c->state, "cache", &rc, err));
    if (rc)
        return rc;
    s->config = c;
    remains_clear(s);
    if ((p->socket = open_socket(c, err)) < 0)
        return ERR_IO;
    if (!c->no_auth && (rc = auth_open(c->token_file, &s->auth, err)) != 0)
        return rc;
    s->started = clock_unix_millis();
    s->port = port_of(p->socket);
    pthread_mutex_init(&s->lock, NULL);
    s->files = files_open(c->web);
    s->records = records_new(s->store);
    // A sixth of the connections is left to those who only ask.
    s->sse = sse_new(s->store, http_connections() * 5 / 6);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = queue_open(s->store, s->records, s->sse, s->logs, p->wake, &s->queue,
                    err);
    if (rc)
        return rc;
    reload_apply(s);
    p->supervisor = supervisor_new(s, p->wake);
    supervisor_probe(p->supervisor, probe_s);
    int fd = p->socket;
    p->socket = -1;             // taken
    return http_start(s, fd, &p->http, err);
}

static void close_parts(struct parts *p)
{
    struct server *s = &p->server;

    if (s->sse)
        sse_stop(s->sse);
    http_stop(p->http);
    supervisor_free(p->supervisor);
    queue_close(s->queue);
    sse_free(s->sse);
    records_free(s->records);
    files_close(s->files);
    store_close(s->store);
    auth_close(s->auth);
    reload_free(s);
    json_decref(s->devices);
    free(s->logs);
    free(s->checkpoints);
    if (p->socket >= 0)
        close(p->socket);
    if (p->wake >= 0)
        close(p->wake);
    close(p->signals);
}

// Signals come as data, to the loop; threads inherit the mask.
static int catch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// A connection each needs more than the usual 1024.
static void prepare_descriptors(void)
{
    struct rlimit files;

    standard_hold();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

// What it keeps is for its owner, in whatever folder; and so is what it knows:
// no core dump has the token. (A worker can have one: exec makes it so again.)
static void keep_secrets(void)
{
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
}

static int serve(const struct config *c, int argc, char **argv)
{
    struct parts p = { .wake = -1, .socket = -1,
                       .server = { .argc = argc, .argv = argv } };
    struct error err = { 0 };

    log_set_level((enum log_level)c->log_level);
    log_set_format((enum log_format)c->log_format);
    keep_secrets();
    p.signals = catch_signals();
    struct notify *notify = &p.server.notify;
    if (notify_open(notify, &err) != 0)
        log_warn("%s", err.text);
    int rc = open_parts(&p, c, &err);
    if (!rc) {
        announce(c, p.server.port);
        log_info("gradwatchd %s, state in %s", GRADWATCH_VERSION, c->state);
        if (c->no_auth)
            log_warn("everybody on this machine may use it (no-auth)");
        notify_say(notify, "READY=1\nSTATUS=listening on %s port %d", c->host,
                   p.server.port);
        rc = supervisor_run(p.supervisor, p.http, p.signals, &err);
    }
    close_parts(&p);
    notify_close(notify);
    if (rc)
        fprintf(stderr, "%s: %s\n", program, err.text);
    return rc ? EXIT_NO_START : 0;
}

static int look_at_state(const struct config *c)
{
    struct error err = { 0 };
    int damaged = check_state(c->state, stdout, &err);

    if (damaged < 0)
        fprintf(stderr, "%s: %s\n", program, err.text);
    return damaged ? EXIT_NO_START : 0;
}

int main(int argc, char **argv)
{
    struct config c;
    struct error err = { 0 };
    int rc = 0;

    prepare_descriptors();
    if (config_load(&c, argc, argv, &err) != 0 ||
        (c.check && config_check(&c, &err) != 0))
        rc = opts_refuse(program, &err);
    else if (c.help)
        config_help(stdout);
    else if (c.version)
        printf("%s %s\n", program, GRADWATCH_VERSION);
    else if (c.print)
        config_print(stdout, &c);
    else if (c.check_state)
        rc = look_at_state(&c);
    else if (!c.check)
        rc = serve(&c, argc, argv);
    config_free(&c);
    return rc;
}
