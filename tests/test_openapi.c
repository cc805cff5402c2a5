/* daemon/openapi.c: that it is about every route and every field of a job, and
 * that its tables hang together. tests/openapi has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/job.h"
#include "common/mem.h"
#include "daemon/openapi.h"

static json_t *document;

static const struct { const char *name; size_t at; } methods[] = {
    { "get", offsetof(struct route, get) },
    { "post", offsetof(struct route, post) },
    { "patch", offsetof(struct route, patch) },
    { "delete", offsetof(struct route, delete) },
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static handler *handler_of(const struct route *r, int method)
{
    return *(handler *const *)((const char *)r + methods[method].at);
}

static void every_method_of_every_route_has_a_row(void **state)
{
    (void)state;
    for (const struct route *r = http_routes; r->path; r++)
        for (int m = 0; m < N_METHODS; m++)
            if (openapi_covers(r) && handler_of(r, m) &&
                !openapi_find(r->path, methods[m].name))
                fail_msg("no row for %s %s in daemon/openapi_rows.c",
                         methods[m].name, r->path);
}

static void every_row_is_of_a_route(void **state)
{
    (void)state;
    for (const struct operation *op = openapi_rows; op->path; op++) {
        int found = 0;
        for (const struct route *r = http_routes; r->path; r++)
            for (int m = 0; m < N_METHODS; m++)
                found += !strcmp(r->path, op->path) && handler_of(r, m) &&
                         !strcmp(methods[m].name, op->method);
        if (found != 1)
            fail_msg("%s %s is of no route", op->method, op->path);
    }
}

// Looks up each "$ref" below json.
static void check_refs(const json_t *json)
{
    const char *ref = json_string_value(json_object_get(json, "$ref"));
    const json_t *value, *at = document;
    const char *key;
    size_t i;

    if (ref) {
        char *path = xstrdup(ref + 2), *save = NULL;
        for (char *s = strtok_r(path, "/", &save); s;
             s = strtok_r(NULL, "/", &save))
            at = json_object_get(at, s);
        if (!at)
            fail_msg("nothing at %s", ref);
        free(path);
    }
    if (json_is_object(json)) {
        json_object_foreach((json_t *)json, key, value)
            check_refs(value);
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, value)
            check_refs(value);
    }
}

static void what_is_referred_to_is_there(void **state)
{
    (void)state;
    check_refs(document);
}

// A row of the table of fields is all that a field needs.
static void every_field_of_a_job_is_described(void **state)
{
    (void)state;
    static const char *const of[] = { "JobSpec", "StoredSpec" };
    const json_t *schemas = json_object_get(json_object_get(document,
                                            "components"), "schemas");
    int n;
    const struct job_field *fields = job_fields(&n);

    for (int i = 0; i < 2 * n; i++) {
        char *path = xstrdup(fields[i / 2].path), *save = NULL;
        const json_t *at = json_object_get(schemas, of[i % 2]);
        for (char *s = strtok_r(path, ".", &save); s;
             s = strtok_r(NULL, ".", &save))
            at = json_object_get(json_object_get(at, "properties"), s);
        if (!json_object_get(at, "type") && !json_object_get(at, "anyOf"))
            fail_msg("%s is not described", fields[i / 2].path);
        assert_string_equal(json_string_value(json_object_get(at,
                            "description")), fields[i / 2].help);
        free(path);
    }
}

static int setup(void **state)
{
    (void)state;
    document = openapi_make();
    return document ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_of_every_route_has_a_row),
        cmocka_unit_test(every_row_is_of_a_route),
        cmocka_unit_test(what_is_referred_to_is_there),
        cmocka_unit_test(every_field_of_a_job_is_described),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
