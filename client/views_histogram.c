/* histogram, ridgeline: how norms are distributed, a figure an epoch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/views_parts.h"
#include "common/mem.h"

enum {
    MOST_ROWS_AT_EASE = 12,     // of a ridgeline; more stand closer
    EASY_ROW = 34, CLOSE_ROW = 18,
};
#define OVERLAP 2.4             // rows that the highest ridge takes

struct shape {                  // what the figures of an animation share
    const json_t    *edges;
    const char      *quantity;
    bool             linear;    // the notebook's density
    struct plot_axis x;
    double           top;       // of all densities
};

static double edge(const struct shape *s, size_t i)
{
    return json_number_value(json_array_get(s->edges, i));
}

// Where the notebook draws a bin: at the mean of its edges.
static double centre(const struct shape *s, size_t i)
{
    double low = edge(s, i), high = edge(s, i + 1);

    return s->linear ? log10((low + high) / 2) : (log10(low) + log10(high)) / 2;
}

// The bins from the one before the first that holds something to the one after
// the last; all on the notebook's grid. False when there is nothing.
static bool filled(const struct shape *s, const json_t *density, size_t *from,
                   size_t *to)
{
    size_t n = json_array_size(density), i = 0;

    *from = n;
    *to = 0;
    for (; i < n; i++)
        if (json_number_value(json_array_get(density, i)) > 0) {
            *from = *from < i ? *from : i;
            *to = i + 1;
        }
    bool any = *from < *to;
    if (s->linear || !any) {
        *from = 0;
        *to = n;
    }
    *from -= *from > 0;
    *to += *to < n;
    return any;
}

static void measure(struct shape *s, const json_t *epochs)
{
    json_t *epoch, *layer, *x;
    const char *name;
    size_t i, k, from, to;

    s->x = (struct plot_axis){.low = -10, .high = 0, .decades = true};
    json_array_foreach((json_t *)epochs, i, epoch)
        json_object_foreach(json_object_get(epoch, "layers"), name, layer) {
            const json_t *density = json_object_get(layer, "density");
            json_array_foreach(density, k, x)
                s->top = fmax(s->top, json_number_value(x));
            if (!s->linear && filled(s, density, &from, &to)) {
                plot_widen(&s->x, log10(edge(s, from)));
                plot_widen(&s->x, log10(edge(s, to)));
            }
        }
}

static void add_curve(struct plot *p, const struct shape *s, const char *name,
                      const json_t *density, int colour)
{
    size_t from, to;

    if (!filled(s, density, &from, &to))
        return;
    struct plot_series *curve = plot_add(p, PLOT_LINE, name, colour,
                                         (int)(to - from));
    for (size_t i = from; i < to; i++) {
        curve->x[i - from] = centre(s, i);
        curve->y[i - from] = json_number_value(json_array_get(density, i));
        if (s->linear)
            plot_widen(&p->y, curve->y[i - from]);
    }
}

static void add_ridge(struct plot *p, const struct shape *s,
                      const json_t *density, int row, int colour)
{
    size_t from, to;

    if (!filled(s, density, &from, &to) || !(s->top > 0))
        return;
    struct plot_series *band = plot_add(p, PLOT_BAND, NULL, colour,
                                        (int)(to - from));
    for (size_t i = from; i < to; i++) {
        double share = json_number_value(json_array_get(density, i)) / s->top;
        band->x[i - from] = centre(s, i);
        band->y[i - from] = row - OVERLAP * share;      // upwards
        band->z[i - from] = row;
    }
}

static void label_x(struct plot *p, const struct shape *s)
{
    bool gradient = !strncmp(s->quantity, "grad_", 5);
    char *label = xasprintf("%s (log scale)", gradient ? "Gradient Magnitude"
                                                       : s->quantity);
    p->x = s->x;
    plot_label(&p->x, label);
    free(label);
}

static char *title(const struct shape *s, const char *kind, const json_t *epoch)
{
    char *when = view_when(epoch), *text;
    bool usual = !strcmp(s->quantity, "grad_out");

    text = xasprintf("Log-Scaled %s%s%s - %s", usual ? "Gradient " : kind,
                     usual ? kind : " of ", usual ? "" : s->quantity, when);
    free(when);
    return text;
}

static void histogram_of(struct figure *f, const struct shape *s,
                         const json_t *epoch)
{
    char *text = title(s, "Histogram", epoch);
    struct plot *p = figure_add(f, text);
    const char *name;
    json_t *layer;
    int colour = 0;

    label_x(p, s);
    plot_label(&p->y, s->linear ? "Density" : "Density (per decade)");
    p->y.high = s->linear ? 0 : 1.05 * s->top;
    json_object_foreach(json_object_get(epoch, "layers"), name, layer)
        add_curve(p, s, name, json_object_get(layer, "density"), colour++);
    p->y.high *= s->linear ? 1.05 : 1;
    if (!(p->y.high > 0))
        p->y.high = 1;
    free(text);
}

static void ridgeline_of(struct figure *f, const struct shape *s,
                         const json_t *epoch)
{
    const json_t *layers = json_object_get(epoch, "layers");
    int n = (int)json_object_size(layers), row = 0;
    char *text = title(s, "Ridgeline", epoch);
    struct plot *p = figure_add(f, text);
    const char *name;
    json_t *layer;

    label_x(p, s);
    p->height = PLOT_TOP + PLOT_BOTTOM + (int)((n + OVERLAP) *
        (n > MOST_ROWS_AT_EASE ? CLOSE_ROW : EASY_ROW));
    p->y.low = n - 0.5;                 // the input is at the top
    p->y.high = -OVERLAP - 0.1;
    json_object_foreach((json_t *)layers, name, layer) {
        plot_name(&p->y, name);
        add_ridge(p, s, json_object_get(layer, "density"), row, row);
        row++;
    }
    free(text);
}

// What both are made of; `of` makes one figure.
static int make(struct client *c, json_int_t id, bool moves,
                struct figure **figures, int *n, bool main_path,
                void (*of)(struct figure *, const struct shape *,
                           const json_t *))
{
    const char *density = opts_value(&c->opts, "density");
    struct shape s = {.linear = density && !strcmp(density, "linear")};
    json_t *names = NULL, *answer = NULL, *epoch;
    size_t i;
    int rc = views_layers(c, id, main_path, &names);

    if (rc)
        return rc;
    const char *given = opts_value(&c->opts, "layers");
    char *layers = given ? xstrdup(given)
                   : main_path ? view_names(names) : views_notebook(names);
    rc = view_ask(c, id, "histograms", layers, view_epochs(c, moves), s.linear
        ? "bins=notebook&source=samples&density=linear"
        : "bins=decade8&source=all&density=decade", &answer);
    if (!rc) {
        json_t *epochs = json_object_get(answer, "epochs");
        s.edges = json_object_get(json_object_get(answer, "bins"), "edges");
        s.quantity = api_text(answer, "quantity");
        measure(&s, epochs);
        json_array_foreach(epochs, i, epoch)
            if (moves || i + 1 == json_array_size(epochs))
                of(view_add(figures, n), &s, epoch);
    }
    json_decref(names);
    json_decref(answer);
    free(layers);
    return rc;
}

int view_histogram(struct client *c, json_int_t id, bool moves,
                   struct figure **figures, int *n)
{
    return make(c, id, moves, figures, n, false, histogram_of);
}

int view_ridgeline(struct client *c, json_int_t id, bool moves,
                   struct figure **figures, int *n)
{
    return make(c, id, moves, figures, n, true, ridgeline_of);
}
