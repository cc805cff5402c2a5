/* The client and the daemon together, with the fake worker: every command
 * against what is really served. */
#include "daemon.h"
#include "tests/client_run.h"
#include "tests/scratch.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

struct place {                  // where a test runs
    char         *dir;
    struct daemon daemon;
    char          url[64];
};

static int set_up(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);

    p->dir = scratch_new();
    p->daemon = daemon_start(p->dir, NULL);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d", p->daemon.port);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    daemon_stop(&p->daemon);
    scratch_remove(p->dir);
    free(p);
    return 0;
}

static struct ran r;            // large, and one at a time

#define RUN(...) client_run(&r, ((struct place *)*state)->url, "",             \
                            __VA_ARGS__, NULL)

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_a_job_from_beginning_to_end(void **state)
{
    RUN("submit", "-q", "--name", "mine", "--epochs", "2");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "1\n");
    RUN("watch", "1");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "job 1: queued, \"mine\"\n");
    assert_has(r.out, "job 1: epoch 2/2  loss 1.000  accuracy 50.0 %");
    assert_has(r.out, "job 1: done\n");
    RUN("wait", "1", "--timeout", "100");
    assert_int_equal(r.status, 0);
    RUN("list");
    assert_has(r.out, "mine");
    assert_has(r.out, "2/2");
    RUN("list", "-q", "--state", "done");
    assert_string_equal(r.out, "1\n");
    RUN("list", "--state", "queued");
    assert_string_equal(r.out, "");
    RUN("show", "1");
    assert_has(r.out, "a machine");
    assert_has(r.out, "train.epochs");
    RUN("log", "1");
    assert_int_equal(r.status, 0);
    RUN("cancel", "1");
    assert_int_equal(r.status, 4);
    assert_has(r.err, "job 1 is done");
    RUN("rm", "1");
    assert_int_equal(r.status, 0);
    RUN("show", "1");
    assert_int_equal(r.status, 3);
}

static void test_records(void **state)
{
    struct place *p = *state;
    char *csv = scratch_path(p->dir, "a.csv");

    RUN("submit", "--epochs", "2", "--follow");
    assert_int_equal(r.status, 0);
    // In epoch e the values are e * 1e-3 times 1..4: median e * 2.5e-3.
    RUN("gradients", "1");
    assert_int_equal(r.status, 0);
    assert_has(r.out, " 0.00500 ");
    RUN("gradients", "1", "--epochs", "all", "--layers", "conv1");
    assert_has(r.out, " 0.00250 ");
    assert_null(strstr(r.out, "fc"));
    RUN("gradients", "1", "--csv");
    assert_has(r.out, "1,1,grad_out,conv1,0,0,0.001");
    RUN("--json", "gradients", "1", "--epochs", "1");
    assert_has(r.out, "\"quantity\":");
    RUN("histogram", "1");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "conv1");
    assert_has(r.out, "1e-3");
    RUN("histogram", "1", "--layers", "nothing");
    assert_int_equal(r.status, 2);
    assert_has(r.err, "nothing");
    RUN("profile", "1");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "depth");
    RUN("verdict", "1");            // of two layers
    assert_int_equal(r.status, 1);
    assert_has(r.out, "job 1: unknown\n");
    RUN("submit", "--epochs", "2", "--follow");
    RUN("compare", "1", "2");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "no layer of 2 differs between these two runs");
    RUN("compare", "1", "9");
    assert_int_equal(r.status, 3);
    RUN("compare", "1", "x");
    assert_int_equal(r.status, 2);
    static const struct { const char *args[4], *has; } tables[] = {
        { { "list", "--csv" }, "id,name,state,group,arch,seed,priority," },
        { { "histogram", "1", "--csv" }, ",grad_out,conv1," },
        { { "profile", "1", "--csv" }, ",grad_out,conv1," },
        { { "compare", "1", "2", "--csv" }, "conv1," },
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const char *const *a = tables[i].args;
        RUN(a[0], a[1], a[2], a[3]);
        assert_int_equal(r.status, 0);
        assert_has(r.out, tables[i].has);
        assert_null(strchr(r.out, '{'));
    }
    RUN("export", "1", "-o", csv);
    assert_int_equal(r.status, 0);
    assert_int_equal(access(csv, F_OK), 0);
    RUN("gradients", "1", "--epochs", "x");
    assert_int_equal(r.status, 2);
    free(csv);
}

