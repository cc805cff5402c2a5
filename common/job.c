/* common/job.c: the way from JSON to struct job and back.
 *
 * Parsing merges the spec over its preset, walks it for keys that no row of
 * the table knows, then reads every row: what is given, else the row's
 * fallback. Every mistake is noted and reading goes on: all are told at once.
 */
#include "common/job_kind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/opts.h"

enum { MAX_PROBLEMS = 100, MAX_DEPTH = 32 };

/* ---- problems ---- */

// "train.batch" -> "/train/batch"; i >= 0 adds "/i". Caller frees.
static char *pointer_of(const char *path, int i)
{
    char *p = i < 0 ? xasprintf("/%s", path) : xasprintf("/%s/%d", path, i);
    for (char *c = p; *c; c++)
        if (*c == '.')
            *c = '/';
    return p;
}

// Takes pointer. Borrows value; NULL is null.
__attribute__((format(printf, 4, 5)))
static void problem(json_t *list, char *pointer, const json_t *value,
                    const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n >= 0 && json_array_size(list) < MAX_PROBLEMS)
        json_array_append_new(list, json_pack("{s:s, s:O?, s:s}", "pointer",
            pointer, "value", (json_t *)value, "message", text));
    if (n >= 0)
        free(text);
    free(pointer);
}

/* ---- keys ---- */

// Whether a row is `path`, or lies below it when group is set.
static bool row_matches(const char *row, const char *path, bool group)
{
    size_t len = strlen(path);
    return !strncmp(row, path, len) && row[len] == (group ? '.' : '\0');
}

static bool is_known(const char *path, bool group)
{
    for (int i = 0; i < job_n_fields; i++)
        if (row_matches(job_table[i].path, path, group))
            return true;
    return false;
}

// "did you mean train.batch", or what there is beside it. Caller frees.
static char *advice(const char *group, const char *path)
{
    const char *near = opts_nearest(path, job_table, job_n_fields,
                                    sizeof job_table[0]);
    if (near)
        return xasprintf("did you mean %s?", near);
    size_t skip = strlen(group) + (*group != '\0'), last_len = 0;
    char *text = xstrdup(*group ? "there are" : "there are preset");
    const char *last = "";
    for (int i = 0; i < job_n_fields; i++) {
        if (*group && !row_matches(job_table[i].path, group, true))
            continue;
        const char *name = job_table[i].path + skip;
        size_t len = strcspn(name, ".");
        if (len == last_len && !strncmp(name, last, len))
            continue;
        char *longer = xasprintf("%s%s %.*s", text,
                                 last_len || !*group ? "," : "", (int)len,
                                 name);
        free(text);
        text = longer;
        last = name;
        last_len = len;
    }
    return text;
}

// JSON pointers write ~ as ~0 and / as ~1. Caller frees.
static char *pointer_below(const char *pointer, const char *key)
{
    char *out = xmalloc(strlen(pointer) + 2 * strlen(key) + 2);
    char *at = out + sprintf(out, "%s/", pointer);
    for (; *key; key++) {
        if (*key == '~' || *key == '/')
            at += sprintf(at, "~%c", *key == '~' ? '0' : '1');
        else
            *at++ = *key;
    }
    *at = '\0';
    return out;
}

static void check_keys(const json_t *object, const char *group,
                       const char *pointer, json_t *list)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        char *path = xasprintf("%s%s%s", group, *group ? "." : "", key);
        char *below = pointer_below(pointer, key);
        bool plain = *key && !strchr(key, '.');

        if (plain && is_known(path, true) && json_is_object(value)) {
            check_keys(value, path, below, list);
        } else if (plain && is_known(path, true)) {
            problem(list, xstrdup(below), value, "%s must be an object", path);
        } else if (!(plain && is_known(path, false)) &&
                   strcmp(path, "preset")) {
            char *hint = advice(group, path);
            problem(list, xstrdup(below), value, "%s is unknown; %s",
                    *key ? path : "an empty name",
                    plain || !is_known(path, false)
                        ? hint : "write nested objects instead of dots");
            free(hint);
        }
        free(below);
        free(path);
    }
}

/* ---- values ---- */

static json_t *find(const json_t *spec, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        json_t *v = json_object_getn(spec, path, len);
        if (!v || !path[len])
            return v;
        spec = v;
        path += len + 1;
    }
}

