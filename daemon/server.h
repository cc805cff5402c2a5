/* daemon/server.h: what the answers to requests are made from. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "daemon/auth.h"
#include "daemon/config.h"
#include "daemon/files.h"
#include "daemon/gate.h"
#include "daemon/notify.h"
#include "daemon/queue.h"
#include "daemon/records.h"
#include "daemon/sse.h"
#include "daemon/store.h"

enum {
    SERVER_STATUSES = 600,
    SERVER_SCRAPES = 10,        // of /metrics a second, and twice that at once
};

struct server {                     // open before the first request; but for
                                    // what is marked, nothing here changes
    const struct config *_Atomic config;        // changes by daemon/reload.h
    int                  argc;      // the command line, for that
    char               **argv;
    struct notify        notify;    // the main thread's
    int                  port;      // the one listened on
    struct auth         *auth;      // NULL: everybody may ask
    struct store        *store;
    struct records      *records;
    struct sse          *sse;
    struct queue        *queue;
    struct files        *files;
    char                *logs;      // folder of the log files
    char                *checkpoints;       // of the jobs' folders
    int64_t              started;   // unix milliseconds

    pthread_mutex_t      lock;      // of these three
    json_t              *devices;   // what the worker found; NULL = not yet
    double               scrapes, scraped;      // how many may come at once,
                                                // and when that was
    atomic_ullong        answers[SERVER_STATUSES];      // by status
};

static inline struct gate server_gate(const struct server *s)
{
    const struct config *c = s->config;

    return (struct gate){ .port = s->port, .allow_hosts = c->allow_hosts,
                          .n_allow_hosts = c->n_allow_hosts };
}
