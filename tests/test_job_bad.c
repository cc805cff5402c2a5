/* Wrong job specs: the files in tests/bad/ with the messages they must give,
 * and text that is no spec at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/job.h"
#include "common/mem.h"

// Every expected {pointer, message} is there, and nothing else.
static void check_bad(const char *file, json_t *test)
{
    json_t *problems, *want, *errors = json_object_get(test, "errors");
    size_t i, k;
    struct job *job = job_parse(json_object_get(test, "spec"), &problems);
    if (job)
        fail_msg("%s: accepted", file);
    if (json_array_size(problems) != json_array_size(errors))
        fail_msg("%s: %s", file, json_dumps(problems, JSON_INDENT(1)));
    json_array_foreach(errors, i, want) {
        for (k = 0; k < json_array_size(problems); k++) {
            json_t *p = json_array_get(problems, k);
            if (json_equal(json_object_get(p, "pointer"),
                           json_object_get(want, "pointer")) &&
                json_equal(json_object_get(p, "message"),
                           json_object_get(want, "message")))
                break;
        }
        if (k == json_array_size(problems))
            fail_msg("%s: wants %s, has %s", file,
                     json_dumps(want, JSON_COMPACT),
                     json_dumps(problems, JSON_INDENT(1)));
    }
    json_decref(problems);
}

static void test_bad_specs(void **state)
{
    (void)state;
    const char *tests = getenv("GRADWATCH_TESTS");
    char *dir = xasprintf("%s/bad", tests ? tests : "tests");
    DIR *d = opendir(dir);
    int n = 0;
    if (!d)
        fail_msg("cannot open %s", dir);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".json"))
            continue;
        char *path = xasprintf("%s/%s", dir, e->d_name);
        json_t *test = json_load_file(path, 0, NULL);
        assert_non_null(test);
        check_bad(e->d_name, test);
        json_decref(test);
        free(path);
        n++;
    }
    closedir(d);
    free(dir);
    assert_true(n >= 20);
}

static void test_many_problems_are_cut(void **state)
{
    (void)state;
    json_t *spec = json_object(), *problems;
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        json_object_set_new(spec, key, json_true());
    }
    assert_null(job_parse(spec, &problems));
    assert_int_equal(json_array_size(problems), 100);
    json_decref(problems);
    json_decref(spec);
}

static void refuse_text(const char *text, size_t len, const char *says)
{
    struct error err = { 0 };
    assert_null(job_load_text(text, len, &err));
    assert_int_equal(err.code, ERR_SPEC);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void accept_text(const char *text)
{
    struct error err = { 0 };
    json_t *spec = job_load_text(text, strlen(text), &err);
    if (!spec)
        fail_msg("%s: %s", text, err.text);
    json_decref(spec);
}

static void test_text_is_strict(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "not JSON" },
        { "{", "not JSON" },
        { "{} x", "not JSON" },
        { "{\"a\": 1, \"a\": 2}", "duplicate object key" },
        { "{\"train\": {\"lr\": 1e999}}", "real number overflow" },
        { "{\"a\": NaN}", "not JSON" },
        { "{\"a\": \"\\u0000\"}", "not JSON" },
        { "{\"a\": \"\xff\"}", "not JSON" },
        { "[]", "one JSON object" },
        { "3", "not JSON" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuse_text(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    refuse_text("{}\0", 3, "not JSON");

    for (int depth = 32; depth <= 33; depth++) {
        char deep[128] = "{\"a\":";           // the object is one of them
        memset(deep + 5, '[', (size_t)depth - 1);
        memset(deep + 4 + depth, ']', (size_t)depth - 1);
        strcat(deep, "}");
        if (depth <= 32)
            accept_text(deep);
        else
            refuse_text(deep, strlen(deep), "more than 32 deep");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_many_problems_are_cut),
        cmocka_unit_test(test_text_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
