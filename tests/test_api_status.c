// Every status that a client can get, with what it has to carry.
#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

#define JOBS "/api/v1/jobs"

static struct daemon d;
static char *long_text;         // 300,000 letters

// Jobs 1 and 2 have ended, job 3 runs, job 4 waits. %s in a path, body or
// header is long_text.
static const struct row {
    int         status;
    const char *method, *path, *body, *header;
    const char *carries, *says;         // a header of the answer, and its value
} rows[] = {
    { 200, "GET", JOBS "/1", NULL, NULL, "ETag", NULL },
    { 200, "GET", JOBS "/1/log", NULL, NULL, "Content-Type",
      "text/plain; charset=utf-8" },
    { 200, "GET", JOBS ".csv", NULL, NULL, "Content-Type",
      "text/csv; charset=utf-8" },
    { 200, "GET", JOBS "?limit=1&state=done", NULL, NULL, "Link",
      "</api/v1/jobs?limit=1&cursor=2&state=done>; rel=\"next\"" },
    { 200, "POST", JOBS "?dry_run=true", "{}", NULL, NULL, NULL },
    { 200, "PATCH", JOBS "/4", "{\"priority\": 0}", NULL, NULL, NULL },
    { 202, "POST", JOBS "/4/pause", NULL, NULL, NULL, NULL },
    { 202, "POST", JOBS "/4/resume", NULL, NULL, NULL, NULL },
    { 204, "OPTIONS", JOBS, NULL, NULL, "Allow", "GET, HEAD, POST, OPTIONS" },
    { 204, "OPTIONS", JOBS "/1", NULL, NULL, "Allow",
      "GET, HEAD, PATCH, DELETE, OPTIONS" },
    { 204, "OPTIONS", JOBS "/1/cancel", NULL, NULL, "Allow", "POST, OPTIONS" },
    { 204, "GET", JOBS "/1/events?since=99", NULL, NULL, NULL, NULL },
    { 304, "GET", JOBS "/1", NULL, "If-None-Match: *", "ETag", NULL },
    { 400, "GET", JOBS "?limit=0", NULL, NULL, NULL, NULL },
    { 400, "GET", JOBS "?limit=1&limit=2&x=%%00", NULL, NULL, "Connection",
      "close" },
    { 400, "GET", JOBS "?limit=1&limit=1", NULL, NULL, NULL, NULL },
    { 400, "GET", JOBS "/1?x=1", NULL, NULL, NULL, NULL },
    { 400, "POST", JOBS "/1/cancel?x=1", NULL, NULL, NULL, NULL },
    { 400, "GET", JOBS "/1/metrics.csv?detail=steps", NULL, NULL, NULL, NULL },
    { 400, "GET", JOBS "/1/events?since=-1", NULL, NULL, NULL, NULL },
    { 400, "GET", JOBS "/1/events?since=9223372036854775808", NULL, NULL, NULL,
      NULL },
    { 204, "GET", JOBS "/1/events?since=9223372036854775807", NULL, NULL, NULL,
      NULL },
    { 204, "GET", JOBS "/1/events", NULL, "Last-Event-ID: 99999999999999999999",
      NULL, NULL },
    { 400, "POST", JOBS, "{", NULL, NULL, NULL },
    { 400, "POST", JOBS, "{}", "Idempotency-Key: %.256s", NULL, NULL },
    { 403, "GET", JOBS, NULL, "Origin: https://evil.example", "Connection",
      "close" },
    { 403, "POST", JOBS, "{}", "Sec-Fetch-Site: cross-site", NULL, NULL },
    { 404, "GET", JOBS "/99", NULL, NULL, NULL, NULL },
    { 404, "GET", JOBS "/1/nothing", NULL, NULL, NULL, NULL },
    { 404, "DELETE", JOBS "/99", NULL, NULL, NULL, NULL },
    { 405, "PUT", JOBS, NULL, NULL, "Allow", "GET, HEAD, POST, OPTIONS" },
    { 405, "TRACE", JOBS, NULL, NULL, "Allow", "GET, HEAD, POST, OPTIONS" },
    { 405, "POST", "/metrics", NULL, NULL, "Allow", "GET, HEAD, OPTIONS" },
    { 405, "GET", JOBS "/1/move", NULL, NULL, "Allow", "POST, OPTIONS" },
    { 406, "GET", JOBS, NULL, "Accept: text/csv", NULL, NULL },
    { 406, "GET", JOBS, NULL, "Accept: application/json;q=0, */*", NULL, NULL },
    { 406, "GET", JOBS "/1/metrics.csv", NULL, "Accept: application/json",
      NULL, NULL },
    { 406, "GET", JOBS "/1/events", NULL, "Accept: application/json", NULL,
      NULL },
    { 409, "POST", JOBS "/1/cancel", NULL, NULL, NULL, NULL },
    { 409, "POST", JOBS "/1/pause", NULL, NULL, NULL, NULL },
    { 409, "DELETE", JOBS "/3", NULL, NULL, NULL, NULL },
    { 409, "POST", JOBS, "{\"name\": \"other\"}", "Idempotency-Key: used",
      NULL, NULL },
    { 413, "POST", JOBS, "{\"name\": \"%s\"}", NULL, "Connection", "close" },
    { 414, "GET", "/api/v1/%.9000s", NULL, NULL, "Connection", "close" },
    { 415, "POST", JOBS, "{}", "Content-Type: text/plain", NULL, NULL },
    { 415, "POST", JOBS, "{}", "Content-Type: application/jsonx", NULL,
      NULL },
    { 415, "POST", JOBS "/1/cancel", "a=b",
      "Content-Type: application/x-www-form-urlencoded", NULL, NULL },
    { 421, "GET", JOBS, NULL, "Host: evil.example", "Connection", "close" },
    { 422, "POST", JOBS, "{\"train\": {\"batch\": 1}}", NULL, NULL, NULL },
    { 422, "POST", JOBS "/1/clone", "{\"nmae\": 1}", NULL, NULL, NULL },
    { 422, "PATCH", JOBS "/1", "{\"state\": \"done\"}", NULL, NULL, NULL },
    { 431, "GET", JOBS, NULL, "X-Long: %.17000s", "Connection", "close" },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static char *filled(const char *format)
{
    return format ? xasprintf(format, long_text) : NULL;
}

static struct answer ask_row(const struct row *row, const char *method)
{
    char *path = filled(row->path), *body = filled(row->body);
    char *header = filled(row->header);
    struct answer a = ask(&d, method, path, body,
                          (const char *[]){ header, NULL });

    free(path);
    free(body);
    free(header);
    return a;
}

// RFC 9457: what is wrong, in a form that programs can read.
static void check_problem(const struct row *row, const struct answer *a)
{
    const json_t *title = json_object_get(a->json, "title");
    const json_t *detail = json_object_get(a->json, "detail");

    assert_string_equal(answer_header(a, "Content-Type"),
                        "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(a->json, "status")),
                     row->status);
    assert_true(json_string_length(title) > 0);
    assert_string_not_equal(json_string_value(title), "Error");
    assert_true(json_string_length(detail) > 0);
    assert_true(json_is_array(json_object_get(a->json, "errors")));
}

static void every_status_carries_what_it_must(void **state)
{
    (void)state;
    for (int i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        struct answer a = ask_row(row, row->method);
        if (a.status != row->status)
            fail_msg("%d %s %.60s: %d %s", i, row->method, row->path, a.status,
                     a.body);
        if (row->carries && !*answer_header(&a, row->carries))
            fail_msg("%d: no %s", i, row->carries);
        if (row->says)
            assert_string_equal(answer_header(&a, row->carries), row->says);
        if (a.status >= 400)
            check_problem(row, &a);
        else if (a.status == 204 || a.status == 304)
            assert_int_equal(a.len, 0);
        assert_string_equal(answer_header(&a, "X-Content-Type-Options"),
                            "nosniff");
        assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"),
                            "");
        answer_clear(&a);
    }
}

