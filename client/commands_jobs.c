/* list, show: the queue and what is in it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"

enum { PAGE = 100 };

/* ---- list ---- */

static const struct column list_columns[] = {
    {"ID", true, false},     {"STATE", false, false},
    {"DEVICE", false, false}, {"NAME", false, true},
    {"EPOCH", true, false},  {"LOSS", true, false},   {"ACCURACY", true, false},
    {"IMAGES/S", true, false}, {"CREATED", true, false},
    {"STARTS", true, false}, {"ENDS", true, false},     // about
};

static char *percent(double share)
{
    return isfinite(share) ? xasprintf("%.1f %%", 100 * share) : xstrdup("-");
}

// "running", "queued: waiting for cuda:0"
static char *state_of(const json_t *job)
{
    const json_t *waits = json_object_get(job, "waiting_for");
    const char *state = api_text(job, "state");

    return json_is_string(waits)
        ? xasprintf("%s: waiting for %s", state, json_string_value(waits))
        : xstrdup(state);
}

// "cpu", "cuda:0", or "-"
static char *device_of(const json_t *job)
{
    const json_t *device = json_object_get(job, "device");
    const char *backend = api_text(device, "backend");

    if (!json_is_object(device))
        return xstrdup("-");
    return strcmp(backend, "cuda") ? xstrdup(backend)
        : xasprintf("%s:%.0f", backend, api_number(device, "index"));
}

static void add_job(struct table *t, const json_t *job)
{
    const json_t *progress = json_object_get(job, "progress");
    const json_t *expected = json_object_get(job, "expected");
    const char *state = api_text(job, "state");
    double epoch = api_number(progress, "epoch");
    double epochs = api_number(progress, "epochs");

    table_take(t, text_json(json_object_get(job, "id"), false));
    table_take(t, state_of(job));
    table_colour(t, table_state_colour(state));
    table_take(t, device_of(job));
    table_add(t, api_text(job, "name"));
    table_take(t, isnan(epochs) ? xstrdup("-")
                                : xasprintf("%.0f/%.0f",
                                            isnan(epoch) ? 0 : epoch, epochs));
    table_take(t, text_number(api_number(job, "loss"), 4));
    table_take(t, percent(api_number(job, "accuracy")));
    table_take(t, text_number(api_number(progress, "images_per_second"), 3));
    table_take(t, text_age(api_text(job, "created_at")));
    table_take(t, text_until(api_text(expected, "start_at")));
    table_take(t, text_until(api_text(expected, "end_at")));
}

static char *list_path(struct client *c, const json_t *cursor)
{
    const char *state = opts_value(&c->opts, "state");
    const char *group = opts_value(&c->opts, "group");
    char *quoted = http_escape(state ? state : "");
    char *in = http_escape(group ? group : "");
    char *text = json_is_string(cursor)
                     ? xstrdup(json_string_value(cursor))
                     : json_dumps(cursor, JSON_ENCODE_ANY);
    char *next = http_escape(text ? text : "");
    char *path = xasprintf(API "/jobs?limit=%d%s%s%s%s%s%s", PAGE,
                           state ? "&state=" : "", quoted,
                           group ? "&group=" : "", in,
                           cursor ? "&cursor=" : "", cursor ? next : "");

    free(quoted);
    free(in);
    free(text);
    free(next);
    return path;
}

// A full page has another one behind it, from its last row on; the titles are
// there once.
static void print_csv_page(struct client *c, const struct response *r,
                           bool first, json_t **cursor)
{
    const char *last = "", *row = r->len ? r->body : "";
    struct response part = *r;
    int n = -1;                         // the titles are no row

    for (; *row; n++) {
        last = row;
        row += strcspn(row, "\n");
        row += *row == '\n';
        if (n < 0 && !first) {
            part.len -= (size_t)(row - part.body);
            part.body += row - part.body;
        }
    }
    api_print_body(c, &part);
    if (n == PAGE)
        *cursor = json_integer(strtoll(last, NULL, 10));
}

// One page; *cursor becomes the next one's, or NULL after the last.
static int list_page(struct client *c, struct table *t, json_t **cursor)
{
    char *path = list_path(c, *cursor);
    json_t *answer = NULL, *job;
    struct response r;
    size_t i;
    bool first = !*cursor;
    int rc = api_get(c, path, &r);

    json_decref(*cursor);
    *cursor = NULL;
    if (!rc && c->csv)
        print_csv_page(c, &r, first, cursor);
    else if (!rc && c->json)
        api_print_body(c, &r);
    if (!rc && !c->csv)
        answer = json_loadb(r.body, r.len, 0, NULL);
    json_array_foreach(json_object_get(answer, "jobs"), i, job) {
        if (c->quiet && !c->json)
            printf("%" JSON_INTEGER_FORMAT "\n",
                   json_integer_value(json_object_get(job, "id")));
        else
            add_job(t, job);
    }
    json_t *next = json_object_get(answer, "next");
    if (next && !json_is_null(next))
        *cursor = json_incref(next);
    json_decref(answer);
    http_clear(&r);
    free(path);
    return rc;
}

