#include "daemon/routes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/sha256.h"
#include "daemon/checkpoints.h"
#include "daemon/submit.h"
#include "daemon/table.h"

enum { LIST_DEFAULT = 50, LIST_MOST = 500 };

// A 400 for a parameter.
static void refuse_param(struct reply *rp, const char *name, const char *value,
                         const char *must)
{
    char pointer[40];

    snprintf(pointer, sizeof pointer, "?%s", name);
    json_t *errors = json_pack("[{s:s, s:s, s:s}]", "pointer", pointer,
                               "value", value, "message", must);
    reply_problem(rp, 400, errors, "%s %s", name, must);
}

// A whole number from a parameter; *out keeps its value when there is none.
static bool number_param(struct request *rq, struct reply *rp, const char *name,
                         int64_t least, int64_t most, int64_t *out)
{
    const char *text = uri_param(&rq->uri, name);
    char *end, must[80];

    if (!text)
        return true;
    errno = 0;
    int64_t n = strtoll(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && n >= least &&
        n <= most) {
        *out = n;
        return true;
    }
    snprintf(must, sizeof must, "must be a whole number from %" PRId64 " to %"
             PRId64, least, most);
    refuse_param(rp, name, text, must);
    return false;
}

bool routes_flag_param(struct request *rq, struct reply *rp, const char *name,
                       bool *out)
{
    const char *text = uri_param(&rq->uri, name);

    *out = text && !strcmp(text, "true");
    if (!text || *out || !strcmp(text, "false"))
        return true;
    refuse_param(rp, name, text, "must be true or false");
    return false;
}

// Submitting.

enum { KEY_MOST = 255 };

bool routes_read_once(struct request *rq, struct reply *rp, struct once *once,
                      char hash[SHA256_TEXT])
{
    const char *key = request_header(rq, "Idempotency-Key");

    if (!key)
        return true;
    size_t len = strlen(key);
    for (size_t i = 0; i < len; i++)
        if (key[i] < 0x20 || key[i] > 0x7e)
            len = 0;
    if (!len || len > KEY_MOST) {
        reply_problem(rp, 400, NULL, "an Idempotency-Key has 1 to %d printable "
                      "ASCII characters", KEY_MOST);
        return false;
    }
    // A clone of another job may have the same body.
    char *all = xasprintf("%s %s", rq->uri.path, rq->body);
    sha256_of(all, strlen(all), hash);
    free(all);
    *once = (struct once){ key, hash };
    return true;
}

void routes_submit_job(struct request *rq, const struct job *job,
                       struct reply *rp)
{
    struct error err = { 0 };
    struct once once = { 0 };
    json_t *answer = NULL;
    char hash[SHA256_TEXT];
    int64_t id;

    if (!routes_read_once(rq, rp, &once, hash))
        return;
    int rc = queue_submit_once(rq->server->queue, job, once.key ? &once : NULL,
                               &id, &err);
    if (rc >= 0)
        rc = queue_job(rq->server->queue, id, &answer, &err);
    if (rc == ERR_SPEC) {
        json_t *after = json_array();
        for (int i = 0; i < job->n_after; i++)
            json_array_append_new(after, json_integer(job->after[i]));
        submit_refuse(rp, "/after", after, "%s", err.text);
    } else if (rc) {
        reply_error(rp, &err);
        if (rc == ERR_LIMIT)
            reply_header(rp, "Retry-After", "60");
    } else {
        reply_json(rp, 201, answer);
        reply_header(rp, "Location", "/api/v1/jobs/%" PRId64, id);
    }
}

void routes_submit(struct request *rq, struct reply *rp)
{
    bool dry;

    if (!routes_flag_param(rq, rp, "dry_run", &dry))
        return;
    struct job *job = submit_read(rq, rp);
    if (!job)
        return;
    if (dry) {
        json_t *plan = submit_plan(rq, job, rp);
        if (plan)
            reply_json(rp, 200, plan);
    } else {
        routes_submit_job(rq, job, rp);
    }
    job_free(job);
}

// Reading.

