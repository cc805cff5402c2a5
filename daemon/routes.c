#include "daemon/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "version.h"

#define JSON "application/json"
#define API  "/api/v1"

// The first row that fits answers.
const struct route http_routes[] = {
    { "/",             "text/html",       routes_page,    NULL, NULL },
    { "/healthz",      "text/plain",      routes_health,  NULL, NULL },
    { "/readyz",       "text/plain",      routes_ready,   NULL, NULL },
    { "/metrics",      "text/plain",      routes_metrics, NULL, NULL },
    { API,             JSON,              routes_api,     NULL, NULL },
    { API "/devices",  JSON,              routes_devices, NULL, NULL },
    { API "/models",   JSON,              routes_models,  NULL, NULL },
    { API "/models/{word}", JSON,         routes_model,   NULL, NULL },
    { API "/datasets", JSON,              routes_datasets, NULL, NULL },
    { API "/events",   "text/event-stream", routes_all_events, NULL, NULL },
    { API "/jobs",     JSON,              routes_list, routes_submit, NULL },
    { API "/jobs/{id}", JSON,             routes_job, NULL, routes_remove },
    { API "/jobs/{id}/cancel", JSON,      NULL, routes_cancel, NULL },
    { API "/jobs/{id}/events", "text/event-stream", routes_events, NULL, NULL },
    { API "/jobs/{id}/log", "text/plain", routes_log,     NULL, NULL },
    { API "/jobs/{id}/gradients", JSON,   routes_gradients, NULL, NULL },
    { API "/jobs/{id}/gradients.csv", "text/csv", routes_gradients_csv,
      NULL, NULL },
    { API "/jobs/{id}/histograms", JSON,  routes_histograms, NULL, NULL },
    { API "/jobs/{id}/profile", JSON,     routes_profile, NULL, NULL },
    { API "/jobs/{id}/metrics", JSON,     routes_job_metrics, NULL, NULL },
    { "/{word}",       "*/*",             routes_file,    NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
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
    json_t *found = devices(rq->server);

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
        "{s:s, s:s, s:s, s:{s:i, s:i, s:i, s:i, s:i}, s:{s:s, s:s, s:s, s:s,"
        " s:s}}", "name", "gradwatch", "version", GRADWATCH_VERSION,
        "started_at", time, "limits",
        "body_bytes", GATE_BODY_BYTES, "header_bytes", GATE_HEADER_BYTES,
        "address_bytes", URI_LONGEST, "queued_jobs", QUEUE_MAX,
        "watchers", SSE_MAX_WATCHERS, "links",
        "jobs", API "/jobs", "events", API "/events", "models", API "/models",
        "datasets", API "/datasets", "devices", API "/devices"));
}

// Prometheus.

void routes_metrics(struct request *rq, struct reply *rp)
{
    struct server *s = rq->server;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    fputs("# HELP gradwatch_jobs Jobs by state.\n"
          "# TYPE gradwatch_jobs gauge\n", f);
    for (int i = 0; queue_states[i]; i++)
        fprintf(f, "gradwatch_jobs{state=\"%s\"} %" PRId64 "\n",
                queue_states[i], store_count(s->store, queue_states[i]));
    fprintf(f, "# HELP gradwatch_watchers Open event streams.\n"
            "# TYPE gradwatch_watchers gauge\ngradwatch_watchers %d\n"
            "# HELP gradwatch_http_requests_total Answers by status.\n"
            "# TYPE gradwatch_http_requests_total counter\n",
            sse_watchers(s->sse));
    for (int i = 0; i < SERVER_STATUSES; i++) {
        unsigned long long n = atomic_load(&s->answers[i]);
        if (n)
            fprintf(f, "gradwatch_http_requests_total{code=\"%d\"} %llu\n", i,
                    n);
    }
    fprintf(f, "# HELP gradwatch_start_time_seconds When the daemon started.\n"
            "# TYPE gradwatch_start_time_seconds gauge\n"
            "gradwatch_start_time_seconds %.3f\n", (double)s->started / 1000);
    fclose(f);
    reply_text(rp, "text/plain; version=0.0.4; charset=utf-8", text, len);
}