int command_list(struct client *c)
{
    struct table *t = table_new(c, list_columns,
                                sizeof list_columns / sizeof *list_columns);
    json_t *cursor = NULL;
    int rc;

    do
        rc = list_page(c, t, &cursor);
    while (!rc && cursor);
    json_decref(cursor);
    if (!rc && !c->json && !c->quiet && t->n_cells)
        table_print(t, c);
    else if (!rc && !c->json && !c->quiet)
        client_say(opts_given(&c->opts, "state") ||
                   opts_given(&c->opts, "group")
                       ? "there is no such job"
                       : "no jobs yet; queue one with: gradwatch submit");
    table_free(t);
    return rc;
}

/* ---- show ---- */

static void row(struct table *t, const char *name, char *value)
{
    table_add(t, name);
    table_take(t, value);
}

static void add_spec(struct table *t, const json_t *object, const char *prefix)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        char *path = xasprintf("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value))
            add_spec(t, value, path);
        else
            row(t, path, text_json(value, t->utf8));
        free(path);
    }
}

static void add_times(struct table *t, const json_t *job)
{
    static const char *const names[] = {"created", "started", "ended"};

    for (int i = 0; i < 3; i++) {
        char *key = xasprintf("%s_at", names[i]);
        const char *time = api_text(job, key);
        char *age = text_age(time);
        if (*time)
            row(t, names[i], xasprintf("%s (%s)", time, age));
        free(age);
        free(key);
    }
}

// Of a job that waits or runs, as far as it is known.
static void add_expected(struct table *t, const json_t *job)
{
    static const char *const rows[][2] = {
        {"starts about", "start_at"}, {"ends about", "end_at"},
    };
    const json_t *expected = json_object_get(job, "expected");

    for (int i = 0; i < 2; i++)
        if (*api_text(expected, rows[i][1]))
            row(t, rows[i][0], xstrdup(api_text(expected, rows[i][1])));
}

static void add_progress(struct table *t, const json_t *job)
{
    const json_t *progress = json_object_get(job, "progress");
    double epochs = api_number(progress, "epochs");

    if (isfinite(epochs))
        row(t, "epoch", xasprintf("%.0f/%.0f", fmax(api_number(progress,
                                  "epoch"), 0), epochs));
    if (isfinite(api_number(progress, "steps_per_epoch")))
        row(t, "step", xasprintf("%.0f/%.0f",
                                 fmax(api_number(progress, "step"), 0),
                                 api_number(progress, "steps_per_epoch")));
    row(t, "images/s", text_number(api_number(progress, "images_per_second"),
                                   4));
    if (isfinite(api_number(progress, "eta_seconds")))
        row(t, "ETA", text_seconds(api_number(progress, "eta_seconds")));
    row(t, "loss", text_number(api_number(job, "loss"), 5));
    row(t, "accuracy", percent(api_number(job, "accuracy")));
}

static void print_job(struct client *c, const json_t *job)
{
    static const struct column columns[] = {{"JOB", 0, 0}, {"", 0, 1}};
    static const struct column spec_columns[] = {{"SPEC", 0, 0}, {"", 0, 1}};
    const json_t *device = json_object_get(job, "device");
    const json_t *parameters = json_object_get(job, "parameters");
    const json_t *error = json_object_get(job, "error");
    const char *state = api_text(job, "state");
    char *name = device_of(job);
    struct table *t = table_new(c, columns, 2);

    row(t, "id", text_json(json_object_get(job, "id"), c->utf8));
    row(t, "name", xstrdup(api_text(job, "name")));
    row(t, "state", state_of(job));
    table_colour(t, table_state_colour(state));
    if (json_is_object(error))
        row(t, "error", xasprintf("%s: %s", api_text(error, "code"),
                                  api_text(error, "message")));
    add_times(t, job);
    add_expected(t, job);
    if (json_is_object(device))
        row(t, "device", xasprintf("%s %s", name, api_text(device, "name")));
    free(name);
    if (json_is_object(parameters)) {
        row(t, "parameters", text_count((int64_t)api_number(parameters,
                                                            "held")));
        row(t, "of these used", text_count((int64_t)api_number(parameters,
                                                               "used")));
    }
    add_progress(t, job);
    table_print(t, c);
    table_free(t);
    putchar('\n');
    t = table_new(c, spec_columns, 2);
    add_spec(t, json_object_get(job, "spec"), "");
    table_print(t, c);
    table_free(t);
}

int command_show(struct client *c)
{
    json_int_t id;
    json_t *job;
    int rc = client_id(c, "show", 0, &id);

    if (rc)
        return rc;
    char *path = api_job(id, "");
    if (c->json) {
        rc = api_print(c, path);
    } else {
        rc = api_json(c, "GET", path, NULL, &job);
        if (!rc)
            print_job(c, job);
        json_decref(job);
    }
    free(path);
    return rc;
}