// Each name of the comma list must be a state.
static bool check_states(struct reply *rp, const char *states)
{
    char *list = xstrdup(states), *save = NULL;
    bool ok = true;

    for (char *s = strtok_r(list, ",", &save); s && ok;
         s = strtok_r(NULL, ",", &save)) {
        int i = 0;
        while (queue_states[i] && strcmp(queue_states[i], s) != 0)
            i++;
        ok = queue_states[i] != NULL;
    }
    free(list);
    if (!ok)
        refuse_param(rp, "state", states, "must be a comma list of queued, "
                     "starting, running, paused, done, failed, cancelled, "
                     "diverged");
    return ok;
}

static bool check_group(struct reply *rp, const char *group)
{
    if (!job_is_group(group))
        refuse_param(rp, "group", group, "must be the name of a group: 1 to 64 "
                     "letters, digits, '-', '_' or '.', no '.' first");
    return job_is_group(group);
}

// The page that is asked for, or NULL with the problem in rp; `path` is where
// the next one is.
static json_t *read_list(struct request *rq, struct reply *rp,
                         const char *path)
{
    const char *states = uri_param(&rq->uri, "state");
    const char *group = uri_param(&rq->uri, "group");
    int64_t limit = LIST_DEFAULT, cursor = 0;
    struct error err = { 0 };
    json_t *list;

    if ((states && !check_states(rp, states)) ||
        (group && !check_group(rp, group)) ||
        !number_param(rq, rp, "limit", 1, LIST_MOST, &limit) ||
        !number_param(rq, rp, "cursor", 1, INT64_MAX, &cursor))
        return NULL;
    if (queue_list(rq->server->queue, states ? states : "", group ? group : "",
                   cursor, (int)limit, &list, &err) != 0) {
        reply_error(rp, &err);
        return NULL;
    }
    const json_t *next = json_object_get(list, "next");
    if (json_is_integer(next))
        reply_header(rp, "Link", "<%s?limit=%" PRId64 "&cursor=%"
                     JSON_INTEGER_FORMAT "%s%s%s%s>; rel=\"next\"", path,
                     limit, json_integer_value(next), states ? "&state=" : "",
                     states ? states : "", group ? "&group=" : "",
                     group ? group : "");
    return list;
}

void routes_list(struct request *rq, struct reply *rp)
{
    // Read before the jobs: whoever follows the events from here misses
    // nothing that the list does not show.
    int64_t last = store_last_n(rq->server->store);
    json_t *list = read_list(rq, rp, "/api/v1/jobs");

    if (!list)
        return;
    json_object_set_new(list, "last_event_id", json_integer(last));
    reply_json(rp, 200, list);
}

void routes_list_csv(struct request *rq, struct reply *rp)
{
    static const char *const paths[] = { "id", "name", "state", "spec.group",
        "spec.model.arch", "spec.train.seed", "spec.priority", "attempt",
        "created_at", "started_at", "ended_at", "device.name",
        "parameters.used", "progress.epoch", "progress.epochs",
        "progress.images_per_second", "loss", "accuracy", "error.code" };
    json_t *list = read_list(rq, rp, "/api/v1/jobs.csv"), *job;
    size_t i;

    if (!list)
        return;
    struct table *t = table_new(TABLE_CSV, "id,name,state,group,arch,seed,"
        "priority,attempt,created_at,started_at,ended_at,device,parameters,"
        "epoch,epochs,images_per_second,loss,accuracy,error");
    json_array_foreach(json_object_get(list, "jobs"), i, job)
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++)
            table_json(t, job, paths[k]);
    char *text = table_end(t);
    reply_text(rp, table_type(TABLE_CSV), text, strlen(text));
    json_decref(list);
}

void routes_job(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *job;

    if (queue_job(rq->server->queue, rq->id, &job, &err) != 0)
        reply_error(rp, &err);
    else
        reply_json(rp, 200, job);
}

// Changing.

