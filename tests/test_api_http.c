// The daemon as an HTTP server: specs refused, methods, media types, tags.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "daemon.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

#define JOBS "/api/v1/jobs"

static struct daemon d;
static char *root;              // a data root: a/x.png, b/, and a link out

static int status(const char *method, const char *path, const char *body,
                  const char *header)
{
    const char *headers[] = { header, NULL };
    struct answer a = ask(&d, method, path, body, headers);
    int code = a.status;
    answer_clear(&a);
    return code;
}

// Whether the errors of a problem have that pointer and words in its message.
static bool has_error(const json_t *problem, const char *pointer,
                      const char *words)
{
    const json_t *errors = json_object_get(problem, "errors"), *e;
    size_t i;

    json_array_foreach(errors, i, e) {
        const char *p = json_string_value(json_object_get(e, "pointer"));
        const char *m = json_string_value(json_object_get(e, "message"));
        if (p && m && json_object_get(e, "value") && !strcmp(p, pointer) &&
            strstr(m, words))
            return true;
    }
    return false;
}

static void a_bad_spec_is_refused_with_every_mistake(void **state)
{
    (void)state;
    struct answer a = ask(&d, "POST", JOBS,
        "{\"train\": {\"batch\": 1, \"lr\": \"fast\"}, \"modle\": {},"
        " \"model\": {\"arch\": \"resnet51\"}}", NULL);

    assert_int_equal(a.status, 422);
    assert_string_equal(answer_header(&a, "Content-Type"),
                        "application/problem+json");
    assert_int_equal(json_array_size(json_object_get(a.json, "errors")), 4);
    assert_true(has_error(a.json, "/train/batch", "2"));
    assert_true(has_error(a.json, "/train/lr", ""));
    assert_true(has_error(a.json, "/modle", ""));
    assert_true(has_error(a.json, "/model/arch", "resnet50"));
    answer_clear(&a);
}

// What only the daemon can know about a spec.
static void roots_paths_networks_and_ids_are_checked(void **state)
{
    (void)state;
    static const struct { const char *spec, *pointer, *words; } rows[] = {
        { "{\"data\": {\"source\": \"folder\", \"root\": \"nowhere\"}}",
          "/data/root", "there are pictures" },
        { "{\"data\": {\"source\": \"folder\", \"root\": \"pictures\","
          " \"path\": \"none\"}}", "/data/path", "No such file" },
        { "{\"data\": {\"source\": \"folder\", \"root\": \"pictures\","
          " \"path\": \"out\"}}", "/data/path", "leads out" },
        { "{\"data\": {\"source\": \"folder\", \"root\": \"pictures\","
          " \"path\": \"a/x.png\"}}", "/data/path", "not a folder" },
        { "{\"after\": [12345]}", "/after", "no job 12345" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = ask(&d, "POST", JOBS, rows[i].spec, NULL);
        assert_int_equal(a.status, 422);
        assert_true(has_error(a.json, rows[i].pointer, rows[i].words));
        answer_clear(&a);
    }
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "{", "[]", "7", "{\"name\": \"a\", \"name\": \"b\"}",
        "{\"train\": {\"lr\": NaN}}", "{} {}", "\xff" };

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(status("POST", JOBS, bodies[i], NULL), 400);
    assert_int_equal(status("POST", JOBS, "{}", "Content-Type: text/plain"),
                     415);
    json_t *list = get(&d, JOBS);
    assert_int_equal(json_array_size(json_object_get(list, "jobs")), 0);
    json_decref(list);
}

static void a_dry_run_describes_and_stores_nothing(void **state)
{
    (void)state;
    struct answer a = ask(&d, "POST", JOBS "?dry_run=true",
        "{\"model\": {\"arch\": \"resnet50\", \"classes\": 200}, \"data\":"
        " {\"source\": \"folder\", \"root\": \"pictures\"},"
        " \"train\": {\"batch\": 2}}", NULL);
    const json_t *parameters = json_object_get(a.json, "parameters");

    assert_int_equal(a.status, 200);
    // The notebook's figures.
    assert_int_equal(json_integer_value(json_object_get(parameters, "held")),
                     23917832);
    assert_int_equal(json_integer_value(json_object_get(parameters, "used")),
                     21141256);
    // Five images in batches of two; the one left over is not trained on.
    assert_int_equal(json_integer_value(json_object_get(a.json,
                     "steps_per_epoch")), 2);
    // 49 convolutions and fc: without skips there are no downsamples.
    assert_int_equal(json_array_size(json_object_get(a.json, "layers")), 50);
    assert_true(json_integer_value(json_object_get(a.json, "memory_bytes")) >
                23917832 * 4);
    assert_non_null(json_object_get(a.json, "spec"));
    answer_clear(&a);
    assert_int_equal(status("GET", JOBS "/1", NULL, NULL), 404);
    assert_int_equal(status("POST", JOBS "?dry_run=yes", "{}", NULL), 400);
    assert_int_equal(status("POST", JOBS "?dryrun=true", "{}", NULL), 400);
}

