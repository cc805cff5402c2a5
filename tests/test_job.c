/* Job specs: what is accepted, what every field becomes, and that each mistake
 * is named. The limits under test come from the table itself; test_job_bad.c
 * has the wrong specs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/job.h"
#include "common/mem.h"

/* ---- helpers ---- */

static json_t *load(const char *text)
{
    struct error err = { 0 };
    json_t *spec = job_load_text(text, strlen(text), &err);
    if (!spec)
        fail_msg("%s: %s", text, err.text);
    return spec;
}

// Takes spec. Fails the test when it is refused.
static struct job *accept(json_t *spec)
{
    json_t *problems;
    struct job *job = job_parse(spec, &problems);
    if (!job) {
        char *text = json_dumps(problems, JSON_COMPACT);
        char *given = json_dumps(spec, JSON_COMPACT);
        fail_msg("refused: %s: %s", given, text);
    }
    assert_null(problems);
    json_decref(spec);
    return job;
}

static struct job *job_of(const char *text)
{
    return accept(load(text));
}

// {"train": {"batch": value}} for "train.batch". Takes value.
static json_t *spec_with(const char *path, json_t *value)
{
    char *text = xstrdup(path), *dot;
    while ((dot = strrchr(text, '.'))) {
        value = json_pack("{s:o}", dot + 1, value);
        *dot = '\0';
    }
    value = json_pack("{s:o}", text, value);
    free(text);
    return value;
}

// Borrowed from spec.
static json_t *at(json_t *spec, const char *path)
{
    char *text = xstrdup(path), *rest = text, *key;
    while (spec && (key = strsep(&rest, ".")))
        spec = json_object_get(spec, key);
    free(text);
    return spec;
}

// Takes spec. It must be refused with one problem, at path; returns the
// message, which the caller frees.
static char *refuse_one(json_t *spec, const char *path)
{
    json_t *problems;
    struct job *job = job_parse(spec, &problems);
    if (job)
        fail_msg("accepted: %s", json_dumps(spec, JSON_COMPACT));
    assert_int_equal(json_array_size(problems), 1);
    const json_t *p = json_array_get(problems, 0);
    char *pointer = xasprintf("/%s", path);
    for (char *c = pointer; *c; c++)
        *c = *c == '.' ? '/' : *c;
    const char *where = json_string_value(json_object_get(p, "pointer"));
    if (strncmp(where, pointer, strlen(pointer)))
        fail_msg("%s instead of %s", where, pointer);
    assert_non_null(json_object_get(p, "value"));
    char *message = xstrdup(json_string_value(json_object_get(p, "message")));
    free(pointer);
    json_decref(problems);
    json_decref(spec);
    return message;
}

static void assert_same(json_t *a, json_t *b)
{
    if (!json_equal(a, b))
        fail_msg("%s is not %s", json_dumps(a, JSON_COMPACT),
                 json_dumps(b, JSON_COMPACT));
}

// What job_to_json() says is read back as the same. Takes spec.
static void round_trip(json_t *spec)
{
    struct job *first = accept(spec);
    json_t *once = job_to_json(first);
    struct job *second = accept(json_incref(once));
    json_t *twice = job_to_json(second);
    assert_same(once, twice);
    json_decref(once);
    json_decref(twice);
    job_free(first);
    job_free(second);
}

/* ---- the table ---- */

// "2..4096": both numbers, and their texts as messages have them: "2 to 4096".
static bool limits_of(const struct job_field *f, double *low, double *high,
                      char text[64])
{
    const char *dots = strstr(f->values, "..");
    if (!dots || strstr(f->values, "characters"))
        return false;
    snprintf(text, 64, "%.*s to %s", (int)(dots - f->values), f->values,
             dots + 2);
    char *end;
    *low = strtod(text, &end);
    *high = strtod(dots + 2, NULL);
    return !strncmp(end, " to ", 4);
}

// The field's value made of one number: alone or in a list. Takes x.
static json_t *shaped(const struct job_field *f, json_t *x)
{
    bool probe = !strcmp(f->path, "record.probe");
    if (f->fallback[0] != '[' && !probe)
        return x;
    json_t *list = json_array();
    int n = strcmp(f->path, "after") && !probe ? 3 : 1;
    for (int i = 0; i < n; i++)
        json_array_append(list, x);
    json_decref(x);
    return list;
}