// HEAD is GET without what it says.
static void heads_are_like_gets(void **state)
{
    (void)state;
    static const char *const same[] = { "Content-Type", "ETag", "Vary",
        "Content-Length", "Allow", "Link" };

    for (int i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        if (strcmp(row->method, "GET") != 0 || row->status == 405)
            continue;
        struct answer get = ask_row(row, "GET"), head = ask_row(row, "HEAD");
        assert_int_equal(head.status, row->status);
        assert_int_equal(head.len, 0);
        for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
            char *value = xstrdup(answer_header(&get, same[k]));
            assert_string_equal(answer_header(&head, same[k]), value);
            free(value);
        }
        answer_clear(&get);
        answer_clear(&head);
    }
}

// The document says which methods a route has; the others are 405.
static void check_methods(const char *path, const json_t *operations)
{
    static const char *const all[] = { "GET", "POST", "PATCH", "DELETE" };
    char allow[80] = "", *real = xstrdup(path), *at = strchr(real, '{');

    if (at)                             // a number will do for any of them
        memmove(at + 1, strchr(at, '}') + 1, strlen(strchr(at, '}')));
    if (at)
        *at = '1';
    for (size_t i = 0; i < 4; i++) {
        char low[8];
        for (size_t k = 0; k <= strlen(all[i]); k++)
            low[k] = (char)tolower((unsigned char)all[i][k]);
        if (json_object_get(operations, low))
            sprintf(allow + strlen(allow), "%s%s, ", all[i],
                    i ? "" : ", HEAD");
    }
    strcat(allow, "OPTIONS");
    static const struct { const char *method; int status; } others[] = {
        { "OPTIONS", 204 }, { "PUT", 405 }, { "TRACE", 405 },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct answer a = ask(&d, others[i].method, real, NULL, NULL);
        if (a.status != others[i].status)
            fail_msg("%s %s: %d", others[i].method, real, a.status);
        assert_string_equal(answer_header(&a, "Allow"), allow);
        answer_clear(&a);
    }
    free(real);
}

