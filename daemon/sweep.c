#include "daemon/sweep.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/job.h"
#include "common/mem.h"

enum { NAME_MOST = 64 };                // characters of a job's name

// Takes value and message. NULL, to be returned.
static json_t *refuse(json_t **problem, const char *key, json_t *value,
                      char *message)
{
    char *pointer = xasprintf("/sweep%s%s", *key ? "/" : "", key);

    *problem = json_pack("{s:s, s:o, s:s}", "pointer", pointer, "value",
                         value ? value : json_null(), "message", message);
    free(pointer);
    free(message);
    return NULL;
}

// ---- words ---------------------------------------------------------------

// "skip" of "model.skip".
static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

// A value as people write it: words without quotes, lists with commas.
static char *value_text(const json_t *value)
{
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    if (!json_is_array(value))
        return event_text(value);
    char *text = xstrdup("");
    for (size_t i = 0; i < json_array_size(value); i++) {
        char *one = value_text(json_array_get(value, i));
        char *longer = xasprintf("%s%s%s", text, i ? "," : "", one);
        free(one);
        free(text);
        text = longer;
    }
    return text;
}

// Takes text; adds " key=value".
static char *with_word(char *text, const char *path, const json_t *value)
{
    char *one = value_text(value);
    char *longer = xasprintf("%s%s%s=%s", text, *text ? " " : "",
                             last_part(path), one);

    free(one);
    free(text);
    return longer;
}

static const json_t *at_path(const json_t *spec, const char *path)
{
    size_t len;

    for (; spec; path += len + 1) {
        len = strcspn(path, ".");
        spec = json_object_getn(spec, path, len);
        if (!path[len])
            return spec;
    }
    return NULL;
}

char *sweep_words(const json_t *spec, const json_t *sweep)
{
    char *text = xstrdup("");
    const char *path;
    json_t *values;

    json_object_foreach((json_t *)sweep, path, values)
        text = with_word(text, path, at_path(spec, path));
    return text;
}

// ---- a matrix ------------------------------------------------------------

static const struct job_field *find_field(const char *path)
{
    int n;
    const struct job_field *fields = job_fields(&n);

    while (n > 0 && strcmp(fields[n - 1].path, path))
        n--;
    return n > 0 ? &fields[n - 1] : NULL;
}

static bool holds(const json_t *list, const json_t *what)
{
    size_t i;
    json_t *one;

    json_array_foreach((json_t *)list, i, one)
        if (json_equal(one, what))
            return true;
    return false;
}

// Whether each value is there once, however it is written: two equal jobs tell
// nothing that one does not. What no job may have is told later, of a job.
static bool check_once(const struct job_field *f, json_t *values,
                       json_t **problem)
{
    json_t *seen = json_array(), *value;
    bool once = true;
    size_t i;

    json_array_foreach(values, i, value) {
        json_t *stored = job_value(f, value);
        once = !stored || !holds(seen, stored);
        if (stored)
            json_array_append_new(seen, stored);
        if (!once)
            break;
    }
    json_decref(seen);
    if (once)
        return true;
    char *at = xasprintf("%s/%zu", f->path, i);
    refuse(problem, at, json_deep_copy(value), xasprintf(
        "%s must have each value once: equal values make equal jobs", f->path));
    free(at);
    return false;
}

// The number of combinations, or 0 with *problem set.
static size_t count(const json_t *sweep, json_t **problem)
{
    size_t n = 1;
    const char *path;
    json_t *values;

    if (!json_is_object(sweep) || !json_object_size(sweep)) {
        refuse(problem, "", sweep ? json_deep_copy(sweep) : NULL, xstrdup(
            "sweep must have one or more fields of a job, each with a list of "
            "values, as in {\"train.seed\": [0, 1, 2]}"));
        return 0;
    }
    json_object_foreach((json_t *)sweep, path, values) {
        size_t here = json_array_size(values);
        const struct job_field *f = find_field(path);
        if (!f) {
            refuse(problem, path, json_deep_copy(values), xasprintf(
                "%s is no field of a job; it is named by its path, as in "
                "train.seed", path));
            return 0;
        }
        if (!here) {
            refuse(problem, path, json_deep_copy(values), xasprintf(
                "%s must be a list of one or more values", path));
            return 0;
        }
        n = here > JOB_MAX_SWEEP ? JOB_MAX_SWEEP + 1 : n * here;
        if (n > JOB_MAX_SWEEP) {
            refuse(problem, path, json_deep_copy(values), xasprintf(
                "a sweep makes at most %d jobs, these values make more",
                JOB_MAX_SWEEP));
            return 0;
        }
        if (!check_once(f, values, problem))
            return 0;
    }
    return n;
}

