// daemon/gate.c and uri.c: what a request may look like, without a socket.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/mem.h"
#include "daemon/gate.h"
#include "daemon/params.h"
#include "daemon/uri.h"

static char *names[] = { (char *)"grad.example" };
static const struct gate gate = { .port = 7050, .allow_hosts = names,
                                  .n_allow_hosts = 1 };

static int check(struct gate_request r)
{
    struct error err = { 0 };

    r.method = r.method ? r.method : "GET";
    r.n_hosts = r.n_hosts ? r.n_hosts : 1;
    r.host = r.host ? r.host : "localhost:7050";
    r.n_lengths += r.content_length != NULL;
    r.n_encodings += r.transfer_encoding != NULL;
    int status = gate_check(&gate, &r, &err);
    assert_int_equal(status, err.code);
    assert_int_equal(status != 0, err.text[0] != '\0');
    return status;
}

#define GATE(...) check((struct gate_request){ __VA_ARGS__ })

static void the_host_must_be_one_of_ours(void **state)
{
    (void)state;
    assert_int_equal(GATE(.host = "localhost:7050"), 0);
    assert_int_equal(GATE(.host = "[::1]:7050"), 0);
    assert_int_equal(GATE(.host = "GRAD.example:1"), 0);
    assert_int_equal(GATE(.host = "localhost"), 421);
    assert_int_equal(GATE(.host = "localhost:7051"), 421);
    assert_int_equal(GATE(.host = "localhost:"), 421);
    assert_int_equal(GATE(.host = "localhost: 7050"), 421);
    assert_int_equal(GATE(.host = "localhost.:7050"), 421);
    assert_int_equal(GATE(.host = "[::1:7050"), 421);
    assert_int_equal(GATE(.host = "a.grad.example"), 421);
    assert_int_equal(GATE(.host = "user@localhost:7050"), 421);
    assert_int_equal(GATE(.host = "localhost:4294974346"), 421);
    assert_int_equal(GATE(.n_hosts = 2), 400);
}

static void foreign_pages_may_ask_nothing(void **state)
{
    (void)state;
    assert_int_equal(GATE(.origin = "http://evil.example"), 403);
    assert_int_equal(GATE(.origin = "http://localhost:7050"), 0);
    assert_int_equal(GATE(.fetch_site = "cross-site"), 403);
    assert_int_equal(GATE(.fetch_site = "same-site"), 403);
    assert_int_equal(GATE(.fetch_site = "cross-site", .fetch_mode = "no-cors"),
                     403);
    // A link that somebody follows; it may not post.
    assert_int_equal(GATE(.fetch_site = "cross-site",
                          .fetch_mode = "navigate"), 0);
    assert_int_equal(GATE(.method = "POST", .fetch_site = "cross-site",
                          .fetch_mode = "navigate"), 403);
    assert_int_equal(GATE(.method = "POST", .origin = "http://evil.example"),
                     403);
    assert_int_equal(GATE(.method = "DELETE", .fetch_site = "cross-site"), 403);
    assert_int_equal(GATE(.method = "PATCH", .origin = "null"), 403);
    assert_int_equal(GATE(.method = "POST",
                          .origin = "http://localhost:7050"), 0);
    assert_int_equal(GATE(.method = "POST",
                          .origin = "http://localhost:7050.evil.example"), 403);
    assert_int_equal(GATE(.method = "POST", .fetch_site = "none"), 0);
}

static void bodies_are_json_of_one_known_length(void **state)
{
    (void)state;
    const char *json = "application/json";

    assert_int_equal(GATE(.method = "POST", .content_length = "0"), 0);
    assert_int_equal(GATE(.method = "POST", .content_length = "2"), 415);
    assert_int_equal(GATE(.method = "POST", .content_length = "2",
                          .content_type = "text/plain"), 415);
    assert_int_equal(GATE(.method = "POST", .content_length = "2",
                          .content_type = "application/json; charset=utf-8"),
                     0);
    assert_int_equal(GATE(.method = "POST", .content_length = "1048577",
                          .content_type = json), 413);
    assert_int_equal(GATE(.method = "POST", .content_length = "+2",
                          .content_type = json), 400);
    assert_int_equal(GATE(.method = "POST", .content_length = "2",
                          .transfer_encoding = "chunked",
                          .content_type = json), 400);
    assert_int_equal(GATE(.method = "POST", .transfer_encoding = "gzip",
                          .content_type = json), 501);
    assert_int_equal(GATE(.header_bytes = GATE_HEADER_BYTES + 1), 431);
}

static void odd_headers_are_noticed(void **state)
{
    (void)state;
    // As they are received: the value is behind its name.
    static const struct { const char *name, *value; bool odd; } rows[] = {
        { "Host", "localhost", false },         { "X-A", "", false },
        { "X!#$%&'*+.^_`|~1", "a\tb", false },  { "X-A", "\xc3\xa4", false },
        { "Content-Length ", "5", true },       { " X", "y", true },
        { "X-A", "b\rX-B: c", true },           { "X-A", "b\x01", true },
        { "X-A", "b\x7f", true },               { "X\"", "b", true },
        { "", "b", true },
    };
    char line[100];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t at = strlen(rows[i].name) + 1;
        memset(line, 0, sizeof line);
        strcpy(line, rows[i].name);
        strcpy(line + at, rows[i].value);
        assert_int_equal(gate_is_odd(line, line + at), rows[i].odd);
    }
    assert_false(gate_is_odd("X-A", NULL));
    // Folded: the name was moved, the value was not.
    strcpy(line, "value");
    strcpy(line + 50, "Name");
    assert_true(gate_is_odd(line + 50, line));
    assert_int_equal(GATE(.odd = true), 400);
}

