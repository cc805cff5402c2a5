// Jobs that belong together: a sweep comes in as a whole or not at all, and is
// listed, compared and cancelled by its name.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "daemon.h"
#include "scratch.h"

static struct daemon d;

static json_t *call(const char *method, const char *path, const char *body,
                    const char *const *headers, int want)
{
    struct answer a = ask(&d, method, path, body, headers);
    json_t *json = json_incref(a.json);

    if (a.status != want)
        fail_msg("%s %s: %d %s", method, path, a.status, a.body);
    answer_clear(&a);
    return json;
}

static json_t *sweep(const char *body, int want)
{
    return call("POST", "/api/v1/sweeps", body, NULL, want);
}

static size_t size_of(const json_t *object, const char *key)
{
    return json_array_size(json_object_get(object, key));
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "(none)";
}

// The same as a table: every cell is what the nested answer has.
static void check_tables(const json_t *layer)
{
    json_t *table = get(&d, "/api/v1/groups/study.1/compare.columns"
                            "?layers=conv1");
    const json_t *columns = json_object_get(table, "columns"), *cell;
    const json_t *ends = json_object_get(layer, "interval");
    static const char *const same[] = { "log10_ratio", "factor", "p", "q",
                                        "units", "differs", "words" };

    assert_int_equal(number(table, "rows"), 1);
    assert_int_equal(json_object_size(columns), 12);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        cell = json_array_get(json_object_get(columns, same[i]), 0);
        assert_true(json_equal(cell, json_object_get(layer, same[i])));
    }
    cell = json_array_get(json_object_get(columns, "low"), 0);
    assert_true(json_equal(cell, json_array_get(ends, 0)));
    cell = json_array_get(json_object_get(columns, "high"), 0);
    assert_true(json_equal(cell, json_array_get(ends, 1)));
    json_decref(table);

    struct answer a = ask(&d, "GET", "/api/v1/groups/study.1/compare.csv"
                          "?layers=conv1", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_int_equal(strncmp(a.body, "label,quantity,layer,log10_ratio,low,"
        "high,factor,p,q,units,differs,words\nskip=false,grad_out,conv1,", 99),
        0);
    answer_clear(&a);
}

static void a_sweep_runs_and_is_compared_by_sets(void **state)
{
    (void)state;
    json_t *made = sweep("{\"spec\":{\"group\":\"study.1\",\"train\":"
        "{\"epochs\":2}},\"sweep\":{\"model.skip\":[true,false],"
        "\"train.seed\":[0,1,2]}}", 201);
    const json_t *jobs = json_object_get(made, "jobs");
    int64_t first = number(json_array_get(jobs, 0), "id");

    assert_int_equal(json_array_size(jobs), 6);
    for (int i = 0; i < 6; i++) {
        const json_t *job = json_array_get(jobs, (size_t)i);
        assert_int_equal(number(job, "id"), first + i);
        assert_string_equal(run_to_end(&d, first + i, NULL), "done");
    }
    // Limits of the verdicts are the daemon's.
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/verdict", first);
    json_t *verdict = get(&d, path);
    assert_true(json_number_value(json_object_get(json_object_get(verdict,
                "limits"), "vanishing_slope")) == -7);
    json_decref(verdict);
    free(path);
    json_t *group = get(&d, "/api/v1/groups/study.1");
    const json_t *sets = json_object_get(group, "sets");
    assert_int_equal(number(json_object_get(group, "states"), "done"), 6);
    assert_int_equal(json_array_size(sets), 2);
    assert_string_equal(text(json_array_get(sets, 1), "label"), "skip=false");
    assert_int_equal(size_of(json_array_get(sets, 1), "jobs"), 3);
    json_t *list = get(&d, "/api/v1/jobs?group=study.1&limit=4");
    assert_int_equal(size_of(list, "jobs"), 4);
    assert_int_equal(number(list, "next"), first + 2);
    json_decref(list);
    list = get(&d, "/api/v1/jobs?group=study.1&limit=6");
    assert_int_equal(size_of(list, "jobs"), 6);
    assert_true(json_is_null(json_object_get(list, "next")));

    json_t *all = get(&d, "/api/v1/groups/study.1/compare?layers=conv1");
    json_t *row = json_array_get(json_object_get(all, "comparisons"), 0);
    assert_string_equal(text(all, "base"), "skip=true");
    assert_string_equal(text(row, "label"), "skip=false");
    // The fake worker gives all runs the same numbers.
    json_t *comparison = json_object_get(row, "comparison");
    json_t *layer = json_object_get(json_object_get(comparison, "layers"),
                                    "conv1");
    assert_string_equal(text(comparison, "unit"), "run");
    assert_true(json_number_value(json_object_get(layer, "factor")) == 1);
    check_tables(layer);
    json_decref(all);
    json_decref(list);
    json_decref(group);
    json_decref(made);
}

