/* client/plot.h: a chart as data, before anybody draws it.
 *
 * A figure is one or more plots, one below the other. On an axis of decades
 * the values are log10 of what is shown. NAN in a series is a gap.
 */
#pragma once
#include <stdbool.h>

enum {
    PLOT_WIDTH = 800, PLOT_HEIGHT = 600,        // pixels of a single plot
    PLOT_LEFT = 80, PLOT_LEFT_NAMES = 150,      // around the axes
    PLOT_RIGHT = 20, PLOT_RIGHT_SCALE = 90,     // ... with a scale of colours
    PLOT_TOP = 40, PLOT_BOTTOM = 60,
};

enum plot_kind {
    PLOT_LINE, PLOT_DOTS,       // y over x; dots are joined too
    PLOT_DASHED,
    PLOT_BAND,                  // from y to z
    PLOT_CELLS,                 // z at (x, y), a colour each
};

struct plot_series {
    char          *name;        // owned; NULL: not in the legend
    enum plot_kind kind;
    double        *x, *y, *z;   // owned, n of each
    int            n, colour;   // colour: any number, of a short row
};

struct plot_axis {
    char  *label;               // owned; may be NULL
    double low, high;
    bool   decades;
    char **names;               // owned: what stands at 0, 1, ...; or NULL
    int    n_names;
};

struct plot {
    char              *title;   // owned
    int                height;
    struct plot_axis   x, y, z; // z: of the colours of cells
    struct plot_series *series; // owned
    int                n_series;
};

struct figure { struct plot *plots; int n; };   // owned

struct plot *figure_add(struct figure *f, const char *title);
void         figure_clear(struct figure *f);

// A series of n points, all 0, to be filled in. `name` is copied, or NULL.
struct plot_series *plot_add(struct plot *p, enum plot_kind kind,
                             const char *name, int colour, int n);
void plot_label(struct plot_axis *a, const char *label);
void plot_name(struct plot_axis *a, const char *name);  // the next one
// Grows [low, high] to hold x; whole numbers on an axis of decades. An axis
// with low > high is empty.
void plot_widen(struct plot_axis *a, double x);
int  plot_left(const struct plot *p);           // margins, in pixels
int  plot_right(const struct plot *p);
