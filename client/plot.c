#include "client/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

struct plot *figure_add(struct figure *f, const char *title)
{
    f->plots = xrealloc(f->plots, (size_t)(f->n + 1) * sizeof *f->plots);
    struct plot *p = &f->plots[f->n++];
    *p = (struct plot){.title = xstrdup(title), .height = PLOT_HEIGHT};
    return p;
}

static void clear_axis(struct plot_axis *a)
{
    for (int i = 0; i < a->n_names; i++)
        free(a->names[i]);
    free(a->names);
    free(a->label);
}

static void clear_plot(struct plot *p)
{
    for (int i = 0; i < p->n_series; i++) {
        free(p->series[i].name);
        free(p->series[i].x);
        free(p->series[i].y);
        free(p->series[i].z);
    }
    free(p->series);
    free(p->title);
    clear_axis(&p->x);
    clear_axis(&p->y);
    clear_axis(&p->z);
}

void figure_clear(struct figure *f)
{
    for (int i = 0; i < f->n; i++)
        clear_plot(&f->plots[i]);
    free(f->plots);
    *f = (struct figure){0};
}

struct plot_series *plot_add(struct plot *p, enum plot_kind kind,
                             const char *name, int colour, int n)
{
    size_t room = n > 0 ? (size_t)n : 1;

    p->series = xrealloc(p->series, (size_t)(p->n_series + 1) *
                                    sizeof *p->series);
    struct plot_series *s = &p->series[p->n_series++];
    *s = (struct plot_series){
        .kind = kind, .name = name ? xstrdup(name) : NULL, .n = n,
        .colour = colour, .x = xcalloc(room, sizeof *s->x),
        .y = xcalloc(room, sizeof *s->y), .z = xcalloc(room, sizeof *s->z)};
    return s;
}

void plot_label(struct plot_axis *a, const char *label)
{
    free(a->label);
    a->label = xstrdup(label);
}

void plot_name(struct plot_axis *a, const char *name)
{
    a->names = xrealloc(a->names, (size_t)(a->n_names + 1) *
                                  sizeof *a->names);
    a->names[a->n_names++] = xstrdup(name);
}

void plot_widen(struct plot_axis *a, double x)
{
    double low = a->decades ? floor(x) : x, high = a->decades ? ceil(x) : x;

    if (!isfinite(x))
        return;
    if (a->low > a->high) {
        a->low = low;
        a->high = high;
    }
    a->low = fmin(a->low, low);
    a->high = fmax(a->high, high);
}

int plot_left(const struct plot *p)
{
    return p->y.n_names ? PLOT_LEFT_NAMES : PLOT_LEFT;
}

int plot_right(const struct plot *p)
{
    return p->z.label ? PLOT_RIGHT_SCALE : PLOT_RIGHT;
}