// What can be asked without an end to wait for, by HEAD too.
static void check_head(const char *path)
{
    char *real = xstrdup(path), *at = strstr(real, "{id}");

    if (at) {
        *at = '1';
        memmove(at + 1, at + 4, strlen(at + 4) + 1);
    }
    struct answer get = ask(&d, "GET", real, NULL, NULL);
    struct answer head = ask(&d, "HEAD", real, NULL, NULL);
    if (head.status != get.status || head.len)
        fail_msg("HEAD %s: %d, not %d", real, head.status, get.status);
    char *length = xstrdup(answer_header(&get, "Content-Length"));
    // The number of answers is in /metrics.
    if (strcmp(real, "/metrics") != 0)
        assert_string_equal(answer_header(&head, "Content-Length"), length);
    if (get.status == 200 && !strstr(real, "/events"))
        assert_true(*answer_header(&get, "ETag") == '"');
    free(length);
    free(real);
    answer_clear(&get);
    answer_clear(&head);
}

static void every_route_has_head_options_and_allow(void **state)
{
    json_t *document = get(&d, "/api/v1/openapi.json"), *operations;
    const char *path;
    int n = 0;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, operations) {
        check_methods(path, operations);
        // The stream of all jobs has no end.
        if (json_object_get(operations, "get") &&
            strcmp(path, "/api/v1/events") != 0)
            check_head(path);
        n++;
    }
    assert_true(n > 40);
    json_decref(document);
}

static int64_t submit_keyed(const char *key, const char *path,
                            const char *body, int want)
{
    char *header = xasprintf("Idempotency-Key: %s", key);
    struct answer a = ask(&d, "POST", path, body,
                          (const char *[]){ header, NULL });
    int64_t id = json_integer_value(json_object_get(a.json, "id"));

    if (a.status != want)
        fail_msg("%s %s: %d %s", key, path, a.status, a.body);
    free(header);
    answer_clear(&a);
    return id;
}

// Clones are submitted once, as jobs are.
static void a_repeated_clone_is_done_once(void **state)
{
    (void)state;
    const char *path = JOBS "/1/clone", *body = "{\"priority\": -5}";
    int64_t first = submit_keyed("c-1", path, body, 201);

    assert_int_equal(submit_keyed("c-1", path, body, 201), first);
    assert_int_equal(submit_keyed("c-2", path, body, 201), first + 1);
    submit_keyed("c-1", path, "{\"priority\": -4}", 409);
    submit_keyed("c-1", JOBS, "{\"name\": \"well\"}", 409);
    submit_keyed("c-1", JOBS "/2/clone", body, 409);    // of another job
    submit_keyed("c-1", JOBS, body, 409);
    submit_keyed("c-1", "/api/v1/sweeps", "{\"spec\": {\"group\": \"g\"}, "
                 "\"sweep\": {\"model.skip\": [true]}}", 409);
    for (int64_t id = first; id <= first + 1; id++) {
        char *cancel = xasprintf(JOBS "/%" PRId64 "/cancel", id);
        struct answer a = ask(&d, "POST", cancel, NULL, NULL);
        assert_int_equal(a.status, 202);
        answer_clear(&a);
        free(cancel);
    }
}

// 64 may wait.
static void a_full_queue_says_when_to_come_back(void **state)
{
    (void)state;
    struct answer a = { .status = 201 };

    for (int i = 0; i < 70 && a.status == 201; i++) {
        answer_clear(&a);
        a = ask(&d, "POST", JOBS, "{\"name\": \"well\"}", NULL);
    }
    assert_int_equal(a.status, 429);
    assert_true(atoi(answer_header(&a, "Retry-After")) > 0);
    answer_clear(&a);
    a = ask(&d, "POST", JOBS "/1/clone", NULL, NULL);
    assert_int_equal(a.status, 429);
    assert_true(atoi(answer_header(&a, "Retry-After")) > 0);
    answer_clear(&a);
}

static int setup(void **state)
{
    char *dir = scratch_new(), *own = scratch_path(dir, "state");
    enum { LONG = 300000 };

    *state = dir;
    long_text = xcalloc(1, LONG + 1);
    memset(long_text, 'a', LONG);
    d = daemon_start(own, NULL);
    for (int i = 0; i < 2; i++)
        run_to_end(&d, submit(&d, "well", 2, ""), NULL);
    int64_t hangs = submit(&d, "hang", 1, ""), seq;
    struct stream s = stream_open(&d, JOBS "/3/events", -1);
    json_decref(stream_find(&s, "started", &seq));
    stream_close(&s);
    int64_t waits = submit_keyed("used", JOBS, "{\"name\": \"well\"}", 201);
    free(own);
    return hangs == 3 && waits == 4 ? 0 : -1;
}

static int teardown(void **state)
{
    int rc = daemon_stop(&d);

    scratch_remove(*state);
    free(long_text);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_carries_what_it_must),
        cmocka_unit_test(heads_are_like_gets),
        cmocka_unit_test(every_route_has_head_options_and_allow),
        cmocka_unit_test(a_repeated_clone_is_done_once),
        cmocka_unit_test(a_full_queue_says_when_to_come_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
