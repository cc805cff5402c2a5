// The daemon when much is asked of it: answers that it keeps, limits, what is
// closed, and who goes first. With GRADWATCH_LONG set: what takes half a
// minute.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "daemon.h"
#include "scratch.h"

#define JOBS "/api/v1/jobs"

// Between two looks at something that nobody tells of.
enum { PAUSE_US = 150000 };

static struct daemon d;

static struct answer get_below(int64_t id, const char *below,
                               const char *header)
{
    char *path = xasprintf(JOBS "/%" PRId64 "%s", id, below);
    struct answer a = ask(&d, "GET", path, NULL,
                          (const char *[]){ header, NULL });

    free(path);
    return a;
}

static int newest_epoch(const json_t *view)
{
    const json_t *epochs = json_object_get(view, "epochs");
    const json_t *last = json_array_get(epochs, json_array_size(epochs) - 1);

    return (int)json_integer_value(json_object_get(last, "epoch"));
}

// Whoever has seen an event is never given an answer from before it.
static void kept_answers_are_never_older_than_an_event(void **state)
{
    (void)state;
    enum { EPOCHS = 60 };
    static const char *const views[] = { "/histograms", "/metrics",
        "/gradients?epochs=last", "/histograms?layers=fc" };
    int64_t id = submit(&d, "well", EPOCHS, ""), seq;
    char *path = xasprintf(JOBS "/%" PRId64 "/events", id);
    struct stream s = stream_open(&d, path, -1);
    json_t *e;
    int n = 0;

    while ((e = stream_find(&s, "epoch", &seq))) {
        struct answer a = get_below(id, views[n % 4], NULL);
        int epoch = (int)json_integer_value(json_object_get(e, "epoch"));
        assert_true(newest_epoch(a.json) >= epoch);
        answer_clear(&a);
        json_decref(e);
        n++;
    }
    assert_int_equal(n, EPOCHS);
    stream_close(&s);
    free(path);
}

static void kept_answers_are_the_same_and_go_with_their_job(void **state)
{
    (void)state;
    static const char *const views[] = { "/histograms", "/gradients.csv",
        "/gradients", "/histograms?layers=fc", "/profile", "/verdict",
        "/histograms?layers=conv1", "/histograms?layers=c*&epochs=1",
        "/histograms?layers=c*%26epochs=1" };       // one value: no such layer
    enum { N = sizeof views / sizeof *views };
    int64_t id = submit(&d, "well", 2, "");
    struct answer first[N], a;
    char known[100];

    run_to_end(&d, id, NULL);
    for (int i = 0; i < N; i++)
        first[i] = get_below(id, views[i], NULL);
    for (int i = 0; i < N; i++) {
        a = get_below(id, views[i], NULL);
        assert_int_equal(a.status, i < N - 1 ? 200 : 400);
        assert_string_equal(a.body, first[i].body);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(a.body, first[k].body);
        if (i < N - 1) {
            snprintf(known, sizeof known, "If-None-Match: %s",
                     answer_header(&a, "ETag"));
            struct answer none = get_below(id, views[i], known);
            assert_int_equal(none.status, 304);
            answer_clear(&none);
        }
        answer_clear(&a);
    }
    for (int i = 0; i < N; i++)
        answer_clear(&first[i]);
    char *path = xasprintf(JOBS "/%" PRId64, id);
    a = ask(&d, "DELETE", path, NULL, NULL);
    answer_clear(&a);
    for (int i = 0; i < N; i++) {
        a = get_below(id, views[i], NULL);
        assert_int_equal(a.status, 404);
        answer_clear(&a);
    }
    free(path);
}

static void packed_and_plain_are_kept_side_by_side(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 3, "");

    run_to_end(&d, id, NULL);
    struct answer plain = get_below(id, "/histograms", NULL);
    for (int i = 0; i < 4; i++) {
        struct answer a = get_below(id, "/histograms", i % 2 ? NULL
                                    : "Accept-Encoding: gzip");
        bool packed = !strcmp(answer_header(&a, "Content-Encoding"), "gzip");
        assert_int_equal(packed, i % 2 == 0);
        assert_int_equal(packed, a.len < plain.len);
        assert_string_equal(answer_header(&a, "Vary"), "Accept-Encoding");
        answer_clear(&a);
    }
    answer_clear(&plain);
}

