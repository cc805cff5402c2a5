/* Who may ask the daemon: every route and method, with every sort of
 * credentials; the login link; the client. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client_run.h"
#include "common/token.h"
#include "daemon.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static struct daemon d;
static char *dir, *token_file, *token, *right, url[64];
static struct ran r;

static int status(const char *method, const char *path, const char *header)
{
    const char *headers[] = { header, NULL };
    struct answer a = ask(&d, method, path, NULL, headers);
    int code = a.status;

    if (code == 401)
        assert_non_null(strstr(answer_header(&a, "WWW-Authenticate"),
                               "Bearer"));
    answer_clear(&a);
    return code;
}

// All that a client can see of the state: every job, every event's number.
static char *state_of_all(void)
{
    static const char *const paths[] = { "/api/v1/jobs?limit=500",
        "/api/v1/queue", "/api/v1/jobs/1/log", "/api/v1/jobs/1/checkpoints" };
    char *all = xstrdup("");

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer a = ask(&d, "GET", paths[i], NULL,
                              (const char *[]){ right, NULL });
        char *more = xasprintf("%s%d %s\n", all, a.status, a.body);
        free(all);
        all = more;
        answer_clear(&a);
    }
    return all;
}

static void check_unchanged(char *before)
{
    char *after = state_of_all();

    assert_string_equal(before, after);
    free(before);
    free(after);
}

static const char *const closed[] = {
    "/metrics", "/api/v1", "/api/v1/login", "/api/v1/devices",
    "/api/v1/models", "/api/v1/models/resnet50", "/api/v1/datasets",
    "/api/v1/events", "/api/v1/jobs", "/api/v1/jobs/1", "/api/v1/jobs/99",
    "/api/v1/jobs/1/cancel", "/api/v1/jobs/1/events", "/api/v1/jobs/1/log",
    "/api/v1/jobs/1/gradients", "/api/v1/jobs/1/gradients.csv",
    "/api/v1/jobs/1/histograms", "/api/v1/jobs/1/profile",
    "/api/v1/jobs/1/metrics", "/api/v1/nothing", "/api/v1/jobs/",
    "/a/b/c", "/api/v1/jobs/../jobs", "/api/v1/%6aobs",
};

static void nothing_is_said_or_done_without_the_token(void **state)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
        "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X" };
    char *wrong[] = { NULL,
        xasprintf("Authorization: Bearer %.10s", token),
        xasprintf("Authorization: Bearer %s0", token),
        xasprintf("Authorization: Basic %s", token),
        xasprintf("Authorization: %s", token),
        xasprintf("Cookie: gradwatch_%d=", d.port),
        xasprintf("Cookie: gradwatch_%d=%s", d.port + 1, token),
        xasprintf("Cookie: %s", token),
        xasprintf("X-Token: %s", token) };
    enum { N = sizeof wrong / sizeof *wrong };

    (void)state;
    char *before = state_of_all();
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            // All sorts on the first two routes, then one sort each.
            int from = i < 2 ? 0 : (int)(i + m) % N;
            for (int k = from; k < (i < 2 ? N : from + 1); k++)
                if (status(methods[m], closed[i], wrong[k]) != 401)
                    fail_msg("%s %s with %s", methods[m], closed[i],
                             wrong[k] ? wrong[k] : "nothing");
        }
    check_unchanged(before);
    for (int k = 0; k < N; k++)
        free(wrong[k]);
}

// The documented path with something that is there in it.
static char *real_path(const char *path)
{
    static const struct { const char *name, *value; } rows[] = {
        { "{id}", "1" }, { "{arch}", "resnet50" }, { "{epoch}", "last" },
        { "{name}", "g" },
    };
    char *real = xstrdup(path);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *at = strstr(real, rows[i].name);
        if (!at)
            continue;
        char *next = xasprintf("%.*s%s%s", (int)(at - real), real,
            rows[i].value, at + strlen(rows[i].name));
        free(real);
        real = next;
    }
    return real;
}

// What a request that changes something may carry, and what it gets for it.
static void refuse_all(const char *method, const char *path)
{
    static const struct { const char *header; int status; } rows[] = {
        { "Origin: http://evil.example", 403 }, { "Origin: null", 403 },
        { "Sec-Fetch-Site: cross-site", 403 },
        { "Sec-Fetch-Site: same-site", 403 },
        { "Host: evil.example", 421 },
        { "Content-Type: text/plain", 415 },
        { "Content-Type: application/x-www-form-urlencoded", 415 },
        { "Content-Type: multipart/form-data; boundary=x", 415 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = ask(&d, method, path, "{}",
            (const char *[]){ right, rows[i].header, NULL });
        if (a.status != rows[i].status)
            fail_msg("%s %s with %s: %d", method, path, rows[i].header,
                     a.status);
        answer_clear(&a);
    }
}

// Every route of the document, all methods, all sorts of credentials.
static void nothing_documented_is_open(void **state)
{
    static const char *const methods[] = { "GET", "POST", "PATCH", "DELETE",
                                           "PUT", "OPTIONS" };
    struct answer a = ask(&d, "GET", "/api/v1/openapi.json", NULL,
                          (const char *[]){ right, NULL });
    char *wrong[] = { xstrdup("X-Nothing: 1"),
                      xasprintf("Authorization: Bearer %.21s!", token),
                      xasprintf("Authorization: Basic %s", token),
                      xasprintf("Cookie: gradwatch_%d=x", d.port) };
    char *before = state_of_all();
    const char *path;
    json_t *operations;
    int n = 0;

    (void)state;
    json_object_foreach(json_object_get(a.json, "paths"), path, operations) {
        const json_t *get = json_object_get(operations, "get");
        bool open = json_is_array(json_object_get(get, "security"));
        char *real = real_path(path);
        for (size_t m = 0; m < sizeof methods / sizeof *methods && !open; m++) {
            for (int k = 0; k < 4; k++)
                if (status(methods[m], real, wrong[k]) != 401)
                    fail_msg("%s %s with %s", methods[m], real, wrong[k]);
            if (strcmp(methods[m], "GET") && strcmp(methods[m], "OPTIONS"))
                refuse_all(methods[m], real);
        }
        n += !open;
        free(real);
    }
    assert_true(n > 30);
    check_unchanged(before);
    for (int k = 0; k < 4; k++)
        free(wrong[k]);
    answer_clear(&a);
}

static void the_token_opens_everything(void **state)
{
    char *cookie = xasprintf("Cookie: a=b; gradwatch_%d=%s; c=d", d.port,
                             token);

    (void)state;
    assert_int_equal(status("GET", "/api/v1", right), 200);
    assert_int_equal(status("GET", "/api/v1", cookie), 200);
    assert_int_equal(status("GET", "/metrics", right), 200);
    assert_int_equal(status("GET", "/api/v1/nothing", right), 404);
    assert_int_equal(status("PUT", "/api/v1/jobs", right), 405);
    free(cookie);
}

static void the_page_and_health_are_open(void **state)
{
    static const char *const open[] = { "/healthz", "/", "/app.js" };

    (void)state;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(status("GET", open[i], NULL), 200);
        assert_int_equal(status("HEAD", open[i], NULL), 200);
        assert_int_equal(status("POST", open[i], NULL), 405);
    }
    assert_int_equal(status("GET", "/nothing.js", NULL), 404);
    int ready = status("GET", "/readyz", NULL);
    assert_true(ready == 200 || ready == 503);
}

// The path of a new link; caller owns.
static char *new_link(void)
{
    struct answer a = ask(&d, "POST", "/api/v1/login", NULL,
                          (const char *[]){ right, NULL });
    char *path = xstrdup(json_string_value(json_object_get(a.json, "path")));

    assert_int_equal(a.status, 201);
    assert_null(strstr(a.body, token));
    answer_clear(&a);
    return path;
}

static void a_link_logs_in_one_browser(void **state)
{
    char *path = new_link(), cookie[400], *want;

    (void)state;
    assert_int_equal(status("HEAD", path, NULL), 403);  // uses it not up
    struct answer a = ask(&d, "GET", path, NULL, NULL);
    assert_int_equal(a.status, 303);
    assert_string_equal(answer_header(&a, "Location"), "/");
    assert_string_equal(answer_header(&a, "Referrer-Policy"), "no-referrer");
    snprintf(cookie, sizeof cookie, "%s", answer_header(&a, "Set-Cookie"));
    assert_non_null(strstr(cookie, "; HttpOnly"));
    assert_non_null(strstr(cookie, "; SameSite=Strict"));
    assert_non_null(strstr(cookie, "; Path=/"));
    cookie[strcspn(cookie, ";")] = '\0';
    want = xasprintf("Cookie: %s", cookie);
    assert_int_equal(status("GET", "/api/v1/jobs", want), 200);
    free(want);
    answer_clear(&a);
    assert_int_equal(status("GET", path, NULL), 403);   // once only
    assert_int_equal(status("GET", "/login", NULL), 403);
    assert_int_equal(status("GET", "/login?code=", NULL), 403);
    want = xasprintf("/login?code=%s", token);
    assert_int_equal(status("GET", want, NULL), 403);
    free(want);
    free(path);
}

static void the_client_finds_the_token_by_itself(void **state)
{
    char *other = scratch_path(dir, "other");

    (void)state;
    // The daemon's state is where a daemon keeps it when it is told nothing.
    setenv("XDG_STATE_HOME", dir, 1);
    client_run(&r, url, "", "list", NULL);
    assert_int_equal(r.status, 0);
    client_run(&r, url, "", "open", "1", "2", NULL);
    assert_int_equal(r.status, 0);
    assert_null(strstr(r.out, token));
    assert_int_equal(strncmp(r.out, url, strlen(url)), 0);
    char *hash = strstr(r.out, "#/jobs/1,2\n");
    assert_non_null(hash);
    *hash = '\0';
    assert_int_equal(status("GET", r.out + strlen(url), NULL), 303);
    setenv("XDG_STATE_HOME", "/nonexistent", 1);
    client_run(&r, url, "", "list", NULL);
    assert_int_equal(r.status, 6);
    assert_non_null(strstr(r.err, "--token-file"));
    client_run(&r, url, "", "--token-file", token_file, "list", NULL);
    assert_int_equal(r.status, 0);
    setenv("GRADWATCH_TOKEN_FILE", token_file, 1);
    client_run(&r, url, "", "list", NULL);
    assert_int_equal(r.status, 0);
    scratch_write(dir, "other", "0123456789012345678901\n", 23);
    client_run(&r, url, "", "--token-file", other, "list", NULL);
    assert_int_equal(r.status, 6);
    client_run(&r, url, "", "--token-file", "/nonexistent", "list", NULL);
    assert_int_equal(r.status, 6);
    assert_non_null(strstr(r.err, "/nonexistent"));
    unsetenv("GRADWATCH_TOKEN_FILE");
    free(other);
}

static bool file_has(const char *path, const char *what)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;

    if (f)
        fclose(f);
    return n && memmem(text, n, what, strlen(what));
}

// /proc shows the arguments and the environment of processes to others.
static void the_token_is_shown_to_nobody(void **state)
{
    static const char *const of[] = { "cmdline", "environ" };
    char path[200], line[200] = "";

    (void)state;
    client_run(&r, url, "", "--token-file", token_file, "submit", "--name",
               "well", "-q", NULL);
    struct stream s = stream_open_as(&d, "/api/v1/jobs/1/events", right);
    int64_t id;
    json_decref(stream_find(&s, "started", &id));
    stream_close(&s);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)d.pid,
             (int)d.pid);
    FILE *f = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    int pids[] = { d.pid, atoi(line) };
    assert_true(pids[1] > 0);
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < 2; i++) {
            snprintf(path, sizeof path, "/proc/%d/%s", pids[p], of[i]);
            // Nobody but root may look into the daemon at all.
            assert_true(!access(path, R_OK) || (!p && errno == EACCES));
            assert_false(file_has(path, token));
        }
    assert_int_equal(status("POST", "/api/v1/jobs/1/cancel", right), 202);
    snprintf(path, sizeof path, "%s/gradwatch/gradwatch.db", dir);
    assert_false(file_has(path, token));
    snprintf(path, sizeof path, "%s/gradwatch/logs/1.log", dir);
    assert_false(file_has(path, token));
    // Its log, at its most talkative.
    snprintf(path, sizeof path, "%s/log", dir);
    assert_true(file_has(path, "/api/v1/jobs/1/cancel"));
    assert_false(file_has(path, token));
    assert_true(file_has(path, "GET /login: 303"));
    assert_false(file_has(path, "code="));
}

static void metrics_may_be_opened(void **state)
{
    const char *args[] = { "--open-metrics", NULL };
    char *own = scratch_path(dir, "own");
    struct daemon first = d;

    (void)state;
    d = daemon_start_closed(own, args);
    assert_int_equal(status("GET", "/metrics", NULL), 200);
    assert_int_equal(status("GET", "/api/v1", NULL), 401);
    assert_int_equal(daemon_stop(&d), 0);
    d = first;
    free(own);
}

static void a_token_that_others_can_read_stops_the_start(void **state)
{
    char err[1000], *own = scratch_path(dir, "wide");
    char *file = scratch_path(own, "token");
    const char *args[] = { "--listen", "127.0.0.1:0", "--state", own, NULL };

    (void)state;
    scratch_write(own, "token", "0123456789012345678901\n", 23);
    chmod(file, 0644);
    assert_int_equal(daemon_try(args, err, sizeof err), 1);
    assert_non_null(strstr(err, "chmod 600"));
    free(file);
    free(own);
}

// Job 1 runs until it is told to end: something that could be changed.
static void begin_job(void)
{
    struct answer a = ask(&d, "POST", "/api/v1/jobs", "{\"name\": \"hang\"}",
                          (const char *[]){ right, NULL });
    struct stream s = stream_open_as(&d, "/api/v1/jobs/1/events", right);
    int64_t id;

    json_decref(stream_find(&s, "started", &id));
    stream_close(&s);
    answer_clear(&a);
}

// What it logs goes to the file "log".
static void start_with_log(const char *own, const char *const *args)
{
    char *path = scratch_path(dir, "log");
    int old = dup(STDERR_FILENO);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    setenv("GRADWATCH_LOG", "1", 1);
    dup2(log, STDERR_FILENO);
    d = daemon_start_closed(own, args);
    unsetenv("GRADWATCH_LOG");
    dup2(old, STDERR_FILENO);
    close(old);
    close(log);
    free(path);
}

static int setup(void **state)
{
    struct error err = { 0 };

    (void)state;
    dir = scratch_new();
    char *own = scratch_path(dir, "gradwatch"), *web = scratch_path(dir, "web");
    scratch_write(web, "index.html", "<!doctype html>", 15);
    scratch_write(web, "app.js", "1;", 2);
    const char *args[] = { "--web", web, "--log-level", "debug", NULL };
    start_with_log(own, args);
    token_file = scratch_path(own, "token");
    snprintf(url, sizeof url, "http://127.0.0.1:%d", d.port);
    if (token_make(token_file, &token, &err) != 0)
        return -1;
    right = xasprintf("Authorization: Bearer %s", token);
    begin_job();
    free(own);
    free(web);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    int rc = daemon_stop(&d);
    scratch_remove(dir);
    free(token_file);
    free(token);
    free(right);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_or_done_without_the_token),
        cmocka_unit_test(nothing_documented_is_open),
        cmocka_unit_test(the_token_opens_everything),
        cmocka_unit_test(the_page_and_health_are_open),
        cmocka_unit_test(a_link_logs_in_one_browser),
        cmocka_unit_test(the_client_finds_the_token_by_itself),
        cmocka_unit_test(the_token_is_shown_to_nobody),
        cmocka_unit_test(metrics_may_be_opened),
        cmocka_unit_test(a_token_that_others_can_read_stops_the_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