#define PROBES(steps, more) "{\"record\": {\"probe\": " steps "}, "            \
    "\"train\": {\"epochs\": 2, \"batch\": 4}, \"data\": {" more "}}"
#define MADE "\"synthetic\": {\"images\": 41}"

// Made-up images are counted at once, those of a folder by a dry run.
static void probes_are_before_steps_of_the_run(void **state)
{
    (void)state;
    static const struct { int status; const char *query, *body, *pointer; }
    rows[] = {
        { 200, "?dry_run=true", PROBES("[0, 19]", MADE), NULL },
        { 422, "", PROBES("[0, 20]", MADE), "/record/probe/1" },
        { 422, "?dry_run=true", PROBES("[20]", MADE), "/record/probe/0" },
        { 200, "?dry_run=true", PROBES("[15]", MADE ", \"validation\": 0.2"),
          NULL },
        { 422, "", PROBES("[16]", MADE ", \"validation\": 0.2"),
          "/record/probe/0" },
        { 200, "?dry_run=true", PROBES("[3]", MADE ", \"limit\": 8"), NULL },
        { 422, "", PROBES("[4]", MADE ", \"limit\": 8"), "/record/probe/0" },
        { 200, "?dry_run=true", PROBES("\"epochs\"", MADE), NULL },
        // One step of four images an epoch; the fifth image is left over.
        { 200, "?dry_run=true", PROBES("[1]", "\"root\": \"pictures\""),
          NULL },
        { 422, "?dry_run=true", PROBES("[2]", "\"root\": \"pictures\""),
          "/record/probe/0" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *path = xasprintf(JOBS "%s", rows[i].query);
        struct answer a = ask(&d, "POST", path, rows[i].body, NULL);
        const json_t *error = json_array_get(json_object_get(a.json, "errors"),
                                             0);
        assert_int_equal(a.status, rows[i].status);
        if (rows[i].pointer)
            assert_string_equal(json_string_value(json_object_get(error,
                                "pointer")), rows[i].pointer);
        if (i == 1)
            assert_non_null(strstr(a.body, "record.probe.1 must be a step of "
                "the run, from 0 to 19: it has 2 epochs of 10 steps"));
        answer_clear(&a);
        free(path);
    }
}

static void models_are_described_without_a_device(void **state)
{
    (void)state;
    json_t *m = get(&d, "/api/v1/models/resnet50?skip=false");
    const json_t *parameters = json_object_get(m, "parameters");

    assert_int_equal(json_integer_value(json_object_get(parameters, "held")),
                     23917832);
    assert_int_equal(json_integer_value(json_object_get(parameters, "used")),
                     21141256);
    json_decref(m);
    m = get(&d, "/api/v1/models/resnet50?skip=layer3,layer4");
    assert_int_equal(json_array_size(json_object_get(m, "skip")), 2);
    json_decref(m);
    m = get(&d, "/api/v1/models");
    assert_true(json_array_size(json_object_get(m, "models")) >= 5);
    json_decref(m);
    assert_int_equal(status("GET", "/api/v1/models/lenet", NULL, NULL), 404);
    assert_int_equal(status("GET", "/api/v1/models/resnet50?width=9", NULL,
                            NULL), 422);
    assert_int_equal(status("GET", "/api/v1/models/resnet50?depth=9", NULL,
                            NULL), 400);
}

static void what_there_is_can_be_asked(void **state)
{
    (void)state;
    static const char *const paths[] = { "/api/v1", "/api/v1/devices",
        "/api/v1/datasets", "/healthz", "/readyz", "/metrics" };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(status("GET", paths[i], NULL, NULL), 200);
    json_t *sets = get(&d, "/api/v1/datasets");
    const json_t *set = json_array_get(json_object_get(sets, "datasets"), 1);
    assert_string_equal(json_string_value(json_object_get(set, "root")),
                        "pictures");
    json_decref(sets);
}

static void methods_and_media_types_are_as_the_rfcs_say(void **state)
{
    (void)state;
    struct answer a = ask(&d, "PUT", JOBS, "{}", NULL);

    assert_int_equal(a.status, 405);
    assert_string_equal(answer_header(&a, "Allow"),
                        "GET, HEAD, POST, OPTIONS");
    answer_clear(&a);
    a = ask(&d, "OPTIONS", JOBS, NULL, NULL);
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Allow"),
                        "GET, HEAD, POST, OPTIONS");
    answer_clear(&a);
    assert_int_equal(status("GET", JOBS, NULL, "Accept: image/png"), 406);
    assert_int_equal(status("GET", JOBS, NULL, "Accept: application/json;q=0"),
                     406);
    assert_int_equal(status("GET", JOBS, NULL,
                            "Accept: text/html, application/*;q=0.1"), 200);
    assert_int_equal(status("GET", "/api/v1/nothing", NULL, NULL), 404);
    assert_int_equal(status("GET", JOBS "/01", NULL, NULL), 404);
    assert_int_equal(status("GET", JOBS "/-1", NULL, NULL), 404);
    assert_int_equal(status("GET", JOBS "?limit=0", NULL, NULL), 400);
    assert_int_equal(status("GET", JOBS "?limit=1e3", NULL, NULL), 400);
    assert_int_equal(status("GET", JOBS "?state=dead", NULL, NULL), 400);
    assert_int_equal(status("GET", JOBS "?what=1", NULL, NULL), 400);
}

