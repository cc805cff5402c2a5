#include "common/job_schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/job_kind.h"
#include "common/mem.h"

// Words between bars, as a list.
static json_t *words_of(const char *bars)
{
    char *copy = xstrdup(bars), *save = NULL;
    json_t *words = json_array();

    for (char *w = strtok_r(copy, "|", &save); w;
         w = strtok_r(NULL, "|", &save))
        json_array_append_new(words, json_string(w));
    free(copy);
    return words;
}

// Limits as they were written: whole ones without a point.
static json_t *number(double x)
{
    return x == (double)(json_int_t)x ? json_integer((json_int_t)x)
                                      : json_real(x);
}

static json_t *range(const char *type, const struct job_field *f)
{
    return json_pack("{s:s, s:o, s:o}", "type", type, "minimum",
                     number(f->low), "maximum", number(f->high));
}

static json_t *text(int most)
{
    return json_pack("{s:s, s:i}", "type", "string", "maxLength", most);
}

static json_t *null_type(void)
{
    return json_pack("{s:s}", "type", "null");
}

static json_t *list_of(json_t *items, int least, int most)
{
    json_t *list = json_pack("{s:s, s:o, s:i}", "type", "array", "items",
                             items, "maxItems", most);
    if (least)
        json_object_set_new(list, "minItems", json_integer(least));
    return list;
}

static json_t *either(json_t *a, json_t *b, json_t *c)
{
    return json_pack("{s:[o, o, o*]}", "anyOf", a, b, c);
}

static json_t *any_integer(const struct job_field *f)
{
    return range("integer", f);
}

static json_t *any_real(const struct job_field *f)
{
    return range("number", f);
}

static json_t *any_bool(const struct job_field *f)
{
    (void)f;
    return json_pack("{s:s}", "type", "boolean");
}

static json_t *any_word(const struct job_field *f)
{
    return json_pack("{s:s, s:o}", "type", "string", "enum",
                     words_of(f->values));
}

static json_t *any_optional(const struct job_field *f)
{
    return either(range("integer", f), null_type(), NULL);
}

static json_t *any_triple(const struct job_field *f)
{
    return list_of(range("number", f), 3, 3);
}

static json_t *any_name(const struct job_field *f)
{
    (void)f;
    return json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1,
                     "maxLength", 64);
}

static json_t *any_skip(const struct job_field *f)
{
    json_t *names = json_array();

    for (int i = 0; i < JOB_STAGES; i++)
        json_array_append_new(names, json_string(job_stage_names[i]));
    return either(any_bool(f), list_of(json_pack("{s:s, s:o}", "type", "string",
        "enum", names), 0, JOB_STAGES), NULL);
}

static json_t *any_root(const struct job_field *f)
{
    (void)f;
    return either(text(64), null_type(), NULL);
}

static json_t *any_path(const struct job_field *f)
{
    (void)f;
    return either(text(1024), null_type(), NULL);
}

static json_t *any_validation(const struct job_field *f)
{
    return either(range("number", f), text(1024), null_type());
}

static json_t *any_layers(const struct job_field *f)
{
    (void)f;
    return either(json_pack("{s:s, s:o}", "type", "string", "enum",
                            words_of("all|notebook")),
                  list_of(text(128), 0, JOB_MAX_LIST), NULL);
}

static json_t *any_quantities(const struct job_field *f)
{
    return list_of(any_word(f), 0, QUANTITY_COUNT);
}

static json_t *any_samples(const struct job_field *f)
{
    return either(range("integer", f), json_pack("{s:s}", "const", "all"),
                  NULL);
}

static json_t *any_device(const struct job_field *f)
{
    (void)f;
    return json_pack("{s:s, s:s}", "type", "string", "pattern",
                     "^(auto|cpu|cuda|cuda:[0-9]+|reference)$");
}

static json_t *any_init(const struct job_field *f)
{
    (void)f;
    return json_pack("{s:s, s:s}", "type", "string", "pattern",
                     "^(pytorch|kaiming|checkpoint:[1-9][0-9]*)$");
}

static json_t *any_after(const struct job_field *f)
{
    return list_of(range("integer", f), 0, JOB_MAX_LIST);
}

static json_t *any_probe(const struct job_field *f)
{
    return either(json_pack("{s:s, s:o}", "type", "string", "enum",
                            words_of("none|epochs")),
                  list_of(range("integer", f), 0, JOB_MAX_LIST), NULL);
}

// How each kind of value is described; a new kind is one row.
static const struct {
    const struct job_kind *kind;
    json_t              *(*describe)(const struct job_field *f);
} rows[] = {
    { &kind_word, any_word },           { &kind_word_text, any_word },
    { &kind_integer, any_integer },     { &kind_optional, any_optional },
    { &kind_real, any_real },           { &kind_bool, any_bool },
    { &kind_triple, any_triple },       { &kind_name, any_name },
    { &kind_skip, any_skip },           { &kind_root, any_root },
    { &kind_group, any_root },          { &kind_path, any_path },
    { &kind_validation, any_validation },
    { &kind_layers, any_layers },       { &kind_quantities, any_quantities },
    { &kind_samples, any_samples },     { &kind_device, any_device },
    { &kind_after, any_after },         { &kind_probe, any_probe },
    { &kind_init, any_init },
};

// Of one field; a kind without a row may be anything.
static json_t *schema_of(const struct job_field *f, int whole)
{
    json_t *schema = NULL;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == f->kind)
            schema = rows[i].describe(f);
    if (!schema)
        schema = json_object();
    json_object_set_new(schema, "description", json_string(f->help));
    if (!whole && f->fallback)
        json_object_set_new(schema, "default",
                            json_loads(f->fallback, JSON_DECODE_ANY, NULL));
    return schema;
}

static json_t *new_object(int whole)
{
    json_t *object = json_pack("{s:s, s:{}, s:b}", "type", "object",
                               "properties", "additionalProperties", 0);
    if (whole)
        json_object_set_new(object, "required", json_array());
    return object;
}

// Adds a member of that name, unless it is there, and returns it.
static json_t *put(json_t *object, const char *name, json_t *schema)
{
    json_t *properties = json_object_get(object, "properties");
    json_t *required = json_object_get(object, "required");
    json_t *there = json_object_get(properties, name);

    if (there) {
        json_decref(schema);
        return there;
    }
    json_object_set_new(properties, name, schema);
    if (required)
        json_array_append_new(required, json_string(name));
    return schema;
}

json_t *job_schema(int whole)
{
    json_t *top = new_object(whole);
    int n;
    const struct job_field *fields = job_fields(&n);

    if (!whole) {
        json_t *names = json_array();
        for (int i = 0; job_preset_names[i]; i++)
            json_array_append_new(names, json_string(job_preset_names[i]));
        put(top, "preset", json_pack("{s:s, s:o, s:s}", "type", "string",
            "enum", names, "description", "what the other fields override"));
    }
    for (int i = 0; i < n; i++) {
        char *path = xstrdup(fields[i].path), *save = NULL;
        json_t *at = top;
        char *name = strtok_r(path, ".", &save);
        for (char *next; (next = strtok_r(NULL, ".", &save)); name = next)
            at = put(at, name, new_object(whole));
        put(at, name, schema_of(&fields[i], whole));
        free(path);
    }
    return top;
}