static void zero_bytes_leave_gaps(void **state)
{
    (void)state;
    const char text[] = "GET\0/\0HTTP/1.1\0\0Host";

    assert_false(gate_is_cut(text + 3, text + 4, 1));
    assert_true(gate_is_cut(text + 3, text + 5, 1));
    assert_true(gate_is_cut(text + 3, text, 1));        // the wrong way round
    assert_false(gate_is_cut(text + 14, text + 16, 2));
    assert_true(gate_is_cut(text + 14, text + 15, 2));
    assert_true(gate_is_cut(text + 14, text + 17, 2));
}

static void addresses_are_split_then_decoded(void **state)
{
    (void)state;
    struct uri u;
    struct error err = { 0 };

    assert_int_equal(uri_parse(&u, "/api/v1/a%2Fb?x=1%262&y=a+b&flag", &err),
                     0);
    assert_int_equal(u.n_segments, 3);
    assert_string_equal(u.segments[2], "a/b");
    assert_string_equal(uri_param(&u, "x"), "1&2");
    assert_string_equal(uri_param(&u, "y"), "a b");
    assert_string_equal(uri_param(&u, "flag"), "");
    assert_null(uri_param(&u, "z"));
    uri_clear(&u);
    assert_int_equal(uri_parse(&u, "/", &err), 0);
    assert_int_equal(u.n_segments, 0);
    uri_clear(&u);
}

static void wrong_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "x", "*", "/%", "/%0", "/%00",
        "/%0g", "/a?b=%00", "/1/2/3/4/5/6/7/8/9", "http://x/",
        "/a\x1b[0m", "/a b", "/a\x7f", "/a?b=\x01" };
    struct uri u;
    struct error err = { 0 };
    char *text = xmalloc(URI_LONGEST + 2);

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(uri_parse(&u, wrong[i], &err) < 0);
        uri_clear(&u);
    }
    memset(text, '/', URI_LONGEST + 1);
    text[URI_LONGEST + 1] = '\0';
    assert_int_equal(uri_parse(&u, text, &err), ERR_LIMIT);
    uri_clear(&u);
    free(text);
}

static void accept_headers_are_understood(void **state)
{
    (void)state;
    static const struct { const char *header, *type; int yes; } rows[] = {
        { NULL, "application/json", 1 },
        { "", "application/json", 1 },
        { "*/*", "text/csv", 1 },
        { "text/*", "text/csv; charset=utf-8", 1 },
        { "text/*", "application/json", 0 },
        { "text/html, application/JSON;q=0.5", "application/json", 1 },
        { "application/json;q=0", "application/json", 0 },
        { "application/json; q=0.0, */*", "application/json", 0 },
        { "*/*, application/json;q=0", "application/json", 0 },
        { "*/*, application/*;q=0", "application/json", 0 },
        { "*/*;q=0, application/json", "application/json", 1 },
        { "application/*;q=0, application/json;q=0.1", "application/json", 1 },
        { "text/csv;q=0, */*;q=0.1", "application/json", 1 },
        { "*/*;q=0", "application/json", 0 },
        { "text/css", "*/*", 1 },
        { "application/json;eq=0", "application/json", 1 },
        { "application/json;Q=0", "application/json", 0 },
        { "application/jsonx", "application/json", 0 },
        { ",,", "application/json", 0 },
        { ";", "application/json", 0 },
        { ";!\n", "application/json", 0 },
        { ";q=1", "application/json", 0 },
        { ", ;q=0, */*", "application/json", 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(uri_accepts(rows[i].header, rows[i].type),
                         rows[i].yes);
}

static void parameters_must_be_known_and_there_once(void **state)
{
    (void)state;
    static const struct {
        const char *known, *target, *pointer, *says;
    } rows[] = {
        { "limit cursor", "/a?limit=1&cursor=2", NULL, NULL },
        { "limit cursor", "/a", NULL, NULL },
        { "", "/a?", NULL, NULL },
        { "limit cursor", "/a?limi=1", "?limi",
          "is not known here; there are limit, cursor" },
        { "since Last-Event-ID", "/a?Last-Event-ID=1", "?Last-Event-ID",
          "is not known here; there are since" },
        { "limit cursor", "/a?cursor=1&cursor=1", "?cursor", "is given twice" },
        { "", "/a?x", "?x", "is not known here; there are none" },
        { "limit", "/a?=x", "?", "is not known here; there are limit" },
        { "limit", "/a?%ff=%ff", "(not UTF-8)",
          "is not known here; there are limit" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct uri u;
        struct error err = { 0 };
        assert_int_equal(uri_parse(&u, rows[i].target, &err), 0);
        json_t *errors = params_check(rows[i].known, &u);
        const json_t *one = json_array_get(errors, 0);
        assert_int_equal(json_array_size(errors), rows[i].says != NULL);
        if (one) {
            assert_string_equal(rows[i].pointer,
                json_string_value(json_object_get(one, "pointer")));
            assert_string_equal(rows[i].says,
                json_string_value(json_object_get(one, "message")));
        }
        json_decref(errors);
        uri_clear(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_must_be_one_of_ours),
        cmocka_unit_test(foreign_pages_may_ask_nothing),
        cmocka_unit_test(bodies_are_json_of_one_known_length),
        cmocka_unit_test(odd_headers_are_noticed),
        cmocka_unit_test(zero_bytes_leave_gaps),
        cmocka_unit_test(addresses_are_split_then_decoded),
        cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(accept_headers_are_understood),
        cmocka_unit_test(parameters_must_be_known_and_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
