/* verdict and compare in a terminal, against prepared answers. */
#include "tests/canned.h"
#include "tests/client_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JSON(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"     \
    "Connection: close\r\n\r\n" body

static struct ran r;            // large

#define RUN(s, ...)                                                            \
    do {                                                                       \
        canned_start(s);                                                       \
        client_run(&r, (s)->url, "", __VA_ARGS__, NULL);                       \
        canned_stop(s);                                                        \
    } while (0)

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_verdict(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON(
        "{\"job\": 7, \"verdict\": \"vanishing\", \"summary\": \"gradients "
        "vanish: \\u001b[2J\", \"evidence\": [{\"rule\": \"slope\", \"value\": "
        "-0.43, \"threshold\": -0.2, \"layers\": [\"conv1\", \"fc\"], "
        "\"epochs\": [4], \"decides\": true}, {\"rule\": \"loss\", \"value\": "
        "null, \"threshold\": 2, \"layers\": [], \"epochs\": [0], \"decides\": "
        "false}], \"epochs\": [{\"epoch\": 1, \"verdict\": \"healthy\"}, "
        "{\"epoch\": 2, \"verdict\": \"vanishing\"}, {\"epoch\": 4, "
        "\"verdict\": \"vanishing\"}]}")}, .n_answers = 1};
    RUN(&s, "verdict", "7");
    assert_int_equal(r.status, 1);
    assert_has(s.requests[0], "GET /api/v1/jobs/7/verdict HTTP");
    assert_has(r.out, "job 7: vanishing\ngradients vanish: \\x1b[2J\n"
                      "epochs: 1 healthy, 2-4 vanishing\n");
    assert_has(r.out, "slope  -0.430");
    assert_has(r.out, "decides  conv1 fc");
    assert_has(r.out, "step 0");
}

static void test_healthy_is_a_yes(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON(
        "{\"job\": 7, \"verdict\": \"healthy\", \"summary\": \"fine\"}")},
        .n_answers = 1};
    RUN(&s, "verdict", "7");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "job 7: healthy\nfine\n");
}

#define COMPARISON JSON("{\"quantity\": \"grad_out\", \"epochs\": [1, 2], "    \
    "\"layers\": {\"conv1\": {\"log10_ratio\": -0.5, \"interval\": [-0.6, "    \
    "null], \"p\": 0.01, \"q\": 0.02, \"differs\": true}}, \"summary\": "      \
    "\"conv1 is smaller\"}")

static void test_compare(void **state)
{
    (void)state;
    static const struct { const char *args[4], *asks; } rows[] = {
        {{"1", "2"}, "GET /api/v1/compare?jobs=1,2 HTTP"},
        {{"1", "2", "--epochs", "all"}, "?jobs=1,2 HTTP"},
        {{"1", "2", "--layers", "conv*"}, "&layers=conv%2A HTTP"},
        {{"1,2,3", "4,5,6"}, "?jobs=1,2,3&against=4,5,6 HTTP"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *a = rows[i].args;
        struct canned s = {.answers = {COMPARISON}, .n_answers = 1};
        RUN(&s, "compare", a[0], a[1], a[2], a[3]);
        assert_int_equal(r.status, 0);
        assert_has(s.requests[0], rows[i].asks);
        assert_has(r.out, "grad_out of the second over the first, epochs [1");
        assert_has(r.out, "0.316  0.251");
        assert_has(r.out, "differs");
        assert_has(r.out, "\nconv1 is smaller\n");
    }
}

static void test_probe(void **state)
{
    (void)state;
    static const char answer[] = JSON("{\"job\": 7, \"probes\": [{\"epoch\": "
        "1, \"step\": 0, \"images\": 8, \"seconds\": 0.5, \"layers\": "
        "{\"fc\": {\"cosine\": 0.25, \"confusion\": -0.5, \"snr\": null}}}, "
        "{\"epoch\": 2, \"step\": 40, \"images\": 8, \"seconds\": 0.5, "
        "\"layers\": {}}]}");
    struct canned s = {.answers = {answer}, .n_answers = 1};
    RUN(&s, "probe", "7", "--layers", "fc", "--step", "0");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "GET /api/v1/jobs/7/probe?layers=fc HTTP");
    assert_has(r.out, "before step 0 (epoch 1), 8 images, 0.5 s\n");
    assert_has(r.out, "fc      0.250     -0.500    -");
    struct canned last = {.answers = {answer}, .n_answers = 1};
    RUN(&last, "probe", "7");
    assert_has(r.out, "before step 40 (epoch 2)");
    struct canned none = {.answers = {answer}, .n_answers = 1};
    RUN(&none, "probe", "7", "--step", "3");
    assert_int_equal(r.status, 1);
    assert_has(r.err, "there is no such probe");
}