static void reads_are_tagged_and_not_repeated(void **state)
{
    (void)state;
    static const char *const paths[] = { "/api/v1", JOBS, "/", "/app.js" };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer a = ask(&d, "GET", paths[i], NULL, NULL);
        char header[100];
        assert_int_equal(a.status, 200);
        snprintf(header, sizeof header, "If-None-Match: \"other\", W/%s",
                 answer_header(&a, "ETag"));
        struct answer head = ask(&d, "HEAD", paths[i], NULL, NULL);
        assert_int_equal(head.status, 200);
        assert_int_equal(head.len, 0);
        assert_int_equal(atoi(answer_header(&head, "Content-Length")),
                         (int)a.len);
        answer_clear(&head);
        const char *headers[] = { header, NULL };
        struct answer again = ask(&d, "GET", paths[i], NULL, headers);
        assert_int_equal(again.status, 304);
        assert_int_equal(again.len, 0);
        assert_true(*answer_header(&again, "ETag"));
        answer_clear(&again);
        answer_clear(&a);
    }
}

static char *inflated(const struct answer *a)
{
    enum { MOST = 1 << 20, WINDOW = 15 + 16 };
    z_stream z = { 0 };
    char *text = xcalloc(1, MOST);

    assert_int_equal(inflateInit2(&z, WINDOW), Z_OK);
    z.next_in = (Bytef *)a->body;
    z.avail_in = (uInt)a->len;
    z.next_out = (Bytef *)text;
    z.avail_out = MOST - 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return text;
}

static void answers_are_packed_for_those_who_ask(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/models/resnet50";
    static const char *const yes[] = { "gzip", "br, GZIP;q=0.5", "*",
        "x-gzip", "deflate, gzip" };
    static const char *const no[] = { "", "identity", "gzip;q=0", "br",
        "*, gzip; q=0.0", "gzipped" };
    struct answer plain = ask(&d, "GET", path, NULL, NULL);
    char etag[100], header[100];

    assert_string_equal(answer_header(&plain, "Vary"), "Accept-Encoding");
    snprintf(etag, sizeof etag, "%s", answer_header(&plain, "ETag"));
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        snprintf(header, sizeof header, "Accept-Encoding: %s", yes[i]);
        const char *headers[] = { header, NULL };
        struct answer a = ask(&d, "GET", path, NULL, headers);
        assert_string_equal(answer_header(&a, "Content-Encoding"), "gzip");
        assert_string_not_equal(answer_header(&a, "ETag"), etag);
        assert_true(a.len < plain.len / 2);
        char *text = inflated(&a);
        assert_string_equal(text, plain.body);
        free(text);
        answer_clear(&a);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        snprintf(header, sizeof header, "Accept-Encoding: %s", no[i]);
        const char *headers[] = { header, NULL };
        struct answer a = ask(&d, "GET", path, NULL, headers);
        assert_string_equal(answer_header(&a, "Content-Encoding"), "");
        assert_string_equal(a.body, plain.body);
        answer_clear(&a);
    }
    answer_clear(&plain);
}

static int64_t submit_with(const char *key, const char *body, int want)
{
    char *header = xasprintf("Idempotency-Key: %s", key);
    struct answer a = ask(&d, "POST", JOBS, body,
                          (const char *[]){ header, NULL });
    int64_t id = json_integer_value(json_object_get(a.json, "id"));

    if (a.status != want)
        fail_msg("%d %s", a.status, a.body);
    free(header);
    answer_clear(&a);
    return id;
}

