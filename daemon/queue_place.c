/* daemon/queue_place.c: which job goes to which device, and what the others
 * wait for. */
#include "daemon/queue_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static bool is_gpu(const char *name)
{
    return !strncmp(name, "cuda", 4);
}

static const struct device *find_device(const struct queue *q,
                                        const char *name)
{
    for (int i = 0; i < q->n_devices; i++)
        if (!strcmp(q->devices[i].name, name))
            return &q->devices[i];
    return NULL;
}

static bool has_gpu(const struct queue *q)
{
    for (int i = 0; i < q->n_devices; i++)
        if (is_gpu(q->devices[i].name))
            return true;
    return false;
}

// Where the attempts before this one ran, or "" when there were none.
static void home_of(const struct active *a, char out[QUEUE_DEVICE_NAME])
{
    const json_t *device = json_object_get(a->summary, "device");
    const char *backend = json_string_value(json_object_get(device,
                                                            "backend"));
    int index = (int)json_integer_value(json_object_get(device, "index"));

    *out = '\0';
    if (backend && is_gpu(backend))
        snprintf(out, QUEUE_DEVICE_NAME, "cuda:%d", index);
    else if (backend)
        snprintf(out, QUEUE_DEVICE_NAME, "cpu");
}

bool queue_fits(const struct queue *q, const struct active *a,
                const struct device *d)
{
    char home[QUEUE_DEVICE_NAME];
    const char *wish = a->device;

    // A job that goes on stays with its card if that is still there, else with
    // its kind: its numbers go on as they were.
    home_of(a, home);
    if (*home && find_device(q, home))
        return !strcmp(d->name, home);
    if (*home && is_gpu(home) && has_gpu(q))
        return is_gpu(d->name);
    // The reference backend computes on the CPU too.
    if (!strcmp(wish, "cpu") || !strcmp(wish, "reference"))
        return !strcmp(d->name, "cpu");
    if (!q->devices_known)
        return false;
    if (!strncmp(wish, "cuda:", 5) && find_device(q, wish))
        return !strcmp(d->name, wish);
    // A job whose device does not exist is not kept waiting for ever: its
    // worker says what is missing.
    bool any_gpu = (!strcmp(wish, "auto") || !strcmp(wish, "cuda")) &&
                   has_gpu(q);
    return any_gpu ? is_gpu(d->name) : !strcmp(d->name, "cpu");
}

struct device *queue_free_device(struct queue *q, const struct active *a)
{
    for (int i = 0; i < q->n_devices; i++)
        if (!q->devices[i].job && queue_fits(q, a, &q->devices[i]))
            return &q->devices[i];
    return NULL;
}

// What keeps a job that is queued, as `waiting_for` has it; false when nothing
// does. Under `table`.
bool queue_waits_for(struct queue *q, const struct active *a,
                     char out[QUEUE_WAITS])
{
    for (int i = 0; i < a->n_after; i++)
        if (queue_find(q, a->after[i])) {
            snprintf(out, QUEUE_WAITS, "job %" PRId64, a->after[i]);
            return true;
        }
    *out = '\0';
    if (q->draining)
        snprintf(out, QUEUE_WAITS, "undrain");
    else if (q->no_room)
        snprintf(out, QUEUE_WAITS, "space");
    else if (!queue_free_device(q, a)) {
        const char *name = "devices";
        for (int i = q->n_devices - 1; i >= 0; i--)
            if (queue_fits(q, a, &q->devices[i]))
                name = q->devices[i].name;
        snprintf(out, QUEUE_WAITS, "%s", name);
    }
    return *out;
}

void queue_set_devices(struct queue *q, const char *const *names, int n)
{
    struct device old[QUEUE_DEVICES];
    int n_old = q->n_devices;

    pthread_mutex_lock(&q->order);
    pthread_mutex_lock(&q->table);
    memcpy(old, q->devices, sizeof old);
    q->n_devices = 0;
    for (int i = 0; i < n && i < QUEUE_DEVICES; i++) {
        struct device *d = &q->devices[q->n_devices++];
        *d = (struct device){ 0 };
        snprintf(d->name, sizeof d->name, "%s", names[i]);
        for (int k = 0; k < n_old; k++)
            if (!strcmp(old[k].name, d->name))
                d->job = old[k].job;
    }
    q->devices_known = true;
    pthread_mutex_unlock(&q->table);
    pthread_mutex_unlock(&q->order);
    queue_wake(q);
}

int64_t queue_device_job(struct queue *q, const char *name)
{
    pthread_mutex_lock(&q->table);
    const struct device *d = find_device(q, name);
    int64_t job = d ? d->job : 0;
    pthread_mutex_unlock(&q->table);
    return job;
}

void queue_release(struct queue *q, int64_t id)
{
    pthread_mutex_lock(&q->order);
    pthread_mutex_lock(&q->table);
    for (int i = 0; i < q->n_devices; i++)
        if (q->devices[i].job == id)
            q->devices[i].job = 0;
    pthread_mutex_unlock(&q->table);
    pthread_mutex_unlock(&q->order);
    queue_wake(q);
}

void queue_set_room(struct queue *q, bool room)
{
    pthread_mutex_lock(&q->order);
    pthread_mutex_lock(&q->table);
    q->no_room = !room;
    pthread_mutex_unlock(&q->table);
    pthread_mutex_unlock(&q->order);
}

// Draining.

static const char setting[] = "draining";

void queue_read_drain(struct queue *q)
{
    char *value = store_setting(q->store, setting);

    q->draining = value && !strcmp(value, "true");
    free(value);
}

int queue_drain(struct queue *q, bool drain, struct error *err)
{
    pthread_mutex_lock(&q->order);
    int rc = store_begin(q->store, err);
    if (!rc) {
        rc = store_set(q->store, setting, drain ? "true" : "false", err);
        rc = queue_end(q, rc, err);
    }
    if (!rc) {
        pthread_mutex_lock(&q->table);
        q->draining = drain;
        pthread_mutex_unlock(&q->table);
        log_info("the queue is %s", drain ? "draining" : "not draining");
    }
    queue_wake(q);
    pthread_mutex_unlock(&q->order);
    return rc;
}
