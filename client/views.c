#include "client/views.h"

#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/records.h"
#include "client/text.h"
#include "client/views_parts.h"
#include "common/job.h"
#include "common/mem.h"

enum { FEW_LAYERS = 6 };

const struct view views[] = {
    {"histogram", "the distribution of a few layers' norms", true,
     view_histogram},
    {"ridgeline", "that of all layers of the main path", true, view_ridgeline},
    {"heat", "medians, layers by epochs", false, view_heat},
    {"profile", "medians over depth, with the fitted slope", true,
     view_profile},
    {"training", "loss, accuracy, rate, cost of recording", false,
     view_training},
};
const int n_views = sizeof views / sizeof *views;

const struct view *views_find(const char *name)
{
    for (int i = 0; i < n_views; i++)
        if (!strcmp(views[i].name, name))
            return &views[i];
    return NULL;
}

int views_make(struct client *c, const struct view *view, json_int_t id,
               bool moves, struct figure **figures, int *n)
{
    *figures = NULL;
    *n = 0;
    return view->make(c, id, moves, figures, n);
}

void views_clear(struct figure *figures, int n)
{
    for (int i = 0; i < n; i++)
        figure_clear(&figures[i]);
    free(figures);
}

/* ---- what the views share ---- */

struct figure *view_add(struct figure **figures, int *n)
{
    *figures = xrealloc(*figures, (size_t)(*n + 1) * sizeof **figures);
    (*figures)[*n] = (struct figure){0};
    return &(*figures)[(*n)++];
}

int view_ask(struct client *c, json_int_t id, const char *what,
             const char *layers, const char *epochs, const char *more,
             json_t **answer)
{
    char *path = records_path(c, id, what, layers, epochs, more);
    int rc = api_json(c, "GET", path, NULL, answer);

    free(path);
    if (!rc && !json_array_size(json_object_get(*answer, "epochs"))) {
        records_say_none(c, id);
        json_decref(*answer);
        *answer = NULL;
        rc = EXIT_NO;
    }
    return rc;
}

const char *view_epochs(struct client *c, bool all)
{
    const char *epochs = opts_value(&c->opts, "epochs");

    return epochs ? epochs : all ? "all" : "last";
}

char *view_when(const json_t *epoch)
{
    bool partial = json_is_false(json_object_get(epoch, "complete"));

    return xasprintf("Epoch %.0f%s", api_number(epoch, "epoch"),
                     partial ? " so far" : "");
}

char *view_names(const json_t *layers)
{
    char *text = xstrdup("");
    const json_t *name;
    size_t i;

    json_array_foreach(layers, i, name) {
        char *longer = xasprintf("%s%s%s", text, i ? "," : "",
                                 json_string_value(name));
        free(text);
        text = longer;
    }
    return text;
}

/* ---- layers ---- */

int views_layers(struct client *c, json_int_t id, bool main_path,
                 json_t **layers)
{
    json_t *answer, *layer;
    size_t i;
    int rc = view_ask(c, id, "profile", NULL, "last", "", &answer);

    *layers = NULL;
    if (rc)
        return rc;
    *layers = json_array();
    json_array_foreach(json_object_get(json_array_get(json_object_get(
                           answer, "epochs"), 0), "layers"), i, layer)
        if (!main_path || json_is_true(json_object_get(layer, "main")))
            json_array_append_new(*layers,
                                  json_string(api_text(layer, "layer")));
    json_decref(answer);
    return 0;
}

static bool holds(const json_t *layers, const char *name)
{
    const json_t *each;
    size_t i;

    json_array_foreach(layers, i, each)
        if (!strcmp(json_string_value(each), name))
            return true;
    return false;
}

char *views_notebook(const json_t *layers)
{
    size_t n = json_array_size(layers);
    json_t *few = json_array();

    for (int i = 0; job_notebook_layers[i]; i++)
        if (holds(layers, job_notebook_layers[i]))
            json_array_append_new(few, json_string(job_notebook_layers[i]));
    if (!json_array_size(few) ||
        (json_array_size(few) < FEW_LAYERS / 2 && n > FEW_LAYERS)) {
        size_t most = n < FEW_LAYERS ? n : FEW_LAYERS;
        json_array_clear(few);
        for (size_t i = 0; i < most; i++)
            json_array_append(few, json_array_get(layers,
                most > 1 ? i * (n - 1) / (most - 1) : 0));
    }
    char *names = view_names(few);
    json_decref(few);
    return names;
}