// A 409 also says what state the job is in.
void routes_refuse_state(struct request *rq, struct reply *rp,
                         const struct error *err)
{
    json_t *job = NULL, *problem;

    reply_error(rp, err);
    if (err->code != ERR_STATE ||
        queue_job(rq->server->queue, rq->id, &job, NULL) != 0)
        return;
    problem = json_loadb(rp->text, rp->len, 0, NULL);
    json_object_set(problem, "state", json_object_get(job, "state"));
    const char *type = rp->type;
    reply_json(rp, rp->status, problem);
    rp->type = type;
    json_decref(job);
}

void routes_cancel(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    json_t *job;

    if (queue_cancel(rq->server->queue, rq->id, &err) != 0)
        routes_refuse_state(rq, rp, &err);
    else if (queue_job(rq->server->queue, rq->id, &job, &err) != 0)
        reply_error(rp, &err);
    else
        reply_json(rp, 202, job);
}

void routes_remove(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };

    if (queue_remove(rq->server->queue, rq->id, &err) != 0) {
        routes_refuse_state(rq, rp, &err);
        return;
    }
    checkpoints_remove(rq->server, rq->id);
    rp->status = 204;
}

// Events.

// Where a watcher left off: Last-Event-ID, which EventSource sends when it
// reconnects, else ?since=, else the beginning.
static bool read_since(struct request *rq, struct reply *rp, int64_t *since)
{
    const char *last = request_header(rq, "Last-Event-ID");

    *since = 0;
    if (!number_param(rq, rp, "since", 0, INT64_MAX, since))
        return false;
    if (last && *last && strspn(last, "0123456789") == strlen(last))
        *since = strtoll(last, NULL, 10);       // or as far as numbers go
    return true;
}

// A HEAD is told of the stream, and not that its length is 0.
static ssize_t no_event(void *cls, uint64_t pos, char *buf, size_t max)
{
    (void)cls, (void)pos, (void)buf, (void)max;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream(struct request *rq, struct reply *rp, int64_t job,
                   int64_t since)
{
    rp->type = "text/event-stream";
    reply_header(rp, "X-Accel-Buffering", "no");    // proxies: pass it on
    rp->stream = strcmp(rq->method, "HEAD")
        ? sse_watch(rq->server->sse, rq->connection, job, since)
        : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, no_event, NULL,
                                            NULL);
    if (rp->stream)
        return;
    reply_problem(rp, 429, NULL, "no more than %d watchers are served at a "
                  "time", sse_most(rq->server->sse));
    reply_header(rp, "Retry-After", "10");
}

void routes_events(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    struct job_row row = { 0 };
    int64_t since;

    if (!read_since(rq, rp, &since))
        return;
    if (store_job(rq->server->store, rq->id, &row, &err) != 0)
        reply_error(rp, &err);
    else if (queue_is_ended(row.state) && since >= row.last_seq)
        rp->status = 204;               // stops an EventSource for good
    else
        stream(rq, rp, rq->id, since < row.last_seq ? since : row.last_seq);
    job_row_clear(&row);
}

void routes_all_events(struct request *rq, struct reply *rp)
{
    // A watcher may have been given an event from the store that is being told
    // of only now.
    int64_t since, last = store_newest_n(rq->server->store);

    if (read_since(rq, rp, &since))
        stream(rq, rp, 0, since < last ? since : last);
}

// The log.

static char *read_whole(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text = NULL;

    *len = 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0) {
        text = xmalloc((size_t)st.st_size);
        ssize_t n = read(fd, text, (size_t)st.st_size);
        *len = n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return text;
}

void routes_log(struct request *rq, struct reply *rp)
{
    struct error err = { 0 };
    struct job_row row = { 0 };
    size_t len;

    if (store_job(rq->server->store, rq->id, &row, &err) != 0) {
        reply_error(rp, &err);
    } else {
        char *path = xasprintf("%s/%" PRId64 ".log", rq->server->logs, rq->id);
        char *text = read_whole(path, &len);
        reply_text(rp, "text/plain; charset=utf-8", text ? text : xstrdup(""),
                   len);
        free(path);
    }
    job_row_clear(&row);
}