static void read_field(const struct job_field *f, const json_t *given,
                       struct job *job, json_t *list)
{
    json_t *fallback = NULL;
    if (!given && f->fallback)
        fallback = json_loads(f->fallback, JSON_DECODE_ANY, NULL);
    const json_t *v = given ? given : fallback;
    int at = v ? f->kind->read(f, v, job) : READ_FINE;

    if (at != READ_FINE) {
        const json_t *wrong = at >= 0 ? json_array_get(v, (size_t)at) : v;
        char *wants = job_kind_wants(f);
        problem(list, pointer_of(f->path, at), wrong, "%s must be %s",
                f->path, wants);
        free(wants);
    }
    json_decref(fallback);
}

json_t *job_value(const struct job_field *f, const json_t *v)
{
    struct job *job = xcalloc(1, sizeof *job);
    json_t *out = f->kind->read(f, v, job) == READ_FINE ? f->kind->write(f, job)
                                                        : NULL;

    job_free(job);
    return out;
}

static bool is_given(const json_t *spec, const char *path)
{
    const json_t *v = find(spec, path);
    return v && !json_is_null(v);
}

// The source follows from the root; both together must make sense.
static void settle_source(const json_t *spec, struct job *job, json_t *list)
{
    const json_t *source = find(spec, "data.source");
    const char *word = json_string_value(source);
    bool root = is_given(spec, "data.root");

    if (!source)
        job->data.source = root ? SOURCE_FOLDER : SOURCE_SYNTHETIC;
    if (job->data.source != SOURCE_SYNTHETIC && !root)
        problem(list, pointer_of("data.root", -1), NULL,
                "data.root must name a data root when data.source is %s", word);
    if (word && !strcmp(word, "synthetic") && root)
        problem(list, pointer_of("data.source", -1), source, "data.source must "
                "be folder or cifar10 when data.root is given");
    if (*job->data.validation.path && !root)
        problem(list, pointer_of("data.validation", -1),
                find(spec, "data.validation"), "data.validation must be a "
                "share of the images when there is no data.root");
    if (*job->data.path && !root)
        problem(list, pointer_of("data.path", -1), find(spec, "data.path"),
                "data.path needs data.root, the root it lies below");
}

bool job_arch_has_no_skip(const char *arch)
{
    return !strncmp(arch, "vgg", 3);
}

static void settle_skip(const json_t *spec, struct job *job, json_t *list)
{
    bool any = false;
    for (int s = 0; s < JOB_STAGES; s++)
        any |= job->model.skip[s];
    if (any && job_arch_has_no_skip(job->model.arch))
        problem(list, pointer_of("model.skip", -1), find(spec, "model.skip"),
                "model.skip must be false for %s, which has no skip "
                "connections", job->model.arch);
}

static void settle_name(struct job *job)
{
    char stages[64] = "";
    int n = 0;
    if (job_arch_has_no_skip(job->model.arch)) {
        strcpy(job->name, job->model.arch);
        return;
    }
    for (int s = 0; s < JOB_STAGES; s++) {
        if (!job->model.skip[s])
            continue;
        strcat(strcat(stages, " "), job_stage_names[s]);
        n++;
    }
    snprintf(job->name, sizeof job->name, "%s %s%s", job->model.arch,
             n ? "skip" : "no skip", n < JOB_STAGES ? stages : "");
}

// What is neither given nor has a fixed default.
static void settle(const json_t *spec, struct job *job, json_t *list)
{
    settle_source(spec, job, list);
    settle_skip(spec, job, list);
    if (!find(spec, "name"))
        settle_name(job);
    if (!find(spec, "train.lr"))
        job->train.lr = job_usual_lr[job->train.optimizer];
    if (!find(spec, "train.weight_decay"))
        job->train.weight_decay = job_usual_decay[job->train.optimizer];
}

// "notebook, demo, ..."; caller frees.
static char *preset_names(void)
{
    char *text = xstrdup(job_preset_names[0]);
    for (int i = 1; job_preset_names[i]; i++) {
        char *longer = xasprintf("%s, %s", text, job_preset_names[i]);
        free(text);
        text = longer;
    }
    return text;
}

// The spec over its preset. Caller owns.
static json_t *merge_preset(const json_t *spec, json_t *list)
{
    const json_t *name = json_object_get(spec, "preset");
    const char *patch = json_is_string(name)
        ? job_preset(json_string_value(name)) : NULL;
    json_t *merged = json_loads(patch ? patch : "{}", 0, NULL);

    if (name && !patch) {
        char *names = preset_names();
        problem(list, pointer_of("preset", -1), name,
                "preset must be one of %s", names);
        free(names);
    }
    json_object_update_recursive(merged, (json_t *)spec);
    return merged;
}

