/* heat, profile, training: norms over depth and epochs, the training itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/views_parts.h"
#include "common/mem.h"

enum { CELL_ROW = 14, LEAST_CELLS = 200, PANEL = 270 };

static double epoch_of(const json_t *epochs, size_t i)
{
    return api_number(json_array_get(epochs, i), "epoch");
}

static double log_of(const json_t *object, const char *key)
{
    double x = api_number(object, key);

    return x > 0 ? log10(x) : NAN;
}

/* ---- heat ---- */

static void add_cells(struct plot *p, const json_t *epochs)
{
    const json_t *epoch, *layer;
    size_t i, k, at = 0, n = 0;

    json_array_foreach(epochs, i, epoch)
        n += json_array_size(json_object_get(epoch, "layers"));
    struct plot_series *s = plot_add(p, PLOT_CELLS, NULL, 0, (int)n);
    json_array_foreach(epochs, i, epoch)
        json_array_foreach(json_object_get(epoch, "layers"), k, layer) {
            s->x[at] = api_number(epoch, "epoch");
            s->y[at] = (double)k;
            s->z[at] = log_of(layer, "median");
            plot_widen(&p->z, s->z[at++]);
        }
}

int view_heat(struct client *c, json_int_t id, bool moves,
              struct figure **figures, int *n)
{
    json_t *answer, *layer;
    size_t i;
    int rc = view_ask(c, id, "profile", opts_value(&c->opts, "layers"),
                      view_epochs(c, true), "", &answer);

    (void)moves;
    if (rc)
        return rc;
    const json_t *epochs = json_object_get(answer, "epochs");
    const json_t *layers = json_object_get(json_array_get(epochs, 0), "layers");
    char *text = xasprintf("Median %s of each layer, job %" JSON_INTEGER_FORMAT,
                           api_text(answer, "quantity"), id);
    struct plot *p = figure_add(view_add(figures, n), text);
    int rows = (int)json_array_size(layers) * CELL_ROW;

    p->height = PLOT_TOP + PLOT_BOTTOM + (rows > LEAST_CELLS ? rows
                                                             : LEAST_CELLS);
    plot_label(&p->x, "Epoch");
    p->x.low = epoch_of(epochs, 0) - 0.5;
    p->x.high = epoch_of(epochs, json_array_size(epochs) - 1) + 0.5;
    json_array_foreach(layers, i, layer)
        plot_name(&p->y, api_text(layer, "layer"));
    p->y.low = p->y.n_names - 0.5;      // the input is at the top
    p->y.high = -0.5;
    plot_label(&p->z, "Median");
    p->z.decades = true;
    p->z.low = 1;
    add_cells(p, epochs);
    if (p->z.low > p->z.high)
        p->z.low = -10;                 // nothing to show
    free(text);
    json_decref(answer);
    return 0;
}

/* ---- profile ---- */

// The line that was fitted goes through the mean of the points; its slope
// counts towards the input.
static void add_fit(struct plot *p, const struct plot_series *medians,
                    const json_t *slope)
{
    double decades = api_number(slope, "decades_per_layer"), x = 0, y = 0;
    int n = 0;

    for (int i = 0; i < medians->n; i++)
        if (isfinite(medians->y[i])) {
            x += medians->x[i];
            y += medians->y[i];
            n++;
        }
    if (n < 2 || !isfinite(decades))
        return;
    double ends[] = {medians->x[0], medians->x[medians->n - 1]};
    char *name = xasprintf("fit: %.3gx per layer towards the input",
                           api_number(slope, "factor_per_layer"));
    struct plot_series *fit = plot_add(p, PLOT_DASHED, name, 1, 2);
    for (int i = 0; i < 2; i++) {
        fit->x[i] = ends[i];
        fit->y[i] = y / n - decades * (ends[i] - x / n);
    }
    free(name);
}

