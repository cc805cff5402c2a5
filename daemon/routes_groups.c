#include "daemon/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "daemon/submit.h"
#include "daemon/sweep.h"

enum { GROUP_MOST = 500 };              // jobs that are looked at

// ---- sweeps --------------------------------------------------------------

static const char *group_of(const json_t *body)
{
    const json_t *spec = json_object_get(body, "spec");
    const char *group = json_string_value(json_object_get(spec, "group"));

    return group ? group : "";
}

static bool check_body(const json_t *body, struct reply *rp)
{
    const json_t *spec = json_object_get(body, "spec");
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)body, key, value)
        if (strcmp(key, "spec") && strcmp(key, "sweep")) {
            char *pointer = xasprintf("/%.70s", key);
            submit_refuse(rp, pointer, json_deep_copy(value),
                          "is unknown; there are spec and sweep");
            free(pointer);
            return false;
        }
    if (!json_is_object(spec)) {
        submit_refuse(rp, "/spec", spec ? json_deep_copy(spec) : json_null(),
                      "must be a job spec: what all jobs have in common");
        return false;
    }
    if (!job_is_group(group_of(body))) {
        const json_t *group = json_object_get(spec, "group");
        submit_refuse(rp, "/spec/group", group ? json_deep_copy(group)
                      : json_null(), "must be the sweep's name, of 1 to 64 "
                      "letters, digits, '-', '_' or '.', no '.' first");
        return false;
    }
    return true;
}

// The specs of all jobs, or NULL with the problem in rp. Caller owns.
static json_t *expand(const json_t *body, struct reply *rp)
{
    json_t *problem = NULL;
    json_t *specs = sweep_expand(json_object_get(body, "spec"),
                                 json_object_get(body, "sweep"), &problem);

    if (!specs)
        reply_problem(rp, 422, json_pack("[O]", problem), "%s",
                      json_string_value(json_object_get(problem, "message")));
    json_decref(problem);
    return specs;
}

// The reply is about one spec: says which, and where it is in the request.
static void say_which(struct reply *rp, const json_t *specs, size_t i,
                      const json_t *sweep)
{
    json_t *problem = json_loadb(rp->text, rp->len, 0, NULL), *row;
    char *words = sweep_words(json_array_get(specs, i), sweep);
    size_t k;

    json_array_foreach(json_object_get(problem, "errors"), k, row)
        json_object_set_new(row, "pointer", json_sprintf("/spec%s",
            json_string_value(json_object_get(row, "pointer"))));
    json_object_set_new(problem, "detail", json_sprintf("%s (job %zu of %zu, "
        "%s)", json_string_value(json_object_get(problem, "detail")), i + 1,
        json_array_size(specs), words));
    const char *type = rp->type;
    reply_json(rp, rp->status, problem);
    rp->type = type;
    free(words);
}

static void free_jobs(struct job **jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        job_free(jobs[i]);
    free(jobs);
}

// A job of each spec, or NULL with the problem in rp.
static struct job **check_all(struct request *rq, const json_t *specs,
                              const json_t *sweep, struct reply *rp)
{
    size_t n = json_array_size(specs);
    struct job **jobs = xcalloc(n, sizeof *jobs);

    for (size_t i = 0; i < n; i++) {
        jobs[i] = submit_check(rq, json_array_get(specs, i), rp);
        if (jobs[i])
            continue;
        say_which(rp, specs, i, sweep);
        free_jobs(jobs, i);
        return NULL;
    }
    return jobs;
}

static json_t *jobs_from(struct request *rq, int64_t first, size_t n)
{
    json_t *list = json_array(), *job;

    for (size_t i = 0; i < n; i++)
        if (!queue_job(rq->server->queue, first + (int64_t)i, &job, NULL))
            json_array_append_new(list, job);
    return list;
}

static void submit_all(struct request *rq, struct job *const *jobs, size_t n,
                       struct reply *rp)
{
    struct error err = { 0 };
    struct once once = { 0 };
    char hash[SHA256_TEXT];
    int64_t first = 0;

