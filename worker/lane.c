#include "worker/lane.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/mem.h"

struct lane {
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  changed;    // call became NULL or not, or closing was set
    lane_call      *call;       // NULL = idle
    void           *arg;
    bool            closing;
};

static void *run(void *arg)
{
    struct lane *l = arg;

    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->call && !l->closing)
            pthread_cond_wait(&l->changed, &l->lock);
        if (!l->call)
            break;
        pthread_mutex_unlock(&l->lock);
        l->call(l->arg);
        pthread_mutex_lock(&l->lock);
        l->call = NULL;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

struct lane *lane_open(void)
{
    struct lane *l = xcalloc(1, sizeof *l);
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&l->thread, NULL, run, l) != 0)
        abort();                        // no thread: as bad as no memory
    return l;
}

void lane_close(struct lane *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void lane_give(struct lane *l, lane_call *call, void *arg)
{
    pthread_mutex_lock(&l->lock);
    l->call = call;
    l->arg = arg;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

bool lane_wait(struct lane *l, double seconds)
{
    double end = clock_seconds() + seconds;
    struct timespec at = { .tv_sec = (time_t)end };
    int rc = 0;

    at.tv_nsec = (long)(1e9 * (end - floor(end)));
    pthread_mutex_lock(&l->lock);
    while (l->call && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &at);
    bool idle = !l->call;
    pthread_mutex_unlock(&l->lock);
    return idle;
}
