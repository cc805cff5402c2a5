#include "daemon/routes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/metrics.h"
#include "daemon/openapi.h"
#include "daemon/supervisor.h"
#include "version.h"

#define JSON "application/json"
#define TEXT "text/plain"
#define CSV  "text/csv"
#define SSE  "text/event-stream"
#define API  "/api/v1"
#define JOB  API "/jobs/{id}"

// The first row that fits answers.
const struct route http_routes[] = {
    { "/",               "text/html", .get = routes_page,
      .access = ACCESS_OPEN },
    { "/healthz",        TEXT, .get = routes_health, .access = ACCESS_OPEN },
    { "/readyz",         TEXT, .get = routes_ready, .access = ACCESS_OPEN },
    { "/login",          "*/*", .get = routes_login_link,
      .access = ACCESS_OPEN },
    { "/metrics",        TEXT, .get = routes_metrics,
      .access = ACCESS_METRICS },
    { API,               JSON, .get = routes_api },
    { API "/openapi.json", JSON, .get = routes_openapi },
    { API "/login",      JSON, .post = routes_login },
    { API "/devices",    JSON, .get = routes_devices },
    { API "/models",     JSON, .get = routes_models },
    { API "/models/{word}", JSON, .get = routes_model },
    { API "/datasets",   JSON, .get = routes_datasets },
    { API "/events",     SSE,  .get = routes_all_events },
    { API "/queue",      JSON, .get = routes_queue },
    { API "/queue/drain", JSON, .post = routes_drain },
    { API "/queue/undrain", JSON, .post = routes_undrain },
    { API "/jobs",       JSON, .get = routes_list, .post = routes_submit },
    { API "/jobs.csv",   CSV,  .get = routes_list_csv },
    { JOB,               JSON, .get = routes_job, .patch = routes_edit,
      .delete = routes_remove },
    { JOB "/cancel",     JSON, .post = routes_cancel },
    { JOB "/pause",      JSON, .post = routes_pause },
    { JOB "/resume",     JSON, .post = routes_resume },
    { JOB "/clone",      JSON, .post = routes_clone },
    { JOB "/move",       JSON, .post = routes_move },
    { JOB "/checkpoints", JSON, .get = routes_checkpoints },
    { JOB "/checkpoints/{word}", "application/octet-stream",
      .get = routes_checkpoint },
    { JOB "/events",     SSE,  .get = routes_events },
    { JOB "/log",        TEXT, .get = routes_log },
    { JOB "/gradients",  JSON, .get = routes_gradients },
    { JOB "/gradients.csv", CSV, .get = routes_gradients_csv },
    { JOB "/gradients.columns", JSON, .get = routes_gradients_columns },
    { JOB "/histograms", JSON, .get = routes_histograms },
    { JOB "/histograms.csv", CSV, .get = routes_histograms_csv },
    { JOB "/histograms.columns", JSON, .get = routes_histograms_columns },
    { JOB "/profile",    JSON, .get = routes_profile },
    { JOB "/profile.csv", CSV, .get = routes_profile_csv },
    { JOB "/profile.columns", JSON, .get = routes_profile_columns },
    { JOB "/verdict",    JSON, .get = routes_verdict },
    { JOB "/metrics",    JSON, .get = routes_job_metrics },
    { JOB "/metrics.csv", CSV, .get = routes_job_metrics_csv },
    { JOB "/metrics.columns", JSON, .get = routes_job_metrics_columns },
    { JOB "/probe",      JSON, .get = routes_probe },
    { API "/compare",    JSON, .get = routes_compare },
    { API "/compare.csv", CSV, .get = routes_compare_csv },
    { API "/compare.columns", JSON, .get = routes_compare_columns },
    { API "/sweeps",     JSON, .post = routes_sweep },
    { API "/groups/{word}", JSON, .get = routes_group },
    { API "/groups/{word}/cancel", JSON, .post = routes_group_cancel },
    { API "/groups/{word}/compare", JSON, .get = routes_group_compare },
    { API "/groups/{word}/compare.csv", CSV, .get = routes_group_compare_csv },
    { API "/groups/{word}/compare.columns", JSON,
      .get = routes_group_compare_columns },
    { "/{word}",         "*/*", .get = routes_file, .access = ACCESS_OPEN },
    { NULL, NULL, .get = NULL },
};