static void a_mistake_in_one_keeps_all_out(void **state)
{
    (void)state;
    json_t *problem = sweep("{\"spec\":{\"group\":\"bad\"},\"sweep\":"
                            "{\"train.batch\":[16,1]}}", 422);
    const json_t *error = json_array_get(json_object_get(problem, "errors"), 0);

    assert_string_equal(text(error, "pointer"), "/spec/train/batch");
    assert_string_equal(text(problem, "detail"), "the job has 1 mistake (job 2 "
                        "of 2, batch=1)");
    json_decref(problem);
    json_decref(call("GET", "/api/v1/groups/bad", NULL, NULL, 404));
    static const char *const bodies[] = {
        "{\"sweep\":{\"train.seed\":[1]}}",
        "{\"spec\":{},\"sweep\":{\"train.seed\":[1]}}",
        "{\"spec\":{\"group\":\"a b\"},\"sweep\":{\"train.seed\":[1]}}",
        "{\"spec\":{\"group\":\"g\"},\"sweep\":[]}",
        "{\"spec\":{\"group\":\"g\"},\"sweep\":{},\"more\":1}",
        "{\"spec\":{\"group\":\"g\"},\"sweep\":{\"train.sed\":[1]}}",
        "{\"spec\":{\"group\":\"g\"},\"sweep\":{\"name.x\":[1]}}",
        "{\"spec\":{\"group\":\"g\"},\"sweep\":{\"train.seed\":[1,1]}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        json_decref(sweep(bodies[i], 422));
    json_decref(call("GET", "/api/v1/jobs?group=a%20b", NULL, NULL, 400));
    json_decref(call("GET", "/api/v1/groups/..", NULL, NULL, 404));
}

static void a_dry_run_says_which_jobs_it_would_be(void **state)
{
    (void)state;
    json_t *plan = call("POST", "/api/v1/sweeps?dry_run=true",
        "{\"spec\":{\"group\":\"dry\"},\"sweep\":{\"train.seed\":[4,5]}}", NULL,
        200);
    const json_t *specs = json_object_get(plan, "specs");

    assert_int_equal(json_array_size(specs), 2);
    assert_string_equal(text(json_array_get(specs, 1), "name"), "dry seed=5");
    json_decref(plan);
    json_decref(call("GET", "/api/v1/groups/dry", NULL, NULL, 404));
}

// 40 wait, 40 more are more than 64: none of them comes in.
static void too_many_keep_all_out_and_a_group_is_cancelled(void **state)
{
    (void)state;
    enum { N = 40 };
    int64_t hang = submit(&d, "hang", 1, "");
    json_t *seeds = json_array();

    for (int i = 0; i < N; i++)
        json_array_append_new(seeds, json_integer(i));
    json_t *json = json_pack("{s:{s:s}, s:{s:o}}", "spec", "group", "many",
                             "sweep", "train.seed", seeds);
    char *body = json_dumps(json, 0);
    const char *once[] = { "Idempotency-Key: many", NULL };
    json_t *made = call("POST", "/api/v1/sweeps", body, once, 201);
    json_t *again = call("POST", "/api/v1/sweeps", body, once, 201);
    assert_true(json_equal(made, again));
    json_decref(call("POST", "/api/v1/sweeps", body, NULL, 429));
    json_t *group = get(&d, "/api/v1/groups/many");
    assert_int_equal(number(json_object_get(group, "states"), "queued"), N);
    json_t *gone = call("POST", "/api/v1/groups/many/cancel", NULL, NULL, 202);
    assert_int_equal(size_of(gone, "cancelled"), N);
    json_decref(gone);
    gone = call("POST", "/api/v1/groups/many/cancel", NULL, NULL, 202);
    assert_int_equal(size_of(gone, "cancelled"), 0);
    json_decref(gone);
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/cancel", hang);
    json_decref(call("POST", path, NULL, NULL, 202));
    free(path);
    json_decref(group);
    json_decref(again);
    json_decref(made);
    json_decref(json);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_runs_and_is_compared_by_sets),
        cmocka_unit_test(a_mistake_in_one_keeps_all_out),
        cmocka_unit_test(a_dry_run_says_which_jobs_it_would_be),
        cmocka_unit_test(too_many_keep_all_out_and_a_group_is_cancelled),
    };
    char *dir = scratch_new();

    d = daemon_start(dir, (const char *[]){ "--verdict-vanishing-slope=-7",
                                            NULL });
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += daemon_stop(&d) != 0;
    scratch_remove(dir);
    return failed;
}
