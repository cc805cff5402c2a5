/* gradients, and the requests for records that other commands share. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/records.h"
#include "client/table.h"
#include "client/text.h"
#include "common/job.h"
#include "common/mem.h"

/* ---- requests ---- */

char *records_path(struct client *c, json_int_t id, const char *what,
                   const char *layers, const char *epochs, const char *more)
{
    const char *keys[] = {"quantity", "layers", "epochs"};
    const char *values[] = {opts_value(&c->opts, "quantity"), layers, epochs};
    char *below = xasprintf("/%s", what), *path = api_job(id, below);
    char mark = '?';

    free(below);
    for (int i = 0; i < 3; i++) {
        if (!values[i] || (i == 2 && !strcmp(values[i], "all")))
            continue;
        char *quoted = http_escape(values[i]);
        char *longer = xasprintf("%s%c%s=%s", path, mark, keys[i], quoted);
        free(quoted);
        free(path);
        path = longer;
        mark = '&';
    }
    if (*more) {
        char *longer = xasprintf("%s%c%s", path, mark, more);
        free(path);
        path = longer;
    }
    return path;
}

void records_say_none(const struct client *c, json_int_t id)
{
    const char *epochs = opts_value(&c->opts, "epochs");

    if (epochs && strcmp(epochs, "all"))
        client_say("job %" JSON_INTEGER_FORMAT " has no records of epochs %s",
                   id, epochs);
    else
        client_say("job %" JSON_INTEGER_FORMAT " has no records yet", id);
}

int records_get(struct client *c, const char *command, const char *what,
                json_t **answer)
{
    const char *epochs = opts_value(&c->opts, "epochs");
    json_int_t id;
    int rc = client_id(c, command, 0, &id);

    *answer = NULL;
    if (rc)
        return rc;
    char *path = records_path(c, id, what, opts_value(&c->opts, "layers"),
                              epochs || c->json ? epochs : "last", "");
    rc = c->json ? api_print(c, path)
                 : api_json(c, "GET", path, NULL, answer);
    free(path);
    if (!rc && !c->json && !json_array_size(json_object_get(*answer,
                                                            "epochs"))) {
        records_say_none(c, id);
        json_decref(*answer);
        *answer = NULL;
        rc = EXIT_NO;
    }
    return rc;
}

/* ---- gradients ---- */

static const struct column columns[] = {
    {"EPOCH", true, false}, {"LAYER", false, true}, {"STEPS", true, false},
    {"P05", true, false},   {"MEDIAN", true, false}, {"P95", true, false},
    {"MAX", true, false},   {"ZEROS", true, false},
    {"NOT FINITE", true, false},
};

static void add_summary(struct table *t, const json_t *epoch, const char *layer,
                        const json_t *record)
{
    static const char *const stats[] = {"p05", "median", "p95", "max"};
    static const char *const counts[] = {"zeros", "nonfinite"};
    bool complete = json_is_true(json_object_get(epoch, "complete"));

    table_take(t, xasprintf("%.0f%s", api_number(epoch, "epoch"),
                            complete ? "" : "..."));
    table_add(t, layer);
    table_take(t, text_json(json_object_get(record, "count"), t->utf8));
    for (int i = 0; i < 4; i++)
        table_take(t, text_number(api_number(record, stats[i]), 3));
    for (int i = 0; i < 2; i++)
        table_take(t, text_json(json_object_get(record, counts[i]), t->utf8));
}

int command_gradients(struct client *c)
{
    json_t *answer, *epoch, *record;
    size_t i;
    const char *name;
    int rc = records_get(c, "gradients", "gradients", &answer);

    if (rc || c->json)
        return rc;
    struct table *t = table_new(c, columns, sizeof columns / sizeof *columns);
    json_array_foreach(json_object_get(answer, "epochs"), i, epoch)
        json_object_foreach(json_object_get(epoch, "layers"), name, record)
            add_summary(t, epoch, name, record);
    table_print(t, c);
    table_free(t);
    json_decref(answer);
    return 0;
}