// More different questions than are kept.
static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    int64_t id = submit(&d, "well", 3, "");
    char below[80];

    run_to_end(&d, id, NULL);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 150; i++) {
            snprintf(below, sizeof below, "/metrics?epochs=%d,%d", 1 + i % 3,
                     i + 3);
            struct answer a = get_below(id, below, NULL);
            assert_int_equal(a.status, 200);
            int n = 1 + (i % 3 < 2 && i == 0);
            assert_int_equal(json_array_size(json_object_get(a.json, "epochs")),
                             n);
            answer_clear(&a);
        }
}

// The daemon has to answer while a worker takes all cores.
static void a_worker_yields_to_the_daemon(void **state)
{
    (void)state;
    int64_t id = submit(&d, "hang", 1, ""), seq;
    char *path = xasprintf(JOBS "/%" PRId64 "/events", id), line[100] = "";
    struct stream s = stream_open(&d, path, -1);

    json_decref(stream_find(&s, "started", &seq));
    snprintf(line, sizeof line, "/proc/%d/task/%d/children", (int)d.pid,
             (int)d.pid);
    FILE *f = fopen(line, "r");
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    int own = getpriority(PRIO_PROCESS, (id_t)d.pid);
    int worker = getpriority(PRIO_PROCESS, (id_t)atoi(line));
    assert_true(worker > own || own == 19);     // 19 is the lowest there is
    strcpy(strstr(path, "/events"), "/cancel");
    struct answer a = ask(&d, "POST", path, NULL, NULL);
    assert_int_equal(a.status, 202);
    answer_clear(&a);
    json_decref(stream_find(&s, "cancelled", &seq));
    stream_close(&s);
    free(path);
}

static int number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? atoi(at + strlen(name)) : -1;
}

// -1 when there were too many scrapes.
static int watchers(void)
{
    struct answer a = ask(&d, "GET", "/metrics", NULL, NULL);
    int n = number_after(a.body, "\ngradwatch_watchers ");

    answer_clear(&a);
    return n;
}

static void wait_for_watchers(int want, double seconds)
{
    double until = clock_seconds() + seconds;
    int n;

    while ((n = watchers()) != want && clock_seconds() < until)
        usleep(PAUSE_US);
    assert_int_equal(n, want);
}

// They leave without a word to a connection that has nothing to send.
static void watchers_that_left_are_gone_within_30_s(void **state)
{
    (void)state;
    enum { MANY = 40, MOST_S = 30 };
    int fd[MANY];
    char *request = xasprintf("GET /api/v1/events HTTP/1.1\r\n"
                              "Host: 127.0.0.1:%d\r\n\r\n", d.port);

    for (int i = 0; i < MANY; i++) {
        fd[i] = dial(&d);
        send_text(fd[i], request);
    }
    wait_for_watchers(MANY, MOST_S);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    wait_for_watchers(0, MOST_S);
    free(request);
}

static void scrapes_are_limited(void **state)
{
    (void)state;
    json_t *api = get(&d, "/api/v1");
    int64_t most = json_integer_value(json_object_get(
        json_object_get(api, "limits"), "scrapes_per_second"));
    struct answer a = { .status = 200 };
    int n = 0;

    json_decref(api);
    assert_in_range(most, 1, 100);
    for (; a.status == 200 && n < 2000; n++) {
        answer_clear(&a);
        a = ask(&d, "GET", "/metrics", NULL, NULL);
    }
    assert_int_equal(a.status, 429);
    assert_true(n > most);
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    answer_clear(&a);
    a = ask(&d, "GET", "/healthz", NULL, NULL);
    assert_int_equal(a.status, 200);
    answer_clear(&a);
}