static void test_ends_that_are_not_good(void **state)
{
    static const struct { const char *name, *says; } rows[] = {
        {"fail", "failed: no images here"},
        {"diverge", "diverged: the loss is not finite"},
        {"crash", "failed: "},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        RUN("submit", "--follow", "--name", rows[i].name);
        assert_int_equal(r.status, 1);
        assert_has(r.out, rows[i].says);
    }
    RUN("wait", "1", "2", "3");
    assert_int_equal(r.status, 1);
}

static void test_cancel_and_wait(void **state)
{
    RUN("submit", "-q", "--name", "hang");
    RUN("wait", "1", "--timeout", "0");
    assert_int_equal(r.status, 124);
    RUN("cancel", "1");
    assert_int_equal(r.status, 0);
    RUN("wait", "1");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out, "job 1: cancelled\n");
}

static void test_steering(void **state)
{
    RUN("submit", "-q", "--name", "hang");
    RUN("submit", "-q", "--name", "well", "--epochs", "1");
    RUN("pause", "2");
    assert_int_equal(r.status, 0);
    RUN("list", "-q", "--state", "paused");
    assert_string_equal(r.out, "2\n");
    RUN("resume", "2");
    assert_int_equal(r.status, 0);
    RUN("resume", "2");
    assert_int_equal(r.status, 4);
    RUN("clone", "2", "-q", "--epochs", "2");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, "3\n");
    RUN("clone", "2", "--epochs", "0");
    assert_int_equal(r.status, 2);
    RUN("move", "3", "--before", "2");
    assert_int_equal(r.status, 0);
    RUN("move", "3");
    assert_int_equal(r.status, 2);
    RUN("cancel", "1");
    RUN("wait", "2", "3");
    assert_int_equal(r.status, 0);
    RUN("move", "3", "--last");
    assert_int_equal(r.status, 4);
}

static void test_bad_specs(void **state)
{
    RUN("submit", "--batch", "1", "--epochs=0");
    assert_int_equal(r.status, 2);
    assert_has(r.err, "train.batch must be");
    assert_has(r.err, "(is 1)");
    assert_has(r.err, "train.epochs must be");
    RUN("submit", "--data", "nowhere");
    assert_int_equal(r.status, 2);
    assert_has(r.err, "data.root");
    RUN("submit", "--dry-run", "--skip=layer3");
    assert_int_equal(r.status, 0);
    assert_has(r.out, "[\"layer3\"]");
    assert_has(r.out, "parameters held");
    RUN("list", "-q");
    assert_string_equal(r.out, "");
}

static void test_what_there_is(void **state)
{
    RUN("models");
    assert_has(r.out, "resnet50");
    RUN("models", "resnet50", "--no-skip");
    assert_has(r.out, "layer4.2.conv3");
    assert_has(r.out, "23,917,832");
    assert_has(r.out, "21,141,256");
    RUN("models", "resnet51");
    assert_int_equal(r.status, 3);
    RUN("datasets");
    assert_has(r.out, "synthetic");
    RUN("devices");
    assert_int_equal(r.status, 0);
    RUN("status");
    assert_has(r.out, "gradwatch");
    RUN("version");
    assert_has(r.out, "gradwatchd ");
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_job_from_beginning_to_end),
        ROW(test_records),
        ROW(test_ends_that_are_not_good),
        ROW(test_cancel_and_wait),
        ROW(test_steering),
        ROW(test_bad_specs),
        ROW(test_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