// "NAME skip=true seed=3", where the words are what must not be cut off.
static void set_name(json_t *spec, const json_t *sweep)
{
    const char *base = json_string_value(json_object_get(spec, "name"));
    char *words = sweep_words(spec, sweep);

    if (json_object_get(sweep, "name")) {
        free(words);
        return;
    }
    if (!base)
        base = json_string_value(json_object_get(spec, "group"));
    int n_words = (int)strlen(words);
    int room = n_words + 1 < NAME_MOST ? NAME_MOST - n_words - 1 : 0;
    char *name = base && (int)strlen(base) <= room
        ? xasprintf("%s %s", base, words)
        : xasprintf("%.*s", NAME_MOST, words);
    json_object_set_new(spec, "name", json_string(name));
    free(name);
    free(words);
}

json_t *sweep_expand(const json_t *spec, const json_t *sweep,
                     json_t **problem)
{
    size_t n = count(sweep, problem);

    if (!n)
        return NULL;
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_deep_copy(spec), *values;
        size_t rest = i, span = n;
        const char *path;

        json_object_foreach((json_t *)sweep, path, values) {
            span /= json_array_size(values);
            job_spec_set(one, path, json_deep_copy(
                json_array_get(values, rest / span)));
            rest %= span;
        }
        set_name(one, sweep);
        json_array_append_new(out, one);
    }
    return out;
}

// ---- a group -------------------------------------------------------------

// Not part of what is trained.
static const char *const labels[] = { "name", "group", "priority", "after" };

// What the jobs of a set have in common. Caller owns.
static json_t *essence(const json_t *spec)
{
    json_t *copy = json_deep_copy(spec);

    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        json_object_del(copy, labels[i]);
    json_object_del(json_object_get(copy, "train"), "seed");
    return copy;
}

static json_t *find_set(json_t *sets, const json_t *what)
{
    size_t i;
    json_t *set;

    json_array_foreach(sets, i, set)
        if (json_equal(json_object_get(set, "what"), what))
            return set;
    set = json_pack("{s:O, s:[], s:[]}", "what", what, "jobs", "seeds");
    json_array_append_new(sets, set);
    return set;
}

static bool all_alike(const json_t *sets, const char *path)
{
    const json_t *first = json_array_get(sets, 0);

    for (size_t i = 1; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        const json_t *a = at_path(json_object_get(first, "what"), path);
        const json_t *b = at_path(json_object_get(set, "what"), path);
        if (a != b && !json_equal(a, b))
            return false;
    }
    return true;
}

static void set_labels(json_t *sets)
{
    int n;
    const struct job_field *fields = job_fields(&n);
    size_t i;
    json_t *set;

    json_array_foreach(sets, i, set) {
        char *label = xstrdup("");
        for (int f = 0; f < n; f++) {
            const json_t *v = at_path(json_object_get(set, "what"),
                                      fields[f].path);
            if (v && !all_alike(sets, fields[f].path))
                label = with_word(label, fields[f].path, v);
        }
        json_object_set_new(set, "label", json_string(label));
        free(label);
    }
    json_array_foreach(sets, i, set)
        json_object_del(set, "what");
}

json_t *sweep_sets(const json_t *jobs)
{
    json_t *sets = json_array();

    // Newest first, as lists of jobs are.
    for (size_t i = json_array_size(jobs); i-- > 0;) {
        const json_t *job = json_array_get(jobs, i);
        const json_t *spec = json_object_get(job, "spec");
        json_t *what = essence(spec), *set = find_set(sets, what);
        const json_t *seed = at_path(spec, "train.seed");

        json_array_append(json_object_get(set, "jobs"),
                          json_object_get(job, "id"));
        json_array_append_new(json_object_get(set, "seeds"),
                              seed ? json_deep_copy(seed) : json_null());
        json_decref(what);
    }
    set_labels(sets);
    return sets;
}
