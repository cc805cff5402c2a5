/* watch and wait: jobs that go on, over connections that break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/client_answers.h"

static struct ran r;            // large, and one at a time

#define EVENT(id, body) "id: " id "\ndata: {\"seq\": " id ", " body "}\n\n"
#define EPOCH(n) "\"type\": \"epoch\", \"epoch\": " n ", \"loss\": 2, " \
    "\"accuracy\": 0.25, \"images_per_second\": 100, " \
    "\"duration_seconds\": 1.5, \"steps\": 4"

static void test_watch_goes_on_after_a_break(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {
            STREAM(EVENT("1", "\"type\": \"queued\", \"name\": \"n\"")
                   EVENT("2", "\"type\": \"started\", \"spec\": {\"train\": "
                              "{\"epochs\": 2}}, \"device\": {}")
                   EVENT("3", EPOCH("1")) "data: {\"type\": \"li"),
            // As from a daemon that was killed: the last chunk is missing.
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Transfer-Encoding: chunked\r\n\r\n7\r\n: hello\r\n",
            STREAM(EVENT("4", EPOCH("2"))
                   EVENT("5", "\"type\": \"finished\", \"state\": \"done\"")),
        },
        .n_answers = 3};

    RUN_AGAINST(&r, &s, "watch", "7");
    assert_int_equal(r.status, 0);
    assert_null(strstr(s.requests[0], "Last-Event-ID"));
    assert_has(s.requests[1], "Last-Event-ID: 3\r\n");
    assert_has(s.requests[2], "Last-Event-ID: 3\r\n");
    assert_has(r.out, "job 7: epoch 1/2  loss 2.000  accuracy 25.0 %  "
                      "100 images/s  1.5 s\n");
    assert_has(r.out, "job 7: epoch 2/2");
    assert_has(r.out, "job 7: done\n");
    assert_has(r.err, "trying again");
    assert_null(strchr(r.out, '\033'));
}

static void test_a_first_connection_may_break_too(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Transfer-Encoding: chunked\r\n\r\n7\r\n: hello\r\n",
            STREAM(EVENT("1", "\"type\": \"cancelled\""))},
        .n_answers = 2};

    RUN_AGAINST(&r, &s, "watch", "7");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out, "job 7: cancelled\n");
}

static void test_watch_exits_as_the_job(void **state)
{
    (void)state;
    static const struct { const char *last; int status; const char *says; }
        rows[] = {
            {STREAM(EVENT("1", "\"type\": \"failed\", \"error\": {\"code\": "
                               "\"data\", \"message\": \"no images\"}")), 1,
             "job 7: failed: no images\n"},
            {STREAM(EVENT("1", "\"type\": \"cancelled\"")), 1,
             "job 7: cancelled\n"},
            {STREAM(EVENT("1", "\"type\": \"finished\", \"state\": "
                               "\"diverged\", \"reason\": \"loss\"")), 1,
             "job 7: diverged: loss\n"},
            {PROBLEM("404", "{\"detail\": \"no job 7\"}"), 3, ""},
            {OK("text/html", "<p>every address is a page here</p>"), 5, ""},
        };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct canned s = {.answers = {rows[i].last}, .n_answers = 1};
        RUN_AGAINST(&r, &s, "watch", "7");
        assert_int_equal(r.status, rows[i].status);
        assert_has(r.out, rows[i].says);
    }
}

static void test_streams_as_lines_of_json(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {STREAM("data: {\"type\":  \"live\"}\n\n"
                           EVENT("1", "\"type\": \"cancelled\""))},
        .n_answers = 1};

    RUN_AGAINST(&r, &s, "watch", "7", "--json");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out, "{\"type\":  \"live\"}\n"
                               "{\"seq\": 1, \"type\": \"cancelled\"}\n");
}

static void test_wait(void **state)
{
    (void)state;
    struct canned good = {.answers = {JOB("running"), JOB("done")},
                          .n_answers = 2};
    struct canned bad = {.answers = {JOB("done"), JOB("failed")},
                         .n_answers = 2};
    struct canned late = {.answers = {JOB("running"), JOB("running")},
                          .n_answers = 2};

    RUN_AGAINST(&r, &good, "wait", "7");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "job 7: done\n");
    RUN_AGAINST(&r, &bad, "wait", "-q", "7", "8");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out, "");
    RUN_AGAINST(&r, &late, "wait", "7", "--timeout", "0");
    assert_int_equal(r.status, 124);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_goes_on_after_a_break),
        cmocka_unit_test(test_a_first_connection_may_break_too),
        cmocka_unit_test(test_watch_exits_as_the_job),
        cmocka_unit_test(test_streams_as_lines_of_json),
        cmocka_unit_test(test_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