static bool is_whole(const struct job_field *f)
{
    return !strpbrk(f->fallback, ".") && strcmp(f->path, "train.lr") &&
           strcmp(f->path, "model.width") &&
           strcmp(f->path, "data.validation") &&
           strcmp(f->path, "train.weight_decay");
}

static void test_limits_are_accepted(void **state)
{
    (void)state;
    int n, tested = 0;
    const struct job_field *fields = job_fields(&n);
    for (int i = 0; i < n; i++) {
        double limit[2];
        char text[64];
        if (!limits_of(&fields[i], &limit[0], &limit[1], text))
            continue;
        for (int k = 0; k < 2; k++) {
            json_t *x = is_whole(&fields[i])
                ? json_integer((json_int_t)limit[k]) : json_real(limit[k]);
            json_t *value = shaped(&fields[i], x);
            struct job *job = accept(spec_with(fields[i].path,
                                               json_incref(value)));
            json_t *back = job_to_json(job);
            assert_same(at(back, fields[i].path), value);
            json_decref(back);
            json_decref(value);
            job_free(job);
        }
        tested++;
    }
    assert_int_equal(tested, 24);      // as many fields have limits
}

static void test_beyond_limits_is_refused(void **state)
{
    (void)state;
    int n;
    const struct job_field *fields = job_fields(&n);
    for (int i = 0; i < n; i++) {
        double low, high;
        char text[64];
        if (!limits_of(&fields[i], &low, &high, text))
            continue;
        bool whole = is_whole(&fields[i]);
        double beyond[2] = { whole ? low - 1 : nextafter(low, -INFINITY),
                             whole ? high + 1 : nextafter(high, INFINITY) };
        for (int k = 0; k < 2; k++) {
            json_t *x = whole ? json_integer((json_int_t)beyond[k])
                              : json_real(beyond[k]);
            char *message = refuse_one(
                spec_with(fields[i].path, shaped(&fields[i], x)),
                fields[i].path);
            if (!strstr(message, text) || !strstr(message, fields[i].path))
                fail_msg("'%s' does not name %s", message, text);
            free(message);
        }
    }
}

static void test_fractions_of_whole_numbers_are_refused(void **state)
{
    (void)state;
    int n;
    const struct job_field *fields = job_fields(&n);
    for (int i = 0; i < n; i++) {
        double low, high;
        char text[64];
        if (!limits_of(&fields[i], &low, &high, text) ||
            !is_whole(&fields[i]))
            continue;
        json_t *half = shaped(&fields[i], json_real(low + 0.5));
        free(refuse_one(spec_with(fields[i].path, half), fields[i].path));
    }
}

static void test_every_word_is_accepted(void **state)
{
    (void)state;
    int n;
    const struct job_field *fields = job_fields(&n);
    for (int i = 0; i < n; i++) {
        if (!strchr(fields[i].values, '|') || strchr(fields[i].values, ' ') ||
            fields[i].flag || !strcmp(fields[i].path, "data.source"))
            continue;
        char *words = xstrdup(fields[i].values), *rest = words, *word;
        bool list = fields[i].fallback[0] == '[';
        while ((word = strsep(&rest, "|"))) {
            if (strstr(word, ":N"))
                word[strlen(word) - 1] = '7';
            if (!strcmp(word, "checkpoint:ID"))
                strcpy(strchr(word, ':'), ":7");
            json_t *value = list ? json_pack("[s]", word) : json_string(word);
            struct job *job = accept(spec_with(fields[i].path,
                                               json_incref(value)));
            json_t *back = job_to_json(job);
            assert_same(at(back, fields[i].path), value);
            json_decref(back);
            json_decref(value);
            job_free(job);
        }
        free(words);
    }
}

static void test_wrong_types_are_refused(void **state)
{
    (void)state;
    int n;
    const struct job_field *fields = job_fields(&n);
    for (int i = 0; i < n; i++) {
        free(refuse_one(spec_with(fields[i].path, json_object()),
                        fields[i].path));
        free(refuse_one(spec_with(fields[i].path, json_string("")),
                        fields[i].path));
    }
}