static void send_file(struct request *rq, struct reply *rp, const char *name)
{
    const struct file *file = files_find(rq->server->files, name);

    if (!file || !file->text) {
        reply_problem(rp, 404, NULL, file
                      ? "the page is not installed; the API is at " API
                      : "there is nothing at this address");
        return;
    }
    rp->type = file->type;
    rp->text = file->text;
    rp->len = file->len;
    rp->borrowed = true;
}

void routes_page(struct request *rq, struct reply *rp)
{
    send_file(rq, rp, "index.html");
}

void routes_file(struct request *rq, struct reply *rp)
{
    send_file(rq, rp, rq->word);
}

void routes_health(struct request *rq, struct reply *rp)
{
    (void)rq;
    reply_text(rp, "text/plain", xstrdup("ok\n"), 3);
}

static json_t *devices(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    json_t *found = s->devices ? json_deep_copy(s->devices) : NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void not_yet(struct reply *rp)
{
    reply_problem(rp, 503, NULL, "the devices are still being looked at");
    reply_header(rp, "Retry-After", "1");
}

void routes_ready(struct request *rq, struct reply *rp)
{
    json_t *found = devices(rq->server);

    if (found)
        reply_text(rp, "text/plain", xstrdup("ready\n"), 6);
    else
        not_yet(rp);
    json_decref(found);
}

void routes_devices(struct request *rq, struct reply *rp)
{
    json_t *found = devices(rq->server), *row;
    size_t i;

    json_array_foreach(json_object_get(found, "devices"), i, row) {
        char name[SUPERVISOR_NAME];
        int64_t job = supervisor_device_name(row, name)
            ? queue_device_job(rq->server->queue, name) : 0;
        json_object_set_new(row, "job", job ? json_integer(job)
                                            : json_null());
    }
    if (found)
        reply_json(rp, 200, found);
    else
        not_yet(rp);
}

void routes_api(struct request *rq, struct reply *rp)
{
    char time[CLOCK_TEXT];

    clock_text(rq->server->started, time);
    reply_json(rp, 200, json_pack(
        "{s:s, s:s, s:s, s:{s:i, s:i, s:i, s:i, s:i, s:i}, s:{s:s, s:s, s:s,"
        " s:s, s:s, s:s, s:s}}", "name", "gradwatch", "version",
        GRADWATCH_VERSION, "started_at", time, "limits",
        "body_bytes", GATE_BODY_BYTES, "header_bytes", GATE_HEADER_BYTES,
        "address_bytes", URI_LONGEST, "queued_jobs",
        queue_limit(rq->server->queue),
        "watchers", sse_most(rq->server->sse),
        "scrapes_per_second", SERVER_SCRAPES, "links",
        "jobs", API "/jobs", "events", API "/events", "models", API "/models",
        "datasets", API "/datasets", "devices", API "/devices",
        "compare", API "/compare", "openapi", API "/openapi.json"));
}

void routes_openapi(struct request *rq, struct reply *rp)
{
    (void)rq;
    reply_json(rp, 200, openapi_make());
}

// Each scrape reads the newest records of all that runs.
static bool may_scrape(struct server *s)
{
    double now = clock_seconds();

    pthread_mutex_lock(&s->lock);
    s->scrapes = fmin(s->scrapes + SERVER_SCRAPES * (now - s->scraped),
                      2 * SERVER_SCRAPES);
    s->scraped = now;
    bool may = s->scrapes >= 1;
    s->scrapes -= may;
    pthread_mutex_unlock(&s->lock);
    return may;
}

void routes_metrics(struct request *rq, struct reply *rp)
{
    size_t len;

    if (!may_scrape(rq->server)) {
        reply_problem(rp, 429, NULL, "no more than %d scrapes a second",
                      SERVER_SCRAPES);
        reply_header(rp, "Retry-After", "1");
        return;
    }
    char *text = metrics_text(rq->server, &len);

    reply_text(rp, "text/plain; version=0.0.4; charset=utf-8", text, len);
}
