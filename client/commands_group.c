/* submit --sweep, group, cancel --group, compare --group: jobs that belong
 * together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/api.h"
#include "client/group.h"
#include "client/submit.h"
#include "client/table.h"
#include "client/text.h"
#include "common/job.h"
#include "common/mem.h"

// ---- what --sweep says ---------------------------------------------------

// By path ("train.seed"), or by what is behind its last dot ("seed").
static const struct job_field *find_field(const char *name)
{
    int n;
    const struct job_field *fields = job_fields(&n), *found = NULL;

    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(fields[i].path, '.');
        if (!strcmp(fields[i].path, name))
            return &fields[i];
        if (dot && !strcmp(dot + 1, name)) {
            if (found)
                return NULL;            // of two groups of fields
            found = &fields[i];
        }
    }
    return found;
}

enum range { NO_RANGE, RANGE, LONG_RANGE };

// "0..4" into list, if it is a range and not too long.
static enum range add_range(json_t *list, const char *text)
{
    char *end, *last;
    errno = 0;
    long long from = strtoll(text, &end, 10), to;

    if (end == text || strncmp(end, "..", 2))
        return NO_RANGE;
    to = strtoll(end + 2, &last, 10);
    if (last == end + 2 || *last || to < from)
        return NO_RANGE;
    if ((unsigned long long)to - (unsigned long long)from >= JOB_MAX_SWEEP)
        return LONG_RANGE;
    if (errno)                          // both are beyond what it can hold
        return NO_RANGE;
    for (unsigned long long n = 0; n <= (unsigned long long)(to - from); n++)
        json_array_append_new(list, json_integer(from + (long long)n));
    return RANGE;
}

// One of the values, which may be a range, into list.
static int add_value(json_t *list, const struct job_field *f, const char *text)
{
    enum range range = add_range(list, text);

    if (range == LONG_RANGE)
        return client_refuse("submit", "--sweep: %s=%s is too long: a sweep "
                             "makes at most %d jobs", f->path, text,
                             JOB_MAX_SWEEP);
    if (range == NO_RANGE)
        json_array_append_new(list, job_option_value(f, text));
    return 0;
}

// "model.skip=true,false" into sweep; an exit status after saying what is
// wrong.
static int add_field(json_t *sweep, const char *text)
{
    const char *equals = strchr(text, '=');
    char *name = xstrndup(text, equals ? (size_t)(equals - text)
                                       : strlen(text));
    const struct job_field *f = find_field(name);
    json_t *list = json_array();
    int rc = 0;

    if (!equals || !equals[1])
        rc = client_refuse("submit", "--sweep: \"%s\" lacks its values; it is "
                           "FIELD=VALUE,... as in train.seed=0..4", text);
    else if (!f)
        rc = client_refuse("submit", "--sweep: \"%s\" is no field of a job; "
                           "name it as a spec does, as in train.seed", name);
    else if (json_object_get(sweep, f->path))
        rc = client_refuse("submit", "--sweep: %s is given twice", f->path);
    char *copy = xstrdup(equals ? equals + 1 : ""), *at = copy, *one;
    while (!rc && (one = strsep(&at, ",")))
        rc = add_value(list, f, one);
    if (!rc)
        json_object_set(sweep, f->path, list);
    json_decref(list);
    free(copy);
    free(name);
    return rc;
}

static int read_sweep(const char *text, json_t *sweep)
{
    char *copy = xstrdup(text), *rest = NULL;
    int rc = 0;

    for (char *one = strtok_r(copy, " \t\n", &rest); one && !rc;
         one = strtok_r(NULL, " \t\n", &rest))
        rc = add_field(sweep, one);
    if (!rc && !json_object_size(sweep))
        rc = client_refuse("submit",
                           "--sweep needs one or more FIELD=VALUE,...");
    free(copy);
    return rc;
}

// ---- submit --sweep ------------------------------------------------------

// "sweep-20250131-235959": sweeps without a name of their own.
static void name_group(json_t *spec)
{
    char text[40];
    time_t now = time(NULL);
    struct tm tm;

    if (json_is_string(json_object_get(spec, "group")))
        return;
    strftime(text, sizeof text, "sweep-%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    json_object_set_new(spec, "group", json_string(text));
}

static void print_names(struct client *c, const json_t *specs)
{
    size_t i;
    json_t *spec;

    json_array_foreach(specs, i, spec) {
        char *name = text_clean(api_text(spec, "name"), c->utf8);
        printf("%s\n", name);
        free(name);
    }
}

static void announce(struct client *c, const json_t *answer)
{
    const json_t *jobs = json_object_get(answer, "jobs");
    const char *group = api_text(answer, "group");
    size_t i;
    json_t *job;

    json_array_foreach(jobs, i, job)
        printf("%" JSON_INTEGER_FORMAT "\n",
               json_integer_value(json_object_get(job, "id")));
    if (!c->quiet)
        client_say("queued %zu jobs as %s; see them with: gradwatch list "
                   "--group %s", json_array_size(jobs), group, group);
}

int submit_sweep(struct client *c, json_t *spec, bool dry)
{
    json_t *sweep = json_object(), *answer = NULL;
    int rc = read_sweep(opts_value(&c->opts, "sweep"), sweep);

    name_group(spec);
    json_t *body = json_pack("{s:O, s:o}", "spec", spec, "sweep", sweep);
    char *text = json_dumps(body, JSON_COMPACT);
    struct response r = {0};
    if (!rc)
        rc = api_send(c, "POST", dry ? API "/sweeps?dry_run=true"
                                     : API "/sweeps", text, &r);
    if (!rc && c->json)
        api_print_body(c, &r);
    else if (!rc)
        answer = json_loadb(r.body, r.len, 0, NULL);
    if (answer && dry)
        print_names(c, json_object_get(answer, "specs"));
    else if (answer)
        announce(c, answer);
    http_clear(&r);
    json_decref(answer);
    json_decref(body);
    free(text);
    return rc;
}

// ---- group ---------------------------------------------------------------

// "/api/v1/groups/NAME/below". Caller owns.
static char *group_path(const char *group, const char *below)
{
    char *quoted = http_escape(group);
    char *path = xasprintf(API "/groups/%s%s", quoted, below);

    free(quoted);
    return path;
}

// "1 2 3". Caller owns.
static char *spaced(const json_t *numbers)
{
    char *text = xstrdup("");
    size_t i;
    json_t *number;

    json_array_foreach(numbers, i, number) {
        char *longer = xasprintf("%s%s%" JSON_INTEGER_FORMAT, text,
                                 *text ? " " : "", json_integer_value(number));
        free(text);
        text = longer;
    }
    return text;
}

int command_group(struct client *c)
{
    static const struct column columns[] = {
        {"JOBS", false, true}, {"SEEDS", false, true}, {"SET", false, true}};
    char *path = group_path(c->opts.words[0], "");
    json_t *answer = NULL, *set, *n;
    const char *state;
    size_t i;
    int rc = c->json ? api_print(c, path)
                     : api_json(c, "GET", path, NULL, &answer);

    free(path);
    if (rc || c->json)
        return rc;
    struct table *t = table_new(c, columns, 3);
    json_array_foreach(json_object_get(answer, "sets"), i, set) {
        table_take(t, spaced(json_object_get(set, "jobs")));
        table_take(t, spaced(json_object_get(set, "seeds")));
        table_add(t, api_text(set, "label"));
    }
    table_print(t, c);
    table_free(t);
    const char *mark = "\n";
    json_object_foreach(json_object_get(answer, "states"), state, n) {
        char *clean = text_clean(state, c->utf8);
        printf("%s%.0f %s", mark, json_number_value(n), clean);
        free(clean);
        mark = ", ";
    }
    printf("\n");
    json_decref(answer);
    return 0;
}

int cancel_group(struct client *c, const char *group)
{
    char *path = group_path(group, "/cancel");
    json_t *answer = NULL;
    struct response r;
    int rc = api_send(c, "POST", path, NULL, &r);

    if (!rc && c->json)
        api_print_body(c, &r);
    else if (!rc)
        answer = json_loadb(r.body, r.len, 0, NULL);
    if (answer && !c->quiet)
        client_say("%zu jobs are being cancelled",
                   json_array_size(json_object_get(answer, "cancelled")));
    http_clear(&r);
    json_decref(answer);
    free(path);
    return rc;
}

// ---- compare --group -----------------------------------------------------

int compare_group(struct client *c, const char *group, const char *query)
{
    char *below = xasprintf("/compare%s%s", *query ? "?" : "", query);
    char *path = group_path(group, below);
    json_t *answer = NULL, *row;
    size_t i;
    int rc = c->json ? api_print(c, path)
                     : api_json(c, "GET", path, NULL, &answer);

    free(below);
    free(path);
    if (rc || c->json)
        return rc;
    char *base = text_clean(api_text(answer, "base"), c->utf8);
    json_array_foreach(json_object_get(answer, "comparisons"), i, row) {
        char *label = text_clean(api_text(row, "label"), c->utf8);
        printf("%s%s over %s:\n", i ? "\n" : "", label, base);
        compare_print(c, json_object_get(row, "comparison"));
        free(label);
    }
    if (!i)
        printf("one set of jobs that differ in seeds alone: nothing to "
               "compare\n");
    const json_t *left = json_object_get(answer, "left_out");
    if (json_array_size(left) && !c->quiet) {
        char *ids = spaced(left);
        client_say("left out, no whole epoch yet: %s", ids);
        free(ids);
    }
    free(base);
    json_decref(answer);
    return 0;
}
