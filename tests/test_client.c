/* The program `gradwatch` from outside, against prepared answers: what it asks
 * for, what it prints where, and how it exits. */
#include "tests/canned.h"
#include "tests/client_run.h"
#include "tests/scratch.h"
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OK(type, body) "HTTP/1.1 200 OK\r\nContent-Type: " type \
    "\r\nConnection: close\r\n\r\n" body
#define JSON(body) OK("application/json", body)
#define STREAM(body) OK("text/event-stream", body)
#define PROBLEM(status, body) "HTTP/1.1 " status " x\r\nContent-Type: " \
    "application/problem+json\r\nConnection: close\r\n\r\n" body
#define JOB(state) JSON("{\"id\": 7, \"name\": \"n\", \"state\": \"" state \
    "\"}")

// The same against answers, which are given in order.
#define RUN_AGAINST(r, s, ...)                                                 \
    do {                                                                       \
        canned_start(s);                                                       \
        client_run(r, (s)->url, "", __VA_ARGS__, NULL);                        \
        canned_stop(s);                                                        \
    } while (0)

static struct ran r;            // large, and one at a time

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

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
        {{"export", "1", "-ox.gif"}, "the ending must be .csv or .json"},
        {{"gradients", "1", "--csv", "--json"}, "not both"},
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
                         "\"name\": \"\", \"progress\": null}], "
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
    assert_null(strchr(r.out, '\033'));
}

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

static void test_export_writes_whole_files(void **state)
{
    (void)state;
    struct canned s = {.answers = {OK("text/csv", "job,epoch\n7,1\n")},
                       .n_answers = 1};
    char *dir = scratch_new(), *file = scratch_path(dir, "a.csv");
    char text[64] = "";

    RUN_AGAINST(&r, &s, "export", "7", "-o", file, "--epochs", "1-2");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "GET /api/v1/jobs/7/gradients.csv?epochs=1-2 ");
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof text - 1, f), 14);
    fclose(f);
    assert_string_equal(text, "job,epoch\n7,1\n");

    struct canned gone = {.answers = {PROBLEM("404", "{\"detail\": \"no\"}")},
                          .n_answers = 1};
    char *other = scratch_path(dir, "b.json");
    RUN_AGAINST(&r, &gone, "export", "7", "-o", other);
    assert_int_equal(r.status, 3);
    assert_int_equal(access(other, F_OK), -1);
    struct canned full = {.answers = {JSON("{}")}, .n_answers = 1};
    RUN_AGAINST(&r, &full, "export", "7", "-o", "/no/such/folder/a.json");
    assert_int_equal(r.status, 1);
    assert_has(r.err, "cannot write /no/such/folder/a.json: No such file");
    free(file);
    free(other);
    scratch_remove(dir);
}

static void test_histogram_asks_for_the_notebooks_layers(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {
            JSON("{\"job\": 7, \"quantity\": \"grad_out\", \"layers\": "
                 "[\"conv1\", \"bn\", \"fc\"], \"epochs\": [{\"epoch\": 2, "
                 "\"layers\": {\"conv1\": {\"median\": 0.02}}}]}"),
            JSON("{\"job\": 7, \"quantity\": \"grad_out\", \"bins\": "
                 "{\"edges\": [0.001, 0.01, 0.1]}, \"epochs\": [{\"epoch\": 2, "
                 "\"complete\": true, \"layers\": {\"conv1\": {\"counts\": "
                 "[1, 2], \"zeros\": 3}, \"fc\": {\"counts\": [0, 0]}}}]}")},
        .n_answers = 2};

    RUN_AGAINST(&r, &s, "histogram", "7");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "/gradients?epochs=last ");
    assert_has(s.requests[1], "layers=conv1%2Cfc&epochs=last&bins=decade8");
    assert_has(r.out, "job 7, epoch 2, grad_out");
    assert_has(r.out, " 0.0200\n");
    assert_has(r.out, "1e-3");
    assert_has(r.out, "1e-1");
    assert_has(r.err, "conv1: 3 zeros");
}

static void test_profile_tells_the_slope(void **state)
{
    (void)state;
    struct canned s = {
        .answers = {JSON(
            "{\"job\": 7, \"quantity\": \"grad_out\", \"epochs\": [{\"epoch\": "
            "1, \"complete\": true, \"layers\": [{\"layer\": \"conv1\", "
            "\"depth\": 1, \"median\": 10}, {\"layer\": \"b\", \"depth\": 2, "
            "\"median\": 1}], \"slope\": {\"factor_per_layer\": 1.2, \"low\": "
            "1.1, \"high\": 1.3, \"r2\": 0.9}}], \"early_steps\": [{\"step\": "
            "0, \"slope\": {\"factor_per_layer\": 0.41, \"low\": 0.4, "
            "\"high\": 0.42, \"r2\": 1}}], \"theory\": {"
            "\"factor_per_layer\": 0.408, \"source\": \"He\"}}")},
        .n_answers = 1};

    RUN_AGAINST(&r, &s, "profile", "7");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "epoch 1: norms grow 1.20x per layer towards the input "
                      "(1.10..1.30, r2 0.90)\n");
    assert_has(r.out, "step 0: norms shrink 0.41x per layer");
    assert_has(r.out, "\ntheory: 0.41x per layer at the start (He)\n");
}

static void test_no_records_yet(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON("{\"job\": 7, \"epochs\": []}")},
                       .n_answers = 1};

    RUN_AGAINST(&r, &s, "gradients", "7");
    assert_int_equal(r.status, 1);
    assert_has(r.err, "job 7 has no records yet");
}

// In a terminal, with a stream that does not end: Ctrl-C gives the cursor back.
static void test_interrupt_in_a_terminal(void **state)
{
    (void)state;
    static char *argv[] = {(char *)"gradwatch", (char *)"watch", (char *)"7",
                           NULL};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), tty, status;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    static const char stream[] = STREAM(
        EVENT("1", "\"type\": \"queued\", \"name\": \"n\""));
    char request[CANNED_REQUEST] = "", url[64], *text = r.out;
    size_t got = 0;
    bool asked = false;

    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&at, &len);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(at.sin_port));
    pid_t pid = forkpty(&tty, NULL, NULL, &size);
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        client_exec(url, argv);
    }
    int fd = accept(listener, NULL, NULL);
    canned_read(fd, request);
    assert_int_equal(write(fd, stream, sizeof stream - 1), sizeof stream - 1);
    for (ssize_t n; got < MOST_OUTPUT - 1 &&
         (n = read(tty, text + got, MOST_OUTPUT - 1 - got)) > 0;) {
        got += (size_t)n;
        text[got] = 0;
        if (!asked && strstr(text, "queued")) {         // it is drawn
            asked = true;
            assert_int_equal(write(tty, "\003", 1), 1);
        }
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    assert_has(text, "\033[?25l");
    assert_has(strstr(text, "\033[?25l"), "\033[?25h");
    assert_has(text, "job 7 goes on; end it with: gradwatch cancel 7");
    close(fd);
    close(tty);
    close(listener);
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
        cmocka_unit_test(test_watch_goes_on_after_a_break),
        cmocka_unit_test(test_a_first_connection_may_break_too),
        cmocka_unit_test(test_watch_exits_as_the_job),
        cmocka_unit_test(test_streams_as_lines_of_json),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_export_writes_whole_files),
        cmocka_unit_test(test_histogram_asks_for_the_notebooks_layers),
        cmocka_unit_test(test_profile_tells_the_slope),
        cmocka_unit_test(test_no_records_yet),
        cmocka_unit_test(test_interrupt_in_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
