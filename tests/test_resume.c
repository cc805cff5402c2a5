// A run that is killed and goes on gives the numbers of one that was not: every
// epoch event but for its times, and every byte of the last checkpoint.
#include "common/event.h"
#include "program.h"
#include "scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>     // last: its macro fail() would hide the project's

#ifndef DEVICE
#define DEVICE "cpu"
#define LONG_IMAGES "600"
#define LONG_PROBE "[5,305,605,905]"
#endif

enum { EPOCHS = 4 };

#define SPEC(device, optimizer) "{\"model\":{\"arch\":\"resnet18\"," \
    "\"width\":0.0625},\"data\":{\"image_size\":16,\"augment\":\"crop-flip\"," \
    "\"synthetic\":{\"classes\":3,\"images\":22,\"size\":16}}," \
    "\"device\":\"" device "\",\"train\":{\"epochs\":4,\"batch\":8," \
    "\"optimizer\":\"" optimizer "\",\"schedule\":\"cosine\"}," \
    "\"checkpoint\":{\"initial\":true}}"

static char *dir;

static int fresh_dir(void **state)
{
    (void)state;
    setenv("OMP_NUM_THREADS", "2", 1);
    dir = scratch_new();
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

static char *in_dir(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static bool is(const json_t *event, const char *type)
{
    return !strcmp(json_string_value(json_object_get(event, "type")), type);
}

static json_int_t integer(const json_t *event, const char *key)
{
    return json_integer_value(json_object_get(event, key));
}

// What of an event does not depend on the clock.
static char *plain(json_t *event)
{
    static const char *const clocks[] = { "time", "duration_seconds",
        "images_per_second", "recording_share", "probe_seconds"
    };
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        json_object_del(event, clocks[i]);
    return event_text(event);
}

struct seen {                   // of a job, over all its attempts
    char *epochs[EPOCHS + 1], *checkpoints[EPOCHS + 1];
    int   warnings;
};

// Keeps the text; one of the same epoch must be the same.
static void keep(char **to, json_t *event)
{
    char *text = plain(event);
    if (*to)
        assert_string_equal(*to, text);
    free(*to);
    *to = text;
}

// One attempt, killed after `events` of them (0: never). True when it is done.
static bool attempt(const char *spec, const char *const *args, int events,
                    struct seen *seen)
{
    struct program p = program_start(spec, args);
    bool done = false;
    json_t *e;

    for (int i = 1; (e = program_next(&p)); i++) {
        if (is(e, "failed"))
            fail_msg("%s", event_text(e));
        seen->warnings += is(e, "warning");
        done = is(e, "finished");
        if (is(e, "epoch"))
            keep(&seen->epochs[integer(e, "epoch")], e);
        if (is(e, "checkpoint"))
            keep(&seen->checkpoints[integer(e, "epoch")], e);
        json_decref(e);
        if (i == events)
            kill(p.pid, SIGKILL);
    }
    program_end(&p);
    return done;
}

static void clear(struct seen *s)
{
    for (int i = 0; i <= EPOCHS; i++) {
        free(s->epochs[i]);
        free(s->checkpoints[i]);
    }
    *s = (struct seen){ 0 };
}

static void compare(const struct seen *a, const struct seen *b)
{
    for (int i = 0; i <= EPOCHS; i++) {
        if (i)
            assert_string_equal(a->epochs[i], b->epochs[i]);
        assert_string_equal(a->checkpoints[i], b->checkpoints[i]);
    }
}

static void same_files(const char *a, const char *b)
{
    char *command = xasprintf("diff -r %s %s", a, b);
    assert_int_equal(system(command), 0);
    free(command);
}

// Killed after 2, 3, ... events of each attempt, until one attempt gets
// through. Kills fall before, between and behind epochs and checkpoints.
static void survives(const char *spec)
{
    char *whole = in_dir("whole"), *broken = in_dir("broken");
    const char *const args[] = { "--checkpoints", whole, NULL };
    const char *const again[] = { "--checkpoints", broken,
                                  "--resume", broken, NULL };
    struct seen want = { 0 }, got = { 0 };
    int attempts = 1;

    assert_true(attempt(spec, args, 0, &want));
    while (!attempt(spec, again, 1 + attempts, &got))
        assert_true(attempts++ < 30);
    assert_true(attempts > 2);
    compare(&want, &got);
    same_files(whole, broken);
    clear(&want);
    clear(&got);
    free(whole);
    free(broken);
}

static void test_sgd(void **state)
{
    (void)state;
    survives(SPEC(DEVICE, "sgd"));
}

static void test_adam(void **state)
{
    (void)state;
    survives(SPEC(DEVICE, "adamw"));
}

static void test_reference(void **state)
{
    (void)state;
    survives(SPEC("reference", "adam"));
}

// More steps an epoch than are handed over at a time. A probe near the start of
// each tells that it began, as live events may all fall behind the end.
#define LONG_SPEC "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625}," \
    "\"data\":{\"image_size\":16,\"synthetic\":{\"classes\":3," \
    "\"images\":" LONG_IMAGES ",\"size\":16}}," \
    "\"record\":{\"probe\":" LONG_PROBE ",\"probe_images\":2}," \
    "\"device\":\"" DEVICE "\",\"train\":{\"epochs\":4," \
    "\"batch\":2,\"optimizer\":\"adam\",\"lr\":0.001}," \
    "\"checkpoint\":{\"initial\":true}}"

enum { STOPS = 3, STEPS = 4 * 300 };

// Stopped in order when a live event or a probe tells that an epoch is on its
// way, until that was within an epoch so often; what was trained is not
// trained again. Each attempt takes a step at least, so the job ends whatever
// else the machine does.
static void test_stopped(void **state)
{
    (void)state;
    char *spec = xstrdup(LONG_SPEC), *whole = in_dir("whole");
    char *broken = in_dir("broken");
    char *partial = in_dir("broken/partial.safetensors");
    const char *const args[] = { "--checkpoints", whole, NULL };
    const char *const again[] = { "--checkpoints", broken,
                                  "--resume", broken, NULL };
    struct seen want = { 0 }, got = { 0 };
    int attempts = 0, partials = 0;
    bool done = false;

    // Several hundred tiny steps: on a busy machine two threads would wait for
    // each other most of the time.
    setenv("OMP_NUM_THREADS", "1", 1);
    assert_true(attempt(spec, args, 0, &want));
    for (; !done && attempts <= STEPS; attempts++) {
        struct program p = program_start(spec, again);
        json_t *e;
        while ((e = program_next(&p))) {
            if (is(e, "failed"))
                fail_msg("%s", event_text(e));
            if ((is(e, "live") || is(e, "probe")) && partials < STOPS)
                kill(p.pid, SIGTERM);
            if (is(e, "epoch") &&
                json_is_true(json_object_get(e, "complete")))
                keep(&got.epochs[integer(e, "epoch")], e);
            if (is(e, "checkpoint"))
                keep(&got.checkpoints[integer(e, "epoch")], e);
            done = is(e, "finished");
            json_decref(e);
        }
        assert_int_equal(program_end(&p), done ? 0 : 3);
        partials += access(partial, F_OK) == 0;
    }
    assert_true(done);
    assert_true(partials > 0);
    compare(&want, &got);
    same_files(whole, broken);
    clear(&want);
    clear(&got);
    free(spec);
    free(whole);
    free(broken);
    free(partial);
}

// Stops in an epoch behind the first; true when it left some steps of it.
static bool stops_within(const char *spec, const char *const *args,
                         const char *partial)
{
    struct program p = program_start(spec, args);
    bool stopped = false;
    json_t *e;

    while ((e = program_next(&p))) {
        if ((is(e, "live") || is(e, "probe")) && integer(e, "epoch") > 1 &&
            !stopped)
            stopped = kill(p.pid, SIGTERM) == 0;
        json_decref(e);
    }
    program_end(&p);
    return access(partial, F_OK) == 0;
}

// Of which nobody heard: its epochs are trained again, as nothing else is left.
static void test_a_stop_that_was_not_recorded(void **state)
{
    (void)state;
    char *whole = in_dir("whole"), *broken = in_dir("broken");
    char *partial = in_dir("broken/partial.safetensors");
    const char *const args[] = { "--checkpoints", whole, NULL };
    const char *const first[] = { "--checkpoints", broken, NULL };
    const char *const again[] = { "--checkpoints", broken, "--resume", broken,
                                  "--recorded", "0", NULL };
    struct seen want = { 0 }, got = { 0 };
    int tries = 1;

    setenv("OMP_NUM_THREADS", "1", 1);
    assert_true(attempt(LONG_SPEC, args, 0, &want));
    while (!stops_within(LONG_SPEC, first, partial))
        assert_true(tries++ < 50);      // the machine is busy: the end came
    assert_true(attempt(LONG_SPEC, again, 0, &got));
    compare(&want, &got);
    clear(&want);
    clear(&got);
    free(whole);
    free(broken);
    free(partial);
}

static void flip(const char *path)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    off_t at = lseek(fd, 0, SEEK_END) - 100;

    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 4;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

// Of the newest ones that are there, the one that is whole is used.
static void test_damaged(void **state)
{
    (void)state;
    char *spec = xstrdup(SPEC(DEVICE, "sgd")), *cp = in_dir("cp");
    char *last = in_dir("cp/epoch-000004.safetensors");
    char *third = in_dir("cp/epoch-000003.safetensors");
    const char *const args[] = { "--checkpoints", cp, "--resume", cp, NULL };
    const char *const file[] = { "--resume", last, NULL };
    struct seen want = { 0 }, got = { 0 };
    json_t *events;

    assert_true(attempt(spec, args, 0, &want));
    flip(last);
    assert_true(attempt(spec, args, 0, &got));      // from 3
    assert_int_equal(got.warnings, 1);
    assert_null(got.epochs[3]);
    assert_string_equal(want.epochs[4], got.epochs[4]);
    assert_string_equal(want.checkpoints[4], got.checkpoints[4]);
    clear(&got);

    flip(last);
    flip(third);                                    // none is left
    assert_true(attempt(spec, args, 0, &got));
    assert_int_equal(got.warnings, 2);
    compare(&want, &got);
    flip(last);                                     // asked for by name
    assert_int_equal(program_run(spec, file, &events), 5);
    clear(&want);
    clear(&got);
    json_decref(events);
    free(spec);
    free(cp);
    free(last);
    free(third);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, fresh_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(test_sgd), IN_DIR(test_stopped), IN_DIR(test_adam),
        IN_DIR(test_reference), IN_DIR(test_damaged),
        IN_DIR(test_a_stop_that_was_not_recorded),
    };
    const struct CMUnitTest few[] = { IN_DIR(test_sgd), IN_DIR(test_stopped) };

    if (strcmp(DEVICE, "cpu") != 0)     // the others are not about the device
        return cmocka_run_group_tests(few, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
