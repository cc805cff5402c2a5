/* daemon/server.h: what the answers to requests are made from. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "daemon/auth.h"
#include "daemon/config.h"
#include "daemon/files.h"
#include "daemon/gate.h"
#include "daemon/queue.h"
#include "daemon/records.h"
#include "daemon/sse.h"
#include "daemon/store.h"

enum {
    SERVER_STATUSES = 600,
    SERVER_SCRAPES = 10,        // of /metrics a second, and twice that at once
};

struct server {                     // open before the first request; but for
    const struct config *config;    // what is marked, nothing here changes
    struct gate          gate;
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