/* ---- public ---- */

struct job *job_parse(const json_t *spec, json_t **problems)
{
    json_t *list = json_array();
    struct job *job = xcalloc(1, sizeof *job);

    if (!json_is_object(spec)) {
        problem(list, xstrdup(""), spec, "a job spec must be a JSON object");
    } else {
        json_t *merged = merge_preset(spec, list);
        check_keys(merged, "", "", list);
        for (int i = 0; i < job_n_fields; i++)
            read_field(&job_table[i], find(merged, job_table[i].path), job,
                       list);
        settle(merged, job, list);
        json_decref(merged);
    }
    *problems = NULL;
    if (json_array_size(list) == 0) {
        json_decref(list);
        return job;
    }
    *problems = list;
    job_free(job);
    return NULL;
}

json_t *job_to_json(const struct job *job)
{
    json_t *spec = json_object();
    for (int i = 0; i < job_n_fields; i++) {
        const struct job_field *f = &job_table[i];
        json_t *at = spec;
        const char *key = f->path;
        for (size_t len; key[len = strcspn(key, ".")]; key += len + 1) {
            json_t *group = json_object_getn(at, key, len);
            if (!group) {
                group = json_object();
                json_object_setn_new(at, key, len, group);
            }
            at = group;
        }
        json_object_set_new(at, key, f->kind->write(f, job));
    }
    return spec;
}

void job_free(struct job *job)
{
    for (int i = 0; job && i < job->record.n_layers; i++)
        free(job->record.layers[i]);
    free(job);
}

static int depth_of(const json_t *v)
{
    int deepest = 0;
    const char *key;
    json_t *below;
    size_t i;
    json_object_foreach((json_t *)v, key, below) {
        int d = depth_of(below);
        deepest = d > deepest ? d : deepest;
    }
    json_array_foreach(v, i, below) {
        int d = depth_of(below);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + (json_is_object(v) || json_is_array(v));
}

json_t *job_load_text(const char *text, size_t len, struct error *err)
{
    json_error_t e;

    // Jansson 2.14 passes over one that follows a number.
    if (memchr(text, '\0', len)) {
        fail(err, ERR_SPEC, "not JSON: it has a zero byte");
        return NULL;
    }
    json_t *spec = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    // Past 2^63 a number is read as a real: then its field says the limits.
    if (!spec && json_error_code(&e) == json_error_numeric_overflow)
        spec = json_loadb(text, len, JSON_REJECT_DUPLICATES |
                          JSON_DECODE_INT_AS_REAL, &e);
    if (!spec) {
        fail(err, ERR_SPEC, "not JSON: %s (line %d, column %d)", e.text,
             e.line, e.column);
        return NULL;
    }
    if (!json_is_object(spec))
        fail(err, ERR_SPEC, "a job spec must be one JSON object");
    else if (depth_of(spec) > MAX_DEPTH)
        fail(err, ERR_SPEC, "nested more than %d deep", MAX_DEPTH);
    else
        return spec;
    json_decref(spec);
    return NULL;
}

// "conv1,fc" or "0.5,0.5,0.5". Caller owns.
static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    while (*text) {
        size_t len = strcspn(text, ",");
        json_t *v = json_loadb(text, len, JSON_DECODE_ANY, NULL);
        if (!json_is_number(v)) {
            json_decref(v);
            v = json_stringn(text, len);
        }
        json_array_append_new(list, v);
        text += len + (text[len] == ',');
    }
    return list;
}

void job_spec_set(json_t *spec, const char *path, json_t *value)
{
    const char *dot;

    while ((dot = strchr(path, '.'))) {
        json_t *next = json_object_getn(spec, path, (size_t)(dot - path));
        if (!json_is_object(next)) {
            next = json_object();
            json_object_setn_new(spec, path, (size_t)(dot - path), next);
        }
        spec = next;
        path = dot + 1;
    }
    json_object_set_new(spec, path, value);
}

json_t *job_option_value(const struct job_field *f, const char *text)
{
    bool word = !strchr(text, ',') &&
                ((f->kind == &kind_layers && *text) ||
                 (f->kind == &kind_probe && (*text < '0' || *text > '9')));
    if (f->kind->text || word)
        return json_string(text);
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    bool list = f->kind->list;
    if ((json_is_number(v) && !list) || json_is_boolean(v) || json_is_null(v))
        return v;
    json_decref(v);
    return list ? list_of(text) : json_string(text);
}
