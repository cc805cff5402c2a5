#include "daemon/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "daemon/views.h"

// How an answer is laid out: nested, or as one of the tables.
enum { NESTED = -1 };

static void make(struct request *rq, struct reply *rp, enum view view,
                 int form, const struct view_query *q,
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
    if (form != NESTED)
        text = view_table(h, q, view, (enum table_form)form, &err);
    else if ((json = view_rows[view].make(h, q, &err)))
        text = event_text(json);
    json_decref(json);
    if (text) {
        reply_shared(rp, shared_new(form == NESTED ? "application/json"
            : table_type((enum table_form)form), text, strlen(text)));
        records_keep(records, h, key, rp->shared);
    } else {
        reply_error(rp, &err);
    }
    records_close(records, h);
}

// What is asked, so that no other question is written the same. Caller owns.
static char *key_of(const struct request *rq, enum view view, int form)
{
    size_t len;
    char *key = NULL;
    FILE *f = open_memstream(&key, &len);

    fprintf(f, "%s %d", view_rows[view].name, form);
    for (int i = 0; i < rq->uri.n_params; i++) {
        const struct uri_param *p = &rq->uri.params[i];
        fprintf(f, " %zu %s %zu %s", strlen(p->name), p->name,
                strlen(p->value), p->value);
    }
    fclose(f);
    return key;
}

static void make_new(struct request *rq, struct reply *rp, enum view view,
                     int form, const char *key)
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
        q.limits = &rq->server->config->verdict;
        make(rq, rp, view, form, &q, key);
    }
    view_query_clear(&q);
}

static void serve(struct request *rq, struct reply *rp, enum view view,
                  int form)
{
    char *key = key_of(rq, view, form);
    struct shared *kept = records_kept(rq->server->records, rq->id, key);

    if (kept)
        reply_shared(rp, kept);
    else
        make_new(rq, rp, view, form, key);
    free(key);
}

#define VIEW(name, view) \
    void routes_##name(struct request *rq, struct reply *rp) \
    { \
        serve(rq, rp, view, NESTED); \
    }
#define TABLE(name, view) \
    VIEW(name, view) \
    void routes_##name##_csv(struct request *rq, struct reply *rp) \
    { \
        serve(rq, rp, view, TABLE_CSV); \
    } \
    void routes_##name##_columns(struct request *rq, struct reply *rp) \
    { \
        serve(rq, rp, view, TABLE_COLUMNS); \
    }

TABLE(gradients, VIEW_GRADIENTS)
TABLE(histograms, VIEW_HISTOGRAMS)
TABLE(profile, VIEW_PROFILE)
TABLE(job_metrics, VIEW_METRICS)
VIEW(verdict, VIEW_VERDICT)
VIEW(probe, VIEW_PROBE)
