/* The program `gradwatch` from outside, against prepared answers: what it asks
 * for, what it prints where, and how it exits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/client_answers.h"

static struct ran r;            // large, and one at a time

static void test_no_daemon(void **state)
{
    (void)state;
    struct canned s = {.n_answers = 0};

    canned_start(&s);
    canned_stop(&s);            // its port is closed now
    client_run(&r, s.url, "", "list", NULL);
    assert_int_equal(r.status, 5);
    char *says = xasprintf("gradwatch: daemon not reachable at %s: start it "
                           "with gradwatchd\n", s.url);
    assert_string_equal(r.err, says);
    assert_string_equal(r.out, "");
    free(says);
    client_run(&r, s.url, "", "version", NULL);
    assert_int_equal(r.status, 0);
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const struct { const char *args[4], *says; } rows[] = {
        {{"lst"}, "no command \"lst\", did you mean list?"},
        {{"\033[2J"}, "no command \"\\x1b[2J\""},
        {{"show"}, "needs ID"},
        {{"show", "1", "2"}, "takes no \"2\""},
        {{"show", "1e3"}, "1e3 is not a job's id"},
        {{"cancel", "-1"}, "unknown option -1"},
        {{"watch", "007"}, "007 is not a job's id"},
        {{"list", "--stat=done"}, "did you mean --state?"},
        {{"--server=ftp://x", "list"}, "server is \"ftp://x\""},
        {{"wait", "1", "--timeout=soon"}, "--timeout is soon"},
        {{"submit", "--pair", "--skip"}, "--pair sets --skip"},
        {{"export", "1"}, "needs -o FILE"},
        {{"export", "1", "-ox.doc"}, "cannot tell the format of x.doc"},
        {{"gradients", "1", "--csv", "--json"}, "not both"},
        {{"list", "--csv", "--json"}, "--csv or --json, not both"},
        {{"show", "1", "--csv"}, "unknown option --csv"},
        {{"--sever", "http://127.0.0.1:7050", "list"}, "in front of the "
         "command: unknown option --sever, did you mean --server?"},
        {{"--state", "done", "list"}, "unknown option --state"},
        {{"help", "lst"}, "no command \"lst\", did you mean list?"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *a = rows[i].args;
        client_run(&r, "http://127.0.0.1:9", "", a[0], a[1], a[2], a[3], NULL);
        assert_int_equal(r.status, 2);
        assert_has(r.err, rows[i].says);
        assert_has(r.err, "\ntry: gradwatch ");
        assert_string_equal(r.out, "");
    }
}

static void test_help_goes_to_stdout(void **state)
{
    (void)state;

    client_run(&r, "http://127.0.0.1:9", "", "help", NULL);
    assert_int_equal(r.status, 0);
    assert_has(r.out, "submit");
    client_run(&r, "http://127.0.0.1:9", "", "submit", "--help", NULL);
    assert_int_equal(r.status, 0);
    assert_has(r.out, "--image-size");          // from the table of fields
    client_run(&r, "http://127.0.0.1:9", "", "help", "wait", NULL);
    assert_has(r.out, "--timeout SECONDS");
    client_run(&r, "http://127.0.0.1:9", "", NULL);
    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
}

static void test_submit_sends_the_options(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
                    "Connection: close\r\n\r\n{\"id\": 7, \"name\": \"a\"}"},
        .n_answers = 1};

    RUN_AGAINST(&r, &s, "submit", "-q", "--preset", "tiny", "--no-skip",
                "--batch", "32", "--lr=0.5", "--data", "root/a/b", "--name",
                "7", "--layers", "conv1,fc", "--mean", "0.5,0.5,0.5",
                "--seed=9007199254740991");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "7\n");
    assert_string_equal(r.err, "");
    assert_has(s.requests[0], "POST /api/v1/jobs HTTP/1.1\r\n");
    assert_has(s.requests[0], "Content-Type: application/json\r\n");
    const char *body = strstr(s.requests[0], "\r\n\r\n") + 4;
    assert_string_equal(body,
        "{\"preset\":\"tiny\",\"name\":\"7\",\"model\":{\"skip\":false},"
        "\"data\":{\"root\":\"root\",\"path\":\"a/b\",\"mean\":[0.5,0.5,0.5]},"
        "\"train\":{\"batch\":32,\"lr\":0.5,\"seed\":9007199254740991},"
        "\"record\":{\"layers\":[\"conv1\",\"fc\"]}}");
}

static void test_submit_reads_a_spec_under_the_options(void **state)
{
    (void)state;
    struct canned s = {.answers = {JOB("queued")}, .n_answers = 1};

    canned_start(&s);
    client_run(&r, s.url, "{\"train\": {\"batch\": 8, \"lr\": 1}}", "submit",
               "--spec", "-", "--lr", "2", NULL);
    canned_stop(&s);
    assert_int_equal(r.status, 0);
    assert_string_equal(strstr(s.requests[0], "\r\n\r\n") + 4,
                        "{\"train\":{\"batch\":8,\"lr\":2}}");

    client_run(&r, s.url, "{\"train\": {\"batch\": 8,}}", "submit",
               "--spec=-", NULL);
    assert_int_equal(r.status, 2);
    assert_has(r.err, "standard input: not JSON");
    assert_has(r.err, "line 1");
    client_run(&r, s.url, "{\"name\": \"a\", \"name\": \"b\"}", "submit",
               "--spec=-", NULL);
    assert_int_equal(r.status, 2);
    client_run(&r, s.url, "", "submit", "--spec=/no/such/file", NULL);
    assert_int_equal(r.status, 2);
    assert_has(r.err, "cannot read /no/such/file: No such file");
}

static void test_skip_takes_stages(void **state)
{
    (void)state;
    struct canned s = {.answers = {JOB("queued")}, .n_answers = 1};

    RUN_AGAINST(&r, &s, "submit", "--skip=layer3,layer4");
    assert_int_equal(r.status, 0);
    assert_string_equal(strstr(s.requests[0], "\r\n\r\n") + 4,
                        "{\"model\":{\"skip\":[\"layer3\",\"layer4\"]}}");
}

static void test_a_pair_differs_in_skip(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON("{\"id\": 7}"), JSON("{\"id\": 8}")},
                       .n_answers = 2};

    RUN_AGAINST(&r, &s, "-q", "submit", "--pair", "--name", "x");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "7\n8\n");
    assert_string_equal(strstr(s.requests[0], "\r\n\r\n") + 4,
                        "{\"name\":\"x skip\",\"model\":{\"skip\":true}}");
    assert_string_equal(strstr(s.requests[1], "\r\n\r\n") + 4,
                        "{\"name\":\"x no skip\",\"model\":{\"skip\":false}}");
}

static void test_every_mistake_of_a_spec_is_told(void **state)
{
    (void)state;
    struct canned s = {.answers = {PROBLEM("422",
        "{\"title\": \"Unprocessable\", \"detail\": \"2 mistakes\", \"errors\":"
        "[{\"pointer\": \"/train/batch\", \"value\": 1, \"message\": "
        "\"train.batch must be a whole number from 2 to 4096\"},"
        "{\"pointer\": \"/name\", \"value\": \"\\u001b[31m\", \"message\": "
        "\"must not control\"}]}")}, .n_answers = 1};

    RUN_AGAINST(&r, &s, "submit", "--batch", "1");
    assert_int_equal(r.status, 2);
    assert_string_equal(r.err,
        "gradwatch: train.batch must be a whole number from 2 to 4096 (is 1)\n"
        "gradwatch: name: must not control (is \\x1b[31m)\n");
}

static void test_exit_statuses(void **state)
{
    (void)state;
    static const struct { const char *answer; int status; const char *says; }
        rows[] = {
            {PROBLEM("404", "{\"detail\": \"no job 7\"}"), 3, "no job 7"},
            {PROBLEM("409", "{\"detail\": \"job 7 is done\", \"state\": "
                            "\"done\"}"), 4, "job 7 is done"},
            {PROBLEM("400", "{\"detail\": \"not JSON\"}"), 2, "not JSON"},
            {PROBLEM("401", "{\"title\": \"Unauthorized\"}"), 6,
             "name the file with --token-file"},
            {PROBLEM("403", "{\"detail\": \"foreign Origin\"}"), 6, "Origin"},
            {PROBLEM("507", "{\"detail\": \"no space\"}"), 6, "no space"},
            {PROBLEM("429", "{\"detail\": \"the queue is full\"}"), 6, "full"},
            {PROBLEM("421", "{\"title\": \"foreign Host\"}"), 6, "Host"},
            {PROBLEM("503", "{\"detail\": \"stopping\"}"), 5, "stopping"},
            {PROBLEM("500", "{\"detail\": \"internal\"}"), 1, "internal"},
            {"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n"
             "Connection: close\r\n\r\n<h1>nginx</h1>", 5,
             "is this gradwatchd?"},
            {"SSH-2.0-OpenSSH_9.2\r\n", 5, "daemon not reachable at"},
        };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct canned s = {.answers = {rows[i].answer}, .n_answers = 1};
        RUN_AGAINST(&r, &s, "cancel", "7");
        assert_int_equal(r.status, rows[i].status);
        assert_has(r.err, rows[i].says);
        assert_has(s.requests[0], "POST /api/v1/jobs/7/cancel HTTP/1.1");
        assert_has(s.requests[0], "\r\nContent-Length: 0\r\n");
        assert_null(strstr(s.requests[0], "Content-Type"));
    }
}

static void test_json_is_the_servers(void **state)
{
    (void)state;
    static const char body[] = "{\"b\":  1,\n \"a\": 1e-22}\n";
    struct canned s = {.answers = {JSON("{\"b\":  1,\n \"a\": 1e-22}\n")},
                       .n_answers = 1};

    RUN_AGAINST(&r, &s, "--json", "show", "7");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, body);
}

static void test_list_follows_its_pages(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {JSON("{\"jobs\": [{\"id\": 9, \"state\": \"running\", "
                         "\"name\": \"a\\u001b[31m\\u202e\", \"progress\": "
                         "{\"epoch\": 1, \"epochs\": 3}, \"loss\": null}], "
                         "\"next\": \"a b\"}"),
                    JSON("{\"jobs\": [{\"id\": 7, \"state\": \"done\", "
                         "\"name\": \"\", \"progress\": null, "
                         "\"expected\": {\"start_at\": null, \"end_at\": "
                         "\"2999-01-01T00:00:00.000Z\"}}], "
                         "\"next\": null}")},
        .n_answers = 2};

    RUN_AGAINST(&r, &s, "list", "--state", "a&b");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "state=a%26b");
    assert_has(s.requests[1], "&cursor=a%20b");
    assert_has(r.out, "9  running");
    assert_has(r.out, "a\\x1b[31m\\u202e");
    assert_has(r.out, "1/3");
    assert_has(r.out, "7  done");
    assert_has(r.out, "STARTS");
    assert_has(r.out, " in 3");                 // 355,000 days or so
    assert_null(strchr(r.out, '\033'));
}

// Titles once; a full page of 100 rows has another one behind it.
static void test_csv_follows_its_pages(void **state)
{
    (void)state;
    enum { ROW = 16, FULL = 100 };
    char page[200 + FULL * ROW] = OK("text/csv", "id,name\n");

    for (int id = 2 * FULL; id > FULL; id--)
        sprintf(page + strlen(page), "%d,\"a, b\"\n", id);
    struct canned s = {.answers = {page, OK("text/csv", "id,name\n9,z\n")},
                       .n_answers = 2};
    RUN_AGAINST(&r, &s, "list", "--csv", "--group", "g");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "/jobs.csv?limit=100&group=g HTTP");
    assert_has(s.requests[1], "/jobs.csv?limit=100&group=g&cursor=101 HTTP");
    assert_has(r.out, "id,name\n200,\"a, b\"\n");
    assert_has(r.out, "\n101,\"a, b\"\n9,z\n");
    assert_null(strstr(r.out + 1, "id,name"));

    struct canned none = {.answers = {OK("text/csv", "")}, .n_answers = 1};
    RUN_AGAINST(&r, &none, "list", "--csv");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_daemon),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_help_goes_to_stdout),
        cmocka_unit_test(test_submit_sends_the_options),
        cmocka_unit_test(test_submit_reads_a_spec_under_the_options),
        cmocka_unit_test(test_skip_takes_stages),
        cmocka_unit_test(test_a_pair_differs_in_skip),
        cmocka_unit_test(test_every_mistake_of_a_spec_is_told),
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_json_is_the_servers),
        cmocka_unit_test(test_list_follows_its_pages),
        cmocka_unit_test(test_csv_follows_its_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