static void profile_of(struct figure *f, const json_t *epoch,
                       const char *quantity, const struct plot_axis *y)
{
    char *when = view_when(epoch);
    char *text = xasprintf("Depth Profile of %s - %s", quantity, when);
    struct plot *p = figure_add(f, text);
    json_t *main_path = json_array(), *layer;
    size_t i;

    json_array_foreach(json_object_get(epoch, "layers"), i, layer)
        if (json_is_true(json_object_get(layer, "main")))
            json_array_append(main_path, layer);
    int n = (int)json_array_size(main_path);
    plot_label(&p->x, "Depth: convolutions from the input");
    p->x.high = 1;
    p->y = *y;
    plot_label(&p->y, quantity);
    plot_add(p, PLOT_BAND, "5 % to 95 % of the steps", 0, n);
    plot_add(p, PLOT_DOTS, "median", 0, n);
    struct plot_series *band = &p->series[0], *line = &p->series[1];
    json_array_foreach(main_path, i, layer) {
        band->x[i] = line->x[i] = api_number(layer, "depth");
        band->y[i] = log_of(layer, "p05");
        band->z[i] = log_of(layer, "p95");
        line->y[i] = log_of(layer, "median");
        plot_widen(&p->x, line->x[i] + 1);
    }
    add_fit(p, line, json_object_get(epoch, "slope"));
    json_decref(main_path);
    free(text);
    free(when);
}

int view_profile(struct client *c, json_int_t id, bool moves,
                 struct figure **figures, int *n)
{
    struct plot_axis y = {.low = 1, .high = 0, .decades = true};
    json_t *answer, *epoch, *layer;
    size_t i, k;
    int rc = view_ask(c, id, "profile", opts_value(&c->opts, "layers"),
                      view_epochs(c, moves), "", &answer);

    if (rc)
        return rc;
    const json_t *epochs = json_object_get(answer, "epochs");
    json_array_foreach(epochs, i, epoch)
        json_array_foreach(json_object_get(epoch, "layers"), k, layer) {
            plot_widen(&y, log_of(layer, "p05"));
            plot_widen(&y, log_of(layer, "p95"));
        }
    if (y.low > y.high)
        y.low = -10;                    // nothing to show
    y.high += y.high <= y.low;
    json_array_foreach(epochs, i, epoch)
        if (moves || i + 1 == json_array_size(epochs))
            profile_of(view_add(figures, n), epoch,
                       api_text(answer, "quantity"), &y);
    json_decref(answer);
    return 0;
}

/* ---- training ---- */

static const struct { const char *key, *title; bool from_zero; } panels[] = {
    {"loss", "Loss", false},
    {"accuracy", "Accuracy", true},
    {"images_per_second", "Images a second", true},
    {"recording_share", "Share of the time that recording takes", true},
};

static void add_panel(struct figure *f, const json_t *epochs, int which)
{
    struct plot *p = figure_add(f, panels[which].title);
    size_t n = json_array_size(epochs);
    static const char *const names[] = {"training", "validation"};

    p->height = PANEL;
    plot_label(&p->x, "Epoch");
    p->x.low = epoch_of(epochs, 0) - 0.5;
    p->x.high = epoch_of(epochs, n - 1) + 0.5;
    p->y.low = 1;
    if (panels[which].from_zero)
        plot_widen(&p->y, 0);
    for (int k = 0; k < 2; k++) {
        int found = 0;
        struct plot_series *s = plot_add(p, PLOT_DOTS, names[k], k, (int)n);
        for (size_t i = 0; i < n; i++) {
            const json_t *epoch = json_array_get(epochs, i);
            const json_t *of = k ? json_object_get(epoch, "validation")
                                 : epoch;
            s->x[i] = api_number(epoch, "epoch");
            s->y[i] = api_number(of, panels[which].key);
            plot_widen(&p->y, s->y[i]);
            found += isfinite(s->y[i]);
        }
        if (!found)
            s->n = 0;
    }
    if (p->y.low >= p->y.high) {        // nothing, or all the same
        p->y.low = p->y.low > p->y.high ? 0 : p->y.low - 0.5;
        p->y.high = p->y.low + 1;
    }
    double room = 0.05 * (p->y.high - p->y.low);
    p->y.high += room;
    p->y.low -= panels[which].from_zero ? 0 : room;
}

int view_training(struct client *c, json_int_t id, bool moves,
                  struct figure **figures, int *n)
{
    char *path = api_job(id, "/metrics");
    json_t *answer;
    int rc = api_json(c, "GET", path, NULL, &answer);

    (void)moves;
    free(path);
    if (rc)
        return rc;
    const json_t *epochs = json_object_get(answer, "epochs");
    if (json_array_size(epochs)) {
        struct figure *f = view_add(figures, n);
        for (int i = 0; i < (int)(sizeof panels / sizeof *panels); i++)
            add_panel(f, epochs, i);
    } else {
        client_say("job %" JSON_INTEGER_FORMAT " has no whole epoch yet", id);
        rc = EXIT_NO;
    }
    json_decref(answer);
    return rc;
}