static void test_defaults_are_the_fallbacks(void **state)
{
    (void)state;
    int n;
    const struct job_field *fields = job_fields(&n);
    struct job *job = job_of("{}");
    json_t *spec = job_to_json(job);
    for (int i = 0; i < n; i++) {
        json_t *value = at(spec, fields[i].path);
        assert_non_null(value);
        assert_true(*fields[i].help != '\0');
        if (!fields[i].fallback)
            continue;
        json_t *want = json_loads(fields[i].fallback, JSON_DECODE_ANY, NULL);
        assert_non_null(want);
        if (json_is_number(want))
            assert_true(json_number_value(want) == json_number_value(value));
        else
            assert_same(value, want);
        json_decref(want);
    }
    json_decref(spec);
    job_free(job);
}

/* ---- what fields become ---- */

static void test_the_notebook(void **state)
{
    (void)state;
    struct job *job = job_of("{}");
    assert_string_equal(job->name, "resnet50 no skip");
    assert_string_equal(job->model.arch, "resnet50");
    assert_false(job->model.skip[0] || job->model.skip[3]);
    assert_int_equal(job->model.classes, 0);
    assert_int_equal(job->data.source, SOURCE_SYNTHETIC);
    assert_int_equal(job->data.image_size, 224);
    assert_int_equal(job->train.epochs, 10);
    assert_int_equal(job->train.batch, 16);
    assert_int_equal(job->train.optimizer, OPTIMIZER_SGD);
    assert_true(job->train.lr == 0.1 && job->train.momentum == 0.9);
    assert_true(job->record.layers_word);
    assert_int_equal(job->record.quantities, 1u << QUANTITY_GRAD_OUT);
    assert_int_equal(job->record.samples, 20);
    assert_true(job->record.early_steps);
    job_free(job);
}

static void test_presets(void **state)
{
    (void)state;
    for (int i = 0; job_preset_names[i]; i++) {
        assert_non_null(job_preset(job_preset_names[i]));
        round_trip(json_pack("{s:s}", "preset", job_preset_names[i]));
    }
    assert_null(job_preset("no such"));

    struct job *job = job_of("{\"preset\": \"tiny\", \"train\": "
                             "{\"epochs\": 5}, \"data\": {\"root\": \"r\"}}");
    assert_true(job->model.width == 0.125 && job->train.lr == 0.01);
    assert_int_equal(job->train.epochs, 5);
    assert_int_equal(job->data.synthetic.images, 160);
    assert_int_equal(job->data.source, SOURCE_FOLDER);
    assert_int_equal(job->train.precision, PRECISION_F32);
    job_free(job);

    job = job_of("{\"preset\": \"demo\", \"model\": {\"skip\": true}}");
    assert_int_equal(job->data.image_size, 32);
    assert_int_equal(job->data.synthetic.images, 640);
    assert_int_equal(job->train.epochs, 3);
    assert_string_equal(job->name, "resnet50 skip");
    job_free(job);
}

