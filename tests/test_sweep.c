/* A matrix of jobs out of one spec, and a group's sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/sweep.h"

static json_t *json(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);

    assert_non_null(j);
    return j;
}

static json_t *expand(const char *spec, const char *sweep, json_t **problem)
{
    json_t *s = json(spec), *w = json(sweep);
    json_t *out = sweep_expand(s, w, problem);

    json_decref(s);
    json_decref(w);
    return out;
}

static const char *text_at(const json_t *specs, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(specs, i), key));
}

static void every_combination_once(void **state)
{
    (void)state;
    json_t *problem = NULL, *out = expand(
        "{\"group\":\"g\",\"train\":{\"lr\":0.5}}",
        "{\"model.skip\":[true,[\"layer1\",\"layer2\"]],"
        "\"train.seed\":[0,1,2]}",
        &problem);
    json_t *want = json("[{\"group\":\"g\",\"name\":\"g skip=true seed=0\","
        "\"train\":{\"lr\":0.5,\"seed\":0},\"model\":{\"skip\":true}}]");

    assert_int_equal(json_array_size(out), 6);
    assert_true(json_equal(json_array_get(out, 0), json_array_get(want, 0)));
    assert_string_equal(text_at(out, 2, "name"), "g skip=true seed=2");
    assert_string_equal(text_at(out, 3, "name"),
                        "g skip=layer1,layer2 seed=0");
    assert_string_equal(text_at(out, 5, "name"),
                        "g skip=layer1,layer2 seed=2");
    json_decref(want);
    json_decref(out);
}

// Names have at most 64 characters; what tells jobs apart stays.
static void names_keep_what_differs(void **state)
{
    (void)state;
    json_t *problem = NULL, *out = expand("{\"name\":\"a name that is far too "
        "long to stand in front of the words of a sweep\",\"group\":\"g\"}",
        "{\"train.seed\":[7]}", &problem);

    assert_string_equal(text_at(out, 0, "name"), "seed=7");
    json_decref(out);
    out = expand("{\"group\":\"g\"}", "{\"name\":[\"a\",\"b\"]}", &problem);
    assert_string_equal(text_at(out, 1, "name"), "b");
    json_decref(out);
}

#define ONCE " must have each value once: equal values make equal jobs"
#define LIST "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct { const char *sweep, *pointer, *message; } rows[] = {
        { "{}", "/sweep", "sweep must have one or more fields of a job, each "
          "with a list of values, as in {\"train.seed\": [0, 1, 2]}" },
        { "{\"train.lr\":[1],\"train.seed\":[]}", "/sweep/train.seed",
          "train.seed must be a list of one or more values" },
        { "{\"train.seed\":3}", "/sweep/train.seed",
          "train.seed must be a list of one or more values" },
        { "{\"train.sed\":[1]}", "/sweep/train.sed", "train.sed is no field of "
          "a job; it is named by its path, as in train.seed" },
        { "{\"train.lr\":[" LIST "],\"train.seed\":[" LIST ",17]}",
          "/sweep/train.seed",
          "a sweep makes at most 256 jobs, these values make more" },
        { "{\"train.seed\":[0,1,0]}", "/sweep/train.seed/2",
          "train.seed" ONCE },
        { "{\"train.lr\":[0.1,1,1.0]}", "/sweep/train.lr/2",
          "train.lr" ONCE },
        { "{\"model.skip\":[[\"layer1\",\"layer2\"],[\"layer2\","
          "\"layer1\"]]}", "/sweep/model.skip/1", "model.skip" ONCE },
        { "{\"data.root\":[null,\"a\",null]}", "/sweep/data.root/2",
          "data.root" ONCE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *problem = NULL;
        assert_null(expand("{}", rows[i].sweep, &problem));
        assert_string_equal(json_string_value(json_object_get(problem,
                            "pointer")), rows[i].pointer);
        assert_string_equal(json_string_value(json_object_get(problem,
                            "message")), rows[i].message);
        json_decref(problem);
    }
}

// Jobs are what refuses values that no job may have, and says why.
static void wrong_values_are_left_to_the_jobs(void **state)
{
    (void)state;
    json_t *problem = NULL, *out = expand("{}", "{\"train.seed\":[-1,-1,{},"
                                          "null,[],true]}", &problem);

    assert_int_equal(json_array_size(out), 6);
    json_decref(out);
}

#define JOB(id, skip, seed)                                                    \
    "{\"id\":" #id ",\"spec\":{\"name\":\"j" #id "\",\"priority\":" #id        \
    ",\"model\":{\"skip\":" #skip "},\"train\":{\"lr\":1,\"seed\":" #seed "}}}"

static void sets_differ_in_more_than_seeds(void **state)
{
    (void)state;
    json_t *jobs = json("[" JOB(9, false, 1) "," JOB(8, true, 1) ","
                        JOB(7, false, 0) "," JOB(6, true, 0) "]");
    json_t *sets = sweep_sets(jobs), *want = json(
        "[{\"label\":\"skip=true\",\"jobs\":[6,8],\"seeds\":[0,1]},"
        "{\"label\":\"skip=false\",\"jobs\":[7,9],\"seeds\":[0,1]}]");

    assert_true(json_equal(sets, want));
    json_decref(want);
    json_decref(sets);
    json_decref(jobs);
    jobs = json("[" JOB(2, true, 4) "]");
    sets = sweep_sets(jobs);
    assert_string_equal(text_at(sets, 0, "label"), "");
    json_decref(sets);
    json_decref(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_once),
        cmocka_unit_test(names_keep_what_differs),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(wrong_values_are_left_to_the_jobs),
        cmocka_unit_test(sets_differ_in_more_than_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
