#include "daemon/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "daemon/compare.h"
#include "daemon/sweep.h"
#include "daemon/table.h"
#include "daemon/views.h"

// How an answer is laid out: nested, or as one of the tables.
enum { NESTED = -1 };

#define COLUMNS "quantity,layer,log10_ratio,low,high,factor,p,q,units," \
                "differs,words"

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

// A row a layer; label NULL: there is one comparison only.
static void add_rows(struct table *t, const char *label, const json_t *answer)
{
    static const char *const numbers[] = { "factor", "p", "q", "units",
                                           "differs", "words" };
    const char *name;
    json_t *layer;

    json_object_foreach(json_object_get(answer, "layers"), name, layer) {
        const json_t *ends = json_object_get(layer, "interval");
        if (label)
            table_text(t, label);
        table_json(t, answer, "quantity");
        table_text(t, name);
        table_json(t, layer, "log10_ratio");
        table_json(t, json_array_get(ends, 0), "");
        table_json(t, json_array_get(ends, 1), "");
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            table_json(t, layer, numbers[i]);
    }
}

static void reply_table(struct reply *rp, struct table *t, int form)
{
    char *text = table_end(t);
    reply_text(rp, table_type((enum table_form)form), text, strlen(text));
}

// Takes answer.
static void reply_comparison(struct reply *rp, json_t *answer, int form)
{
    if (form == NESTED) {
        reply_json(rp, 200, answer);
        return;
    }
    struct table *t = table_new((enum table_form)form, COLUMNS);
    add_rows(t, NULL, answer);
    reply_table(rp, t, form);
    json_decref(answer);
}

static void compare(struct request *rq, struct reply *rp,
                    const struct view_query *q, int form)
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
        reply_comparison(rp, answer, form);
    else
        reply_error(rp, &err);
    for (int i = 0; i < taken.n; i++)
        compare_free(taken.runs[i]);
}

// False with the problem in rp; view_query_clear() in every case.
static bool read_query(struct request *rq, struct reply *rp, enum view view,
                       struct view_query *q)
{
    struct view_param params[URI_MAX_PARAMS];
    json_t *problems = NULL;

    for (int i = 0; i < rq->uri.n_params; i++)
        params[i] = (struct view_param){ rq->uri.params[i].name,
                                         rq->uri.params[i].value };
    if (!view_query_parse(q, view, params, rq->uri.n_params, &problems))
        return true;
    reply_problem(rp, 400, problems, "the query has mistakes");
    return false;
}

static void compare_as(struct request *rq, struct reply *rp, int form)
{
    struct view_query q;

    if (read_query(rq, rp, VIEW_COMPARE, &q))
        compare(rq, rp, &q, form);
    view_query_clear(&q);
}

void routes_compare(struct request *rq, struct reply *rp)
{
    compare_as(rq, rp, NESTED);
}

void routes_compare_csv(struct request *rq, struct reply *rp)
{
    compare_as(rq, rp, TABLE_CSV);
}

void routes_compare_columns(struct request *rq, struct reply *rp)
{
    compare_as(rq, rp, TABLE_COLUMNS);
}

// ---- sets of a group -----------------------------------------------------

struct set { const char *label; int from, n; }; // of taken.runs

// Takes what has whole epochs of a set; the ids of others go to left_out.
static int take_set(struct server *s, const json_t *set, int quantity,
                    struct taken *to, struct set *out, json_t *left_out,
                    struct error *err)
{
    const json_t *jobs = json_object_get(set, "jobs");

    *out = (struct set){ json_string_value(json_object_get(set, "label")),
                         to->n, 0 };
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        json_t *id = json_array_get(jobs, i);
        int64_t n = json_integer_value(id);
        int rc = take_all(s, &n, 1, quantity, to, err);
        if (rc)
            return rc;
        if (compare_epochs(to->runs[to->n - 1]) == 0) {
            compare_free(to->runs[--to->n]);
            json_array_append(left_out, id);
        }
    }
    out->n = to->n - out->from;
    return 0;
}

// Every other set over the first one.
static json_t *compare_sets(const struct taken *taken, const struct set *sets,
                            size_t n, const struct view_query *q,
                            struct error *err)
{
    json_t *out = json_array();

    for (size_t i = 1; i < n; i++) {
        json_t *one = compare_runs(taken->runs + sets[0].from, sets[0].n,
                                   taken->runs + sets[i].from, sets[i].n, q,
                                   err);
        if (!one) {
            struct error why = *err;
            fail(err, why.code, "%s over %s: %s", sets[i].label,
                 sets[0].label, why.text);
            json_decref(out);
            return NULL;
        }
        json_array_append_new(out, json_pack("{s:s, s:o}", "label",
                                             sets[i].label, "comparison", one));
    }
    return out;
}

// Takes rows.
static void reply_sets(struct request *rq, struct reply *rp, json_t *rows,
                       const char *base, json_t *left_out, int form)
{
    json_t *row;
    size_t i;

    if (form == NESTED) {
        reply_json(rp, 200, json_pack("{s:s, s:s, s:o, s:O}", "group",
            rq->word, "base", base, "comparisons", rows, "left_out", left_out));
        return;
    }
    struct table *t = table_new((enum table_form)form, "label," COLUMNS);
    json_array_foreach(rows, i, row)
        add_rows(t, json_string_value(json_object_get(row, "label")),
                 json_object_get(row, "comparison"));
    reply_table(rp, t, form);
    json_decref(rows);
}

static void compare_group(struct request *rq, struct reply *rp,
                          const struct view_query *q, const json_t *jobs,
                          int form)
{
    json_t *all = sweep_sets(jobs), *left_out = json_array(), *rows = NULL;
    size_t n = 0;
    struct set *sets = xcalloc(json_array_size(all), sizeof *sets);
    struct taken taken = { .n = 0 };
    struct error err = { 0 };
    int rc = 0;

    if (json_array_size(jobs) > 2 * VIEW_MAX_JOBS)
        rc = fail(&err, ERR_USAGE, "the group has %zu jobs; at most %d are "
                  "compared at a time", json_array_size(jobs),
                  2 * VIEW_MAX_JOBS);
    for (size_t i = 0; i < json_array_size(all) && !rc; i++) {
        rc = take_set(rq->server, json_array_get(all, i), q->quantity, &taken,
                      &sets[n], left_out, &err);
        n += sets[n].n > 0;
    }
    if (!rc)
        rows = compare_sets(&taken, sets, n, q, &err);
    if (rows)
        reply_sets(rq, rp, rows, n ? sets[0].label : "", left_out, form);
    else
        reply_error(rp, &err);
    for (int i = 0; i < taken.n; i++)
        compare_free(taken.runs[i]);
    free(sets);
    json_decref(left_out);
    json_decref(all);
}

static void compare_group_as(struct request *rq, struct reply *rp, int form)
{
    struct view_query q;
    json_t *jobs = NULL;

    if (read_query(rq, rp, VIEW_GROUP, &q) &&
        (jobs = routes_group_jobs(rq, rp)))
        compare_group(rq, rp, &q, jobs, form);
    json_decref(jobs);
    view_query_clear(&q);
}

void routes_group_compare(struct request *rq, struct reply *rp)
{
    compare_group_as(rq, rp, NESTED);
}

void routes_group_compare_csv(struct request *rq, struct reply *rp)
{
    compare_group_as(rq, rp, TABLE_CSV);
}

void routes_group_compare_columns(struct request *rq, struct reply *rp)
{
    compare_group_as(rq, rp, TABLE_COLUMNS);
}