// 15 columns for -1 to 1 decades: a seventh each. And beside a verdict its
// numbers over their limits, which are at two thirds of 12 columns.
static void test_pictures(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON(
        "{\"quantity\": \"q\", \"epochs\": [1], "
        "\"layers\": {\"a\": {\"log10_ratio\": -0.5, \"interval\": [-0.86, "
        "-0.3]}, \"b\": {\"log10_ratio\": 0.43, \"interval\": [null, null]}}, "
        "\"summary\": \"s\"}")}, .n_answers = 1};
    RUN(&s, "compare", "1", "2", "--ascii");
    assert_has(r.out, "0.1x   1x   10x\n");
    assert_has(r.out, " [--o] |       \n");
    assert_has(r.out, "        |  o    \n");

    struct canned v = {.answers = {JSON("{\"verdict\": \"healthy\", "
        "\"evidence\": [{\"rule\": \"a\", \"value\": -0.1, \"threshold\": "
        "-0.2}, {\"rule\": \"b\", \"value\": 5, \"threshold\": 1}]}")},
        .n_answers = 1};
    RUN(&v, "verdict", "7", "--ascii");
    assert_has(r.out, "  ####    |     ");
    assert_has(r.out, "  ###########>  ");
}

#define JOBS(n) "{\"id\": " #n "}"

static void test_sweep(void **state)
{
    (void)state;
    struct canned s = {.answers = {"HTTP/1.1 201 Created\r\nContent-Type: "
        "application/json\r\nConnection: close\r\n\r\n{\"group\": \"g\", "
        "\"jobs\": [" JOBS(7) ", " JOBS(8) "]}"}, .n_answers = 1};
    RUN(&s, "submit", "--group", "g", "--lr", "0.5", "--sweep",
        "skip=true,layer1 model.norm=none train.seed=0..2,9");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], "POST /api/v1/sweeps HTTP");
    assert_has(s.requests[0], "{\"spec\":{\"group\":\"g\",\"train\":{\"lr\":0.5"
        "}},\"sweep\":{\"model.skip\":[true,[\"layer1\"]],\"model.norm\":"
        "[\"none\"],\"train.seed\":[0,1,2,9]}}");
    assert_string_equal(r.out, "7\n8\n");
    assert_has(r.err, "queued 2 jobs as g; see them with: gradwatch list "
                      "--group g\n");
}

// As many values as a sweep may have; the last number that there is.
static void test_long_ranges(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON("{}")}, .n_answers = 1};
    RUN(&s, "submit", "--sweep", "seed=0..255", "--group", "g");
    assert_int_equal(r.status, 0);
    assert_has(s.requests[0], ",254,255]");

    struct canned last = {.answers = {JSON("{}")}, .n_answers = 1};
    RUN(&last, "submit", "--group", "g", "--sweep",
        "seed=9223372036854775806..9223372036854775807,3..2");
    assert_has(last.requests[0], "[9223372036854775806,9223372036854775807,"
                                 "\"3..2\"]");
}

static void test_wrong_sweeps(void **state)
{
    (void)state;
    static const struct { const char *sweep, *says; } rows[] = {
        {"", "--sweep needs one or more FIELD=VALUE"},
        {"train.sed=1", "\"train.sed\" is no field of a job"},
        {"every=1,2 image=3", "\"image\" is no field of a job"},
        {"seed", "\"seed\" lacks its values"},
        {"seed=1 train.seed=2", "train.seed is given twice"},
        {"seed=0..999999999", "train.seed=0..999999999 is too long: a sweep "
         "makes at most 256 jobs"},
        {"seed=0..256", "train.seed=0..256 is too long"},
        {"seed=1,-9223372036854775808..9223372036854775807", "is too long"},
        {"seed=0..99999999999999999999", "is too long"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct canned s = {.answers = {""}, .n_answers = 1};
        RUN(&s, "submit", "--sweep", rows[i].sweep);
        assert_int_equal(r.status, 2);
        assert_has(r.err, rows[i].says);
    }
}

static void test_group(void **state)
{
    (void)state;
    struct canned s = {.answers = {JSON("{\"group\": \"g\", \"states\": "
        "{\"done\": 3}, \"sets\": [{\"label\": \"skip=true\", \"jobs\": "
        "[4, 5, 6], \"seeds\": [0, 1, 2]}]}")}, .n_answers = 1};
    RUN(&s, "group", "g");
    assert_has(s.requests[0], "GET /api/v1/groups/g HTTP");
    assert_has(r.out, "4 5 6  0 1 2  skip=true\n");
    assert_has(r.out, "\n3 done\n");

    struct canned list = {.answers = {JSON("{\"jobs\": []}")}, .n_answers = 1};
    RUN(&list, "list", "--group", "g");
    assert_has(list.requests[0], "/jobs?limit=100&group=g HTTP");

    struct canned end = {.answers = {JSON("{\"cancelled\": [4, 5]}")},
                         .n_answers = 1};
    RUN(&end, "cancel", "--group", "g");
    assert_has(end.requests[0], "POST /api/v1/groups/g/cancel HTTP");
    assert_has(r.err, "2 jobs are being cancelled");

    struct canned all = {.answers = {JSON("{\"base\": \"skip=true\", "
        "\"left_out\": [9], \"comparisons\": [{\"label\": \"skip=false\", "
        "\"comparison\": {\"quantity\": \"grad_out\", \"epochs\": [1], "
        "\"layers\": {}, \"summary\": \"no difference\"}}]}")},
        .n_answers = 1};
    RUN(&all, "compare", "--group", "g", "--epochs", "last");
    assert_has(all.requests[0], "/groups/g/compare?epochs=last HTTP");
    assert_has(r.out, "skip=false over skip=true:\n");
    assert_has(r.out, "no difference\n");
    assert_has(r.err, "left out, no whole epoch yet: 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_healthy_is_a_yes),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_long_ranges),
        cmocka_unit_test(test_wrong_sweeps),
        cmocka_unit_test(test_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
