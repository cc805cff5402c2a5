#include "daemon/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "daemon/views.h"

// What a view answers with: JSON, or for the table of samples text.
typedef char *csv_function(const struct history *h, const struct view_query *q,
                           struct error *err);

static void make(struct request *rq, struct reply *rp, enum view view,
                 csv_function *csv, const struct view_query *q,
                 const char *key)
{
    struct records *records = rq->server->records;
    const struct history *h;
    struct error err = { 0 };
    json_t *json = NULL;
    char *text = NULL;

    if (records_open(records, rq->id, &h, &err) != 0) {
        reply_error(rp, &err);
        return;
    }
    if (csv)
        text = csv(h, q, &err);
    else if ((json = view_rows[view].make(h, q, &err)))
        text = event_text(json);
    json_decref(json);
    if (text) {
        reply_shared(rp, shared_new(csv ? "text/csv; charset=utf-8"
                                        : "application/json",
                                    text, strlen(text)));
        records_keep(records, h, key, rp->shared);
    } else {
        reply_error(rp, &err);
    }
    records_close(records, h);
}

// What is asked, so that no other question is written the same. Caller owns.
static char *key_of(const struct request *rq, enum view view, bool csv)
{
    size_t len;
    char *key = NULL;
    FILE *f = open_memstream(&key, &len);

    fprintf(f, "%s%s", view_rows[view].name, csv ? ".csv" : "");
    for (int i = 0; i < rq->uri.n_params; i++) {
        const struct uri_param *p = &rq->uri.params[i];
        fprintf(f, " %zu %s %zu %s", strlen(p->name), p->name,
                strlen(p->value), p->value);
    }
    fclose(f);
    return key;
}

static void make_new(struct request *rq, struct reply *rp, enum view view,
                     csv_function *csv, const char *key)
{
    struct view_param params[URI_MAX_PARAMS];
    struct view_query q;
    struct job_row row = { 0 };
    struct error err = { 0 };
    json_t *problems = NULL;

    for (int i = 0; i < rq->uri.n_params; i++)
        params[i] = (struct view_param){ rq->uri.params[i].name,
                                         rq->uri.params[i].value };
    if (store_job(rq->server->store, rq->id, &row, &err) != 0) {
        reply_error(rp, &err);
        return;
    }
    job_row_clear(&row);
    if (view_query_parse(&q, view, params, rq->uri.n_params, &problems) != 0) {
        reply_problem(rp, 400, problems, "the query has mistakes");
    } else {
        q.job = rq->id;
        make(rq, rp, view, csv, &q, key);
    }
    view_query_clear(&q);
}

static void serve(struct request *rq, struct reply *rp, enum view view,
                  csv_function *csv)
{
    char *key = key_of(rq, view, csv);
    struct shared *kept = records_kept(rq->server->records, rq->id, key);

    if (kept)
        reply_shared(rp, kept);
    else
        make_new(rq, rp, view, csv, key);
    free(key);
}

void routes_gradients(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_GRADIENTS, NULL);
}

void routes_gradients_csv(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_GRADIENTS, view_gradients_csv);
}

void routes_histograms(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_HISTOGRAMS, NULL);
}

void routes_profile(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_PROFILE, NULL);
}

void routes_verdict(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_VERDICT, NULL);
}

void routes_job_metrics(struct request *rq, struct reply *rp)
{
    serve(rq, rp, VIEW_METRICS, NULL);
}