static void test_optimizers_bring_their_rates(void **state)
{
    (void)state;
    static const struct { const char *text; double lr, decay; } cases[] = {
        { "{\"train\": {\"optimizer\": \"sgd\"}}", 0.1, 0 },
        { "{\"train\": {\"optimizer\": \"adam\"}}", 0.001, 0 },
        { "{\"train\": {\"optimizer\": \"adamw\"}}", 0.001, 0.01 },
        { "{\"train\": {\"optimizer\": \"adamw\", \"lr\": 0.1, "
          "\"weight_decay\": 0}}", 0.1, 0 },
        { "{\"preset\": \"demo\", \"train\": {\"optimizer\": \"adam\"}}",
          0.01, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job *job = job_of(cases[i].text);
        assert_true(job->train.lr == cases[i].lr);
        assert_true(job->train.weight_decay == cases[i].decay);
        job_free(job);
    }
}

static void test_skip_is_normalised(void **state)
{
    (void)state;
    static const struct { const char *given, *kept, *name; } cases[] = {
        { "true", "true", "resnet50 skip" },
        { "false", "false", "resnet50 no skip" },
        { "[]", "false", "resnet50 no skip" },
        { "[\"layer4\", \"layer3\", \"layer4\"]", "[\"layer3\", \"layer4\"]",
          "resnet50 skip layer3 layer4" },
        { "[\"layer4\", \"layer3\", \"layer2\", \"layer1\"]", "true",
          "resnet50 skip" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job *job = accept(spec_with("model.skip",
            json_loads(cases[i].given, JSON_DECODE_ANY, NULL)));
        json_t *want = json_loads(cases[i].kept, JSON_DECODE_ANY, NULL);
        json_t *spec = job_to_json(job);
        assert_same(at(spec, "model.skip"), want);
        assert_string_equal(job->name, cases[i].name);
        json_decref(spec);
        json_decref(want);
        job_free(job);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "{\"name\": \"\\u00e9\\u4e2d \\\"x\\\"\", \"priority\": -3}",
        "{\"data\": {\"root\": \"images\", \"path\": \"a b/..c/d.\"}}",
        "{\"data\": {\"root\": null, \"path\": null, \"validation\": null}}",
        "{\"record\": {\"layers\": [], \"samples\": \"all\"}}",
        "{\"record\": {\"layers\": \"layer1.*\"}}",
        "{\"record\": {\"layers\": [\"conv1\", \"layer[34].?.conv*\"], "
        "\"quantities\": [\"weight\", \"grad_out\", \"weight\"]}}",
        "{\"device\": \"cuda:12\", \"after\": [3, 1, 9007199254740991]}",
        "{\"train\": {\"seed\": 9007199254740991, \"lr\": 1e-300}}",
        "{\"model\": {\"init\": \"checkpoint:12\"}}",
        "{\"train\": {\"batch\": 16.0, \"epochs\": 1e3}}",
        "{\"checkpoint\": {}}",
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        round_trip(load(specs[i]));
}

static void test_names_count_characters(void **state)
{
    (void)state;
    char name[4 * 64 + 1] = "";
    for (int i = 0; i < 64; i++)
        strcat(name, "\xf0\x9f\x94\xa5");       // four bytes each
    struct job *job = accept(json_pack("{s:s}", "name", name));
    assert_string_equal(job->name, name);
    job_free(job);
}

static void test_option_values(void **state)
{
    (void)state;
    static const struct { const char *path, *text, *json; } cases[] = {
        { "train.batch", "32", "32" },
        { "train.lr", "1e-3", "0.001" },
        { "train.batch", "many", "\"many\"" },
        { "train.optimizer", "adam", "\"adam\"" },
        { "data.limit", "null", "null" },
        { "name", "123", "\"123\"" },
        { "data.root", "2024", "\"2024\"" },
        { "record.samples", "all", "\"all\"" },
        { "record.layers", "notebook", "\"notebook\"" },
        { "record.layers", "conv1,fc", "[\"conv1\", \"fc\"]" },
        { "record.layers", "", "[]" },
        { "record.quantities", "grad_w", "[\"grad_w\"]" },
        { "model.skip", "true", "true" },
        { "model.skip", "layer3", "[\"layer3\"]" },
        { "data.mean", "0.5,0.5,1", "[0.5, 0.5, 1]" },
        { "after", "7", "[7]" },
        { "record.probe", "epochs", "\"epochs\"" },
        { "record.probe", "0", "[0]" },
        { "record.probe", "0,10", "[0, 10]" },
    };
    int n;
    const struct job_field *fields = job_fields(&n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int f = 0;
        while (strcmp(fields[f].path, cases[i].path))
            f++;
        json_t *got = job_option_value(&fields[f], cases[i].text);
        json_t *want = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        assert_same(got, want);
        json_decref(got);
        json_decref(want);
    }
}

static void test_numbers_past_all_limits_are_problems(void **state)
{
    (void)state;
    json_t *spec = load("{\"train\": {\"batch\": 99999999999999999999}}");
    free(refuse_one(spec, "train.batch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_are_accepted),
        cmocka_unit_test(test_beyond_limits_is_refused),
        cmocka_unit_test(test_fractions_of_whole_numbers_are_refused),
        cmocka_unit_test(test_every_word_is_accepted),
        cmocka_unit_test(test_wrong_types_are_refused),
        cmocka_unit_test(test_defaults_are_the_fallbacks),
        cmocka_unit_test(test_the_notebook),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_optimizers_bring_their_rates),
        cmocka_unit_test(test_skip_is_normalised),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_names_count_characters),
        cmocka_unit_test(test_option_values),
        cmocka_unit_test(test_numbers_past_all_limits_are_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
