/* gradwatch-train from outside: decoded images are kept for later jobs, as many
 * as --cache-limit allows. */
#include "program.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/dump.h"
#include "tests/scratch.h"
#include <cmocka.h>

enum { IMAGES = 4, EXIT_USAGE = 2 };

static int start(void **state)
{
    static const char *const sets[] = { "one", "two" };
    size_t len;
    uint8_t *image = dump_load("image_rgb.png", &len);

    *state = scratch_new();
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < IMAGES; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s/class/%d.png", sets[s], i);
            scratch_write(*state, name, image, len);
        }
    free(image);
    return 0;
}

static int stop(void **state)
{
    scratch_remove(*state);
    return 0;
}

// The last reason of a warning about the cache, or NULL: caller owns.
static char *train(const char *dir, const char *set, const char *limit,
                   int want_code)
{
    char *data = xasprintf("r=%s", dir), *cache = xasprintf("%s/cache", dir);
    char *spec = xasprintf(
        "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625},"
        "\"device\":\"cpu\","
        "\"data\":{\"root\":\"r\",\"path\":\"%s\",\"image_size\":16},"
        "\"record\":{\"layers\":[]},"
        "\"train\":{\"epochs\":1,\"batch\":4}}", set);
    const char *const args[] = { "--data", data, "--cache", cache,
                                 "--cache-limit", limit, NULL };
    json_t *events, *e;
    char *reason = NULL;
    size_t i;

    assert_int_equal(program_run(spec, args, &events), want_code);
    json_array_foreach(events, i, e) {
        const char *code = json_string_value(json_object_get(e, "code"));
        if (code && strcmp(code, "cache") == 0) {
            free(reason);
            reason = xstrdup(json_string_value(json_object_get(e, "reason")));
        }
    }
    json_decref(events);
    free(spec);
    free(cache);
    free(data);
    return reason;
}

// How many files are in the cache; the last of them in name.
static int kept(const char *dir, char name[256])
{
    char *cache = xasprintf("%s/cache", dir);
    DIR *d = opendir(cache);
    struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            snprintf(name, 256, "%s", e->d_name);
            n++;
        }
    if (d)
        closedir(d);
    free(cache);
    return n;
}

// A set takes 4 KiB and 16 x 16 x 3 + 4 bytes an image: 7 KiB. 0.00001 GiB are
// 10.5 KiB, room for one.
static void one_makes_place_for_the_other(void **state)
{
    char first[256] = "", second[256] = "";

    assert_null(train(*state, "one", "0.00001", 0));
    assert_int_equal(kept(*state, first), 1);
    assert_null(train(*state, "two", "0.00001", 0));
    assert_int_equal(kept(*state, second), 1);
    assert_string_not_equal(first, second);
    assert_null(train(*state, "one", "1", 0));
    assert_int_equal(kept(*state, second), 2);
}

static void what_is_too_large_is_told_and_not_kept(void **state)
{
    char name[256];
    char *reason = train(*state, "one", "0", 0);

    assert_non_null(reason);
    assert_non_null(strstr(reason, "not kept for later jobs"));
    assert_int_equal(kept(*state, name), 0);
    free(reason);
    assert_null(train(*state, "one", "-1", EXIT_USAGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_makes_place_for_the_other, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_told_and_not_kept,
                                        start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