static void a_repeated_request_is_done_once(void **state)
{
    (void)state;
    static const char body[] = "{\"name\": \"well\"}";
    int64_t first = submit_with("a-key", body, 201);
    char path[60];

    assert_int_equal(submit_with("a-key", body, 201), first);
    assert_int_equal(submit_with("b-key", body, 201), first + 1);
    submit_with("a-key", "{\"name\": \"other\"}", 409);
    char *longest = xcalloc(1, 257);
    memset(longest, 'k', 256);
    submit_with(longest, body, 400);
    longest[255] = '\0';
    assert_int_equal(submit_with(longest, body, 201), first + 2);
    free(longest);
    submit_with("\xc3\xa4", body, 400);
    run_to_end(&d, first, NULL);
    assert_int_equal(submit_with("a-key", body, 201), first);
    // With the job its key is gone.
    snprintf(path, sizeof path, JOBS "/%d", (int)first);
    assert_int_equal(status("DELETE", path, NULL, NULL), 204);
    assert_int_equal(submit_with("a-key", body, 201), first + 3);
    run_to_end(&d, first + 3, NULL);
}

static void answers_carry_the_security_headers(void **state)
{
    (void)state;
    static const char *const paths[] = { "/", "/api/v1", "/nothing" };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer a = ask(&d, "GET", paths[i], NULL, NULL);
        assert_non_null(strstr(answer_header(&a, "Content-Security-Policy"),
                               "default-src 'self'"));
        assert_string_equal(answer_header(&a, "X-Content-Type-Options"),
                            "nosniff");
        assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"),
                            "");
        answer_clear(&a);
    }
}

static void a_full_queue_says_so(void **state)
{
    (void)state;
    int64_t first = submit(&d, "hang", 1, ""), last = first;
    char path[60];
    struct answer a;

    // One runs, or will; 64 may wait.
    for (;;) {
        a = ask(&d, "POST", JOBS, "{\"name\": \"well\"}", NULL);
        if (a.status != 201)
            break;
        last = json_integer_value(json_object_get(a.json, "id"));
        answer_clear(&a);
    }
    assert_int_equal(a.status, 429);
    assert_string_equal(answer_header(&a, "Retry-After"), "60");
    answer_clear(&a);
    assert_in_range(last - first, 63, 64);
    for (int64_t id = last; id >= first; id--) {
        snprintf(path, sizeof path, JOBS "/%d/cancel", (int)id);
        assert_int_equal(status("POST", path, NULL, NULL), 202);
    }
    run_to_end(&d, first, NULL);
}

static int setup(void **state)
{
    char *dir = scratch_new(), *data, *web;
    char *names[2];

    *state = dir;
    root = scratch_path(dir, "pictures");
    for (int i = 0; i < 5; i++) {
        char name[20];
        snprintf(name, sizeof name, "%c/%d.png", i < 3 ? 'a' : 'b', i);
        scratch_write(root, name, "", 0);
    }
    scratch_write(root, "a/x.png", "", 0);
    unlink((names[0] = scratch_path(root, "a/0.png")));
    free(names[0]);
    scratch_link("/tmp", root, "out");
    web = scratch_path(dir, "web");
    scratch_write(web, "index.html", "<!doctype html>", 15);
    scratch_write(web, "app.js", "1;", 2);
    data = xasprintf("pictures=%s", root);
    const char *args[] = { "--data", data, "--web", web, NULL };
    names[1] = scratch_path(dir, "state");
    d = daemon_start(names[1], args);
    free(names[1]);
    free(data);
    free(web);
    return 0;
}

static int teardown(void **state)
{
    int rc = daemon_stop(&d);

    scratch_remove(*state);
    free(root);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_spec_is_refused_with_every_mistake),
        cmocka_unit_test(roots_paths_networks_and_ids_are_checked),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(a_dry_run_describes_and_stores_nothing),
        cmocka_unit_test(probes_are_before_steps_of_the_run),
        cmocka_unit_test(models_are_described_without_a_device),
        cmocka_unit_test(what_there_is_can_be_asked),
        cmocka_unit_test(methods_and_media_types_are_as_the_rfcs_say),
        cmocka_unit_test(reads_are_tagged_and_not_repeated),
        cmocka_unit_test(answers_carry_the_security_headers),
        cmocka_unit_test(answers_are_packed_for_those_who_ask),
        cmocka_unit_test(a_repeated_request_is_done_once),
        cmocka_unit_test(a_full_queue_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
