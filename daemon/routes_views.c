#include "daemon/routes.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/views.h"

// What a view answers with: JSON, or for the table of samples text.
typedef char *csv_function(const struct history *h, const struct view_query *q,
                           struct error *err);

static void make(struct request *rq, struct reply *rp, enum view view,
                 csv_function *csv, const struct view_query *q)
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
    else
        json = view_rows[view].make(h, q, &err);
    records_close(records, h);
    if (text)
        reply_text(rp, "text/csv; charset=utf-8", text, strlen(text));
    else if (json)
        reply_json(rp, 200, json);
    else
        reply_error(rp, &err);
}

static void serve(struct request *rq, struct reply *rp, enum view view,
                  csv_function *csv)
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
        make(rq, rp, view, csv, &q);
    }
    view_query_clear(&q);
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
