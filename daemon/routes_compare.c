#include "daemon/routes.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/compare.h"
#include "daemon/views.h"

struct taken { struct compare_run *runs[2 * VIEW_MAX_JOBS]; int n; };

// Copies what comparing needs of a job. Histories are opened one by one: two
// requests that hold one and wait for the other's would wait for ever.
static int take(struct server *s, int64_t id, int quantity, struct taken *to,
                struct error *err)
{
    struct job_row row = { 0 };
    const struct history *h;
    int rc = store_job(s->store, id, &row, err);

    if (rc)
        return rc;
    job_row_clear(&row);
    rc = records_open(s->records, id, &h, err);
    if (rc)
        return rc;
    rc = compare_take(h, id, quantity, &to->runs[to->n], err);
    to->n += rc == 0;
    records_close(s->records, h);
    return rc;
}

static int take_all(struct server *s, const int64_t *ids, int n, int quantity,
                    struct taken *to, struct error *err)
{
    for (int i = 0; i < n; i++) {
        // The first job decides which quantity it is.
        int chosen = to->n ? compare_quantity(to->runs[0]) : quantity;
        int rc = take(s, ids[i], chosen, to, err);
        if (rc)
            return rc;
    }
    return 0;
}

static void compare(struct request *rq, struct reply *rp,
                    const struct view_query *q)
{
    bool pair = q->n_jobs == 2 && q->n_against == 0;
    int n_first = pair ? 1 : q->n_jobs;
    struct taken taken = { .n = 0 };
    struct error err = { 0 };
    json_t *answer = NULL;

    if (!pair && (!q->n_jobs || !q->n_against)) {
        reply_problem(rp, 400, NULL, "compare takes jobs=A,B, or jobs=A,B,C"
                      "&against=D,E,F with three or more a side");
        return;
    }
    if (!take_all(rq->server, q->jobs, q->n_jobs, q->quantity, &taken, &err) &&
        !take_all(rq->server, q->against, q->n_against, q->quantity, &taken,
                  &err))
        answer = compare_runs(taken.runs, n_first, taken.runs + n_first,
                              taken.n - n_first, q, &err);
    if (answer)
        reply_json(rp, 200, answer);
    else
        reply_error(rp, &err);
    for (int i = 0; i < taken.n; i++)
        compare_free(taken.runs[i]);
}

void routes_compare(struct request *rq, struct reply *rp)
{
    struct view_param params[URI_MAX_PARAMS];
    struct view_query q;
    json_t *problems = NULL;

    for (int i = 0; i < rq->uri.n_params; i++)
        params[i] = (struct view_param){ rq->uri.params[i].name,
                                         rq->uri.params[i].value };
    if (view_query_parse(&q, VIEW_COMPARE, params, rq->uri.n_params, &problems))
        reply_problem(rp, 400, problems, "the query has mistakes");
    else
        compare(rq, rp, &q);
    view_query_clear(&q);
}