// Seconds until the daemon closes a connection that sends `begin`, then `drip`
// again and again: it is never silent.
static double seconds_until_closed(const char *begin, const char *drip)
{
    char *request = xasprintf(begin, d.port), byte;
    int fd = dial(&d);
    double start = clock_seconds();

    send_text(fd, request);
    free(request);
    while (recv(fd, &byte, 1, MSG_DONTWAIT) != 0 &&
           clock_seconds() - start < 60) {
        if (send(fd, drip, strlen(drip), MSG_NOSIGNAL) < 0)
            break;
        usleep(PAUSE_US);
    }
    close(fd);
    return clock_seconds() - start;
}

// The sweep comes once a second; the rest is a busy machine.
static const double early = 0.5, late = 25;

static void headers_have_ten_seconds_however_they_come(void **state)
{
    (void)state;
    double s = seconds_until_closed("GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                                    "X-A: ", "b");
    assert_true(s > 10 - early && s < 10 + late);
}

static void a_body_has_thirty_seconds_however_it_comes(void **state)
{
    (void)state;
    double s = seconds_until_closed("POST " JOBS " HTTP/1.1\r\n"
        "Host: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: 100000\r\n\r\n", " ");
    assert_true(s > 30 - early && s < 30 + late);
}

// Last, as there is no way back for whoever is not root.
static void no_more_watchers_than_descriptors_allow(void **state)
{
    const struct rlimit few = { 240, 240 };
    char *own = scratch_path(*state, "few"), text[200];
    int fd[256], n = 0, status = 429;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct daemon first = d;
    d = daemon_start(own, NULL);
    json_t *api = get(&d, "/api/v1");
    int most = (int)json_integer_value(json_object_get(
        json_object_get(api, "limits"), "watchers"));
    json_decref(api);
    assert_in_range(most, 16, 200);
    for (; n < most; n++) {
        snprintf(text, sizeof text, "GET /api/v1/events HTTP/1.1\r\n"
                 "Host: 127.0.0.1:%d\r\n\r\n", d.port);
        fd[n] = dial(&d);
        send_text(fd[n], text);
        assert_int_equal(recv(fd[n], text, 12, MSG_WAITALL), 12);
        assert_memory_equal(text, "HTTP/1.1 200", 12);
    }
    struct answer a = ask(&d, "GET", "/api/v1/events", NULL, NULL);
    assert_int_equal(a.status, 429);
    assert_true(atoi(answer_header(&a, "Retry-After")) > 0);
    answer_clear(&a);
    close(fd[--n]);             // leaves room for another one
    snprintf(text, sizeof text, "GET /api/v1/events HTTP/1.1\r\n"
             "Host: 127.0.0.1:%d\r\n\r\n", d.port);
    for (double until = clock_seconds() + 30;
         status == 429 && clock_seconds() < until; usleep(PAUSE_US))
        status = status_of(&d, text);
    assert_int_equal(status, 200);
    while (n > 0)
        close(fd[--n]);
    assert_int_equal(daemon_stop(&d), 0);
    d = first;
    free(own);
}

static int setup(void **state)
{
    char *dir = scratch_new(), *own = scratch_path(dir, "state");

    *state = dir;
    d = daemon_start(own, NULL);
    free(own);
    return 0;
}

static int teardown(void **state)
{
    int rc = daemon_stop(&d);

    scratch_remove(*state);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_answers_are_never_older_than_an_event),
        cmocka_unit_test(kept_answers_are_the_same_and_go_with_their_job),
        cmocka_unit_test(packed_and_plain_are_kept_side_by_side),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(a_worker_yields_to_the_daemon),
        cmocka_unit_test(scrapes_are_limited),
        cmocka_unit_test(watchers_that_left_are_gone_within_30_s),
        cmocka_unit_test(headers_have_ten_seconds_however_they_come),
        cmocka_unit_test(no_more_watchers_than_descriptors_allow),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test(a_body_has_thirty_seconds_however_it_comes),
    };
    if (getenv("GRADWATCH_LONG"))
        return cmocka_run_group_tests(slow, setup, teardown);
    return cmocka_run_group_tests(tests, setup, teardown);
}
