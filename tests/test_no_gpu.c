/* gradwatch-train on a machine without the CUDA module, with one that is none,
 * and with one that finds no device: why there is none is told in one line,
 * auto takes the CPU. The program is copied to where nothing lies beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "scratch.h"

#define SPEC(device) "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625},"    \
    "\"data\":{\"image_size\":32,\"synthetic\":{\"classes\":2,\"images\":4,"   \
    "\"size\":32}},\"device\":\"" device "\",\"train\":{\"epochs\":1,"         \
    "\"batch\":4}}"

static char *dir;

static char *beside(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static void copy(const char *from, const char *to)
{
    char *command = xasprintf("cp '%s' '%s'", from, to);

    assert_int_equal(system(command), 0);
    free(command);
}

static int set_up(void **state)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    (void)state;
    self[n > 0 ? n : 0] = 0;
    dir = scratch_new();
    char *from = xasprintf("%s/../worker/gradwatch-train", dirname(self));
    char *to = beside("gradwatch-train");
    copy(from, to);
    setenv("GRADWATCH_TEST_WORKER", to, 1);
    free(from);
    free(to);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

// What --probe notes, without its "cuda: ". Caller owns.
static char *note(void)
{
    json_t *events;

    assert_int_equal(program_run("", (const char *[]){ "--probe", NULL },
                                 &events), 0);
    const json_t *notes = json_object_get(json_array_get(events, 0), "notes");
    const char *text = json_string_value(json_array_get(notes, 0));
    char *copied = text && !strncmp(text, "cuda: ", 6) ? xstrdup(text + 6)
                                                       : NULL;
    json_decref(events);
    return copied;
}

static void refused_with(const char *why)
{
    char *want = xasprintf("no device cuda: %s", why);
    json_t *events, *error;

    assert_int_equal(program_run(SPEC("cuda"), NULL, &events), 7);
    assert_int_equal(json_array_size(events), 1);
    error = json_object_get(json_array_get(events, 0), "error");
    assert_string_equal(json_string_value(json_object_get(error, "message")),
                        want);
    assert_string_equal(json_string_value(json_object_get(error, "code")),
                        "device");
    json_decref(events);
    free(want);
}

static void auto_takes_the_cpu(void)
{
    json_t *events, *e;
    size_t i;
    int n = 0;

    assert_int_equal(program_run(SPEC("auto"), NULL, &events), 0);
    json_array_foreach(events, i, e) {
        const json_t *device = json_object_get(e, "device");
        if (!device)
            continue;
        n++;
        assert_string_equal(json_string_value(json_object_get(device,
                            "backend")), "cpu");
    }
    assert_int_equal(n, 1);
    json_decref(events);
}

// cmocka's own way of skipping reads "not ok" in TAP, which is a failure.
static void skipped(const char *why)
{
    fprintf(stderr, "skipped: %s\n", why);
}

static void no_module(void **state)
{
    char *why = note();

    (void)state;
    if (!why || strcmp(why, "libgradwatch-cuda.so is not installed") != 0) {
        skipped("the module is installed on this machine");
    } else {
        refused_with(why);
        auto_takes_the_cpu();
    }
    free(why);
}

static void no_module_of_ours(void **state)
{
    char *path = beside("libgradwatch-cuda.so");
    FILE *f = fopen(path, "w");

    (void)state;
    fputs("not a library", f);
    fclose(f);
    char *why = note();
    assert_non_null(why);
    assert_non_null(strstr(why, "libgradwatch-cuda.so: "));
    refused_with(why);
    auto_takes_the_cpu();
    unlink(path);
    free(why);
    free(path);
}

static void no_device(void **state)
{
    const char *module = getenv("GRADWATCH_CUDA");
    char *path = beside("libgradwatch-cuda.so");

    (void)state;
    if (!module) {
        skipped("this build has no module");
        free(path);
        return;
    }
    copy(module, path);
    char *why = note();
    if (!why) {
        skipped("a GPU answers");
    } else {
        assert_string_equal(why, "no GPU of compute capability "
                            "8.0 or later answers");
        refused_with(why);
        auto_takes_the_cpu();
    }
    free(why);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_module),
        cmocka_unit_test(no_module_of_ours),
        cmocka_unit_test(no_device),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
