// The daemon when much is asked of it: answers that it keeps, limits, what is
// closed, and who goes first.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

#define JOBS "/api/v1/jobs"

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
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
