#include "daemon/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "daemon/submit.h"

// The job as it is now, or why it could not be changed.
static void answer(struct request *rq, int rc, const struct error *why,
                   int status, struct reply *rp)
{
    struct error err = { 0 };
    json_t *job;

    if (rc)
        routes_refuse_state(rq, rp, why);
    else if (queue_job(rq->server->queue, rq->id, &job, &err) != 0)
        reply_error(rp, &err);
    else
        reply_json(rp, status, job);
}

void routes_pause(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    answer(rq, queue_pause(rq->server->queue, rq->id, &err), &err, 202, rp);
}

void routes_resume(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    answer(rq, queue_resume(rq->server->queue, rq->id, &err), &err, 202, rp);
}

void routes_queue(struct request *rq, struct reply *rp)
{
    reply_json(rp, 200, queue_describe(rq->server->queue));
}

static void drain(struct request *rq, struct reply *rp, bool on)
{
    struct error err = { 0 };

    if (queue_drain(rq->server->queue, on, &err) != 0)
        reply_error(rp, &err);
    else
        routes_queue(rq, rp);
}

void routes_drain(struct request *rq, struct reply *rp)
{
    drain(rq, rp, true);
}

void routes_undrain(struct request *rq, struct reply *rp)
{
    drain(rq, rp, false);
}

// RFC 7386: null removes, objects are merged, all else replaces.
static void merge(json_t *to, const json_t *patch)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)patch, key, value) {
        json_t *old = json_object_get(to, key);
        if (json_is_null(value))
            json_object_del(to, key);
        else if (json_is_object(value) && json_is_object(old))
            merge(old, value);
        else
            json_object_set_new(to, key, json_deep_copy(value));
    }
}

// A name that was made from the spec is made anew from the clone's.
static void drop_made_name(json_t *spec)
{
    json_t *bare = json_deep_copy(spec), *problems = NULL;
    const char *name = json_string_value(json_object_get(spec, "name"));

    json_object_del(bare, "name");
    struct job *job = job_parse(bare, &problems);
    if (job && name && !strcmp(job->name, name))
        json_object_del(spec, "name");
    job_free(job);
    json_decref(problems);
    json_decref(bare);
}

void routes_clone(struct request *rq, struct reply *rp)
{
    struct job_row row = { 0 };
    struct error err = { 0 };
    json_t *patch = NULL;

    if (store_job(rq->server->store, rq->id, &row, &err) != 0)
        reply_error(rp, &err);
    else if ((patch = rq->body_len ? submit_body(rq, rp) : json_object())) {
        json_t *spec = json_loads(row.spec, 0, NULL);
        drop_made_name(spec);
        merge(spec, patch);
        struct job *job = submit_check(rq, spec, rp);
        if (job)
            routes_submit_job(rq, job, rp);
        job_free(job);
        json_decref(spec);
    }
    json_decref(patch);
    job_row_clear(&row);
}

// The place that a body asks for, as queue_move() has it; false when it is
// none.
static bool read_place(const json_t *body, int64_t *before)
{
    const json_t *to = json_object_get(body, "before");
    bool first = json_is_true(json_object_get(body, "first"));

    *before = first ? QUEUE_FIRST : json_integer_value(to);
    return json_object_size(body) == 1 &&
           (first || json_is_null(to) || json_integer_value(to) > 0);
}

void routes_move(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *body = submit_body(rq, rp), *to = json_object_get(body, "before");
    int64_t before;

    if (!body)
        return;
    if (!read_place(body, &before)) {
        submit_refuse(rp, "/before", to ? json_deep_copy(to) : json_null(),
                      "must be the id of a job, or null for the end, and "
                      "nothing else can be given; or first: true");
    } else {
        int rc = queue_move(rq->server->queue, rq->id, before, &err);
        if (rc == ERR_SPEC)
            submit_refuse(rp, "/before", json_deep_copy(to), "%s", err.text);
        else
            answer(rq, rc, &err, 202, rp);
    }
    json_decref(body);
}

static bool only_known(const json_t *body, struct reply *rp)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)body, key, value)
        if (strcmp(key, "name") != 0 && strcmp(key, "priority") != 0) {
            char pointer[80];
            snprintf(pointer, sizeof pointer, "/%.70s", key);
            submit_refuse(rp, pointer, json_deep_copy(value),
                          "cannot be changed; name and priority can");
            return false;
        }
    return true;
}

void routes_edit(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *body = submit_body(rq, rp), *problems = NULL;

    if (!body)
        return;
    if (only_known(body, rp)) {
        struct job *job = job_parse(body, &problems);
        bool name = json_object_get(body, "name");
        bool priority = json_object_get(body, "priority");
        if (!job)
            reply_problem(rp, 422, problems, "the change has mistakes");
        else
            answer(rq, queue_edit(rq->server->queue, rq->id,
                                  name ? job->name : NULL,
                                  priority ? &job->priority : NULL, &err),
                   &err, 200, rp);
        job_free(job);
    }
    json_decref(body);
}