    if (!routes_read_once(rq, rp, &once, hash))
        return;
    const struct job **all = xcalloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = jobs[i];
    int rc = queue_submit_all(rq->server->queue, all, (int)n,
                              once.key ? &once : NULL, &first, &err);
    free(all);
    if (rc < 0) {
        reply_error(rp, &err);
        if (rc == ERR_LIMIT)
            reply_header(rp, "Retry-After", "60");
        return;
    }
    reply_json(rp, 201, json_pack("{s:s, s:o}", "group", jobs[0]->group,
                                  "jobs", jobs_from(rq, first, n)));
    reply_header(rp, "Location", "/api/v1/groups/%s", jobs[0]->group);
}

static json_t *plan_of(struct job *const *jobs, size_t n)
{
    json_t *specs = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(specs, job_to_json(jobs[i]));
    return json_pack("{s:s, s:o}", "group", jobs[0]->group, "specs", specs);
}

void routes_sweep(struct request *rq, struct reply *rp)
{
    struct job **jobs = NULL;
    json_t *specs = NULL;
    bool dry;

    if (!routes_flag_param(rq, rp, "dry_run", &dry))
        return;
    json_t *body = submit_body(rq, rp);
    if (body && check_body(body, rp))
        specs = expand(body, rp);
    if (specs)
        jobs = check_all(rq, specs, json_object_get(body, "sweep"), rp);
    size_t n = json_array_size(specs);
    if (jobs && dry)
        reply_json(rp, 200, plan_of(jobs, n));
    else if (jobs)
        submit_all(rq, jobs, n, rp);
    if (jobs)
        free_jobs(jobs, n);
    json_decref(specs);
    json_decref(body);
}

// ---- groups --------------------------------------------------------------

json_t *routes_group_jobs(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *list = NULL;

    if (!job_is_group(rq->word))
        fail(&err, ERR_NOT_FOUND, "there is no such group: names have 1 to 64 "
             "letters, digits, '-', '_' or '.'");
    else if (!queue_list(rq->server->queue, "", rq->word, 0, GROUP_MOST, &list,
                         &err) && !json_array_size(json_object_get(list,
                                                                   "jobs")))
        fail(&err, ERR_NOT_FOUND, "there is no job in a group %s", rq->word);
    json_t *jobs = err.code ? NULL : json_incref(json_object_get(list, "jobs"));
    if (!jobs)
        reply_error(rp, &err);
    json_decref(list);
    return jobs;
}

void routes_group(struct request *rq, struct reply *rp)
{
    json_t *states = json_object(), *job, *jobs;
    size_t i;

    if (!(jobs = routes_group_jobs(rq, rp))) {
        json_decref(states);
        return;
    }
    json_array_foreach(jobs, i, job) {
        const char *state = json_string_value(json_object_get(job, "state"));
        json_int_t n = json_integer_value(json_object_get(states, state));
        json_object_set_new(states, state, json_integer(n + 1));
    }
    reply_json(rp, 200, json_pack("{s:s, s:o, s:o}", "group", rq->word,
                                  "states", states, "sets", sweep_sets(jobs)));
    json_decref(jobs);
}

// The newest first: the place of one that is cancelled is taken by an older
// one, whose turn comes too.
void routes_group_cancel(struct request *rq, struct reply *rp)
{
    json_t *cancelled = json_array(), *job, *jobs = routes_group_jobs(rq, rp);
    struct error err = { 0 };
    size_t i;
    int rc = 0;

    json_array_foreach(jobs, i, job) {
        const json_t *id = json_object_get(job, "id");
        if (!rc)
            rc = queue_cancel(rq->server->queue, json_integer_value(id), &err);
        if (!rc)
            json_array_append(cancelled, (json_t *)id);
        else if (rc == ERR_STATE || rc == ERR_NOT_FOUND)
            rc = 0;                     // it has ended, or is gone
    }
    if (jobs && rc)
        reply_error(rp, &err);
    else if (jobs)
        reply_json(rp, 202, json_pack("{s:s, s:O}", "group", rq->word,
                                      "cancelled", cancelled));
    json_decref(cancelled);
    json_decref(jobs);
}
