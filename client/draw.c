#include "client/draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/text.h"
#include "common/mem.h"

enum { TEXT = 12, TITLE = 15, MOST_TICKS = 10, SCALE = 14, SAMPLE = 24 };

// Colours that colour-blind people can tell apart: Okabe and Ito's set,
// https://jfly.uni-koeln.de/color/; the page has the same.
const struct draw_colour draw_series[] = {
    {0x00 / 255.0, 0x72 / 255.0, 0xb2 / 255.0},
    {0xe6 / 255.0, 0x9f / 255.0, 0x00 / 255.0},
    {0x00 / 255.0, 0x9e / 255.0, 0x73 / 255.0},
    {0xcc / 255.0, 0x79 / 255.0, 0xa7 / 255.0},
    {0x56 / 255.0, 0xb4 / 255.0, 0xe9 / 255.0},
    {0xd5 / 255.0, 0x5e / 255.0, 0x00 / 255.0},
};
const int draw_n_series = sizeof draw_series / sizeof *draw_series;

// From low to high, of steadily growing lightness.
static const struct draw_colour rising[] = {
    {0x2b / 255.0, 0x10 / 255.0, 0x55 / 255.0},
    {0x41 / 255.0, 0x44 / 255.0, 0x87 / 255.0},
    {0x2a / 255.0, 0x78 / 255.0, 0x8e / 255.0},
    {0x22 / 255.0, 0xa8 / 255.0, 0x84 / 255.0},
    {0x7a / 255.0, 0xd1 / 255.0, 0x51 / 255.0},
    {0xfd / 255.0, 0xe7 / 255.0, 0x25 / 255.0},
};
enum { N_RISING = sizeof rising / sizeof *rising };

struct area { double left, top, width, height; };       // of the axes

/* ---- where things are ---- */

static double share(const struct plot_axis *a, double value)
{
    return (value - a->low) / (a->high - a->low);
}

static double at_x(const struct plot *p, const struct area *a, double x)
{
    return a->left + share(&p->x, x) * a->width;
}

static double at_y(const struct plot *p, const struct area *a, double y)
{
    return a->top + (1 - share(&p->y, y)) * a->height;
}

static void use(cairo_t *cr, struct draw_colour c, double alpha)
{
    cairo_set_source_rgba(cr, c.r, c.g, c.b, alpha);
}

static void ink(cairo_t *cr, double grey)
{
    cairo_set_source_rgb(cr, grey, grey, grey);
}

static struct draw_colour colour_of(const struct plot_series *s)
{
    return draw_series[s->colour % draw_n_series];
}

static struct draw_colour at_rising(double share)
{
    double at = fmin(fmax(share, 0), 1) * (N_RISING - 1);
    int i = at < N_RISING - 2 ? (int)at : N_RISING - 2;
    const struct draw_colour *a = &rising[i], *b = a + 1;
    double t = at - i;

    return (struct draw_colour){a->r + t * (b->r - a->r),
                                a->g + t * (b->g - a->g),
                                a->b + t * (b->b - a->b)};
}

/* ---- text ---- */

enum align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT };

static void put_text(cairo_t *cr, const char *words, double x, double y,
                     enum align align, int size)
{
    char *clean = text_clean(words, true);
    cairo_text_extents_t box;

    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, clean, &box);
    if (align != ALIGN_LEFT)
        x -= align == ALIGN_CENTRE ? box.x_advance / 2 : box.x_advance;
    cairo_move_to(cr, x, y);
    cairo_show_text(cr, clean);
    free(clean);
}

// "10" with its exponent above it, right-aligned or centred at x.
static void put_power(cairo_t *cr, int exponent, double x, double y,
                      enum align align)
{
    char small[16];
    cairo_text_extents_t ten, power;

    snprintf(small, sizeof small, "%d", exponent);
    cairo_set_font_size(cr, TEXT - 3);
    cairo_text_extents(cr, small, &power);
    cairo_set_font_size(cr, TEXT);
    cairo_text_extents(cr, "10", &ten);
    double width = ten.x_advance + power.x_advance;
    x -= align == ALIGN_CENTRE ? width / 2 : align == ALIGN_RIGHT ? width : 0;
    cairo_move_to(cr, x, y);
    cairo_show_text(cr, "10");
    cairo_set_font_size(cr, TEXT - 3);
    cairo_move_to(cr, x + ten.x_advance, y - 5);
    cairo_show_text(cr, small);
}

static void put_tick(cairo_t *cr, const struct plot_axis *a, double value,
                     double x, double y, enum align align)
{
    char words[32];

    if (a->decades) {
        put_power(cr, (int)lround(value), x, y, align);
        return;
    }
    snprintf(words, sizeof words, "%.4g", fabs(value) < 1e-12 ? 0 : value);
    put_text(cr, words, x, y, align, TEXT);
}

/* ---- axes ---- */

// A step of 1, 2 or 5 times a power of ten that gives few ticks; whole ones
// for decades.
static double tick_step(const struct plot_axis *a)
{
    double span = fabs(a->high - a->low), step;

    if (!(span > 0))
        return 1;
    step = pow(10, floor(log10(span / MOST_TICKS)));
    for (int i = 0; span / step > MOST_TICKS; i++)
        step *= i % 3 == 1 ? 2.5 : 2;
    return a->decades && step < 1 ? 1 : step;
}

static void put_line(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

static void grid(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    static const double dashes[] = {4, 3};

    cairo_set_dash(cr, dashes, 2, 0);
    cairo_set_line_width(cr, 0.5);
    ink(cr, 0.7);
    put_line(cr, x0, y0, x1, y1);
    cairo_set_dash(cr, NULL, 0, 0);
    ink(cr, 0);
}

static void put_x_axis(cairo_t *cr, const struct plot *p, const struct area *a)
{
    double step = tick_step(&p->x), bottom = a->top + a->height;

    if (!p->x.decades && step < 1)
        step = 1;                       // epochs, depths: whole numbers
    for (double v = ceil(p->x.low / step) * step; v <= p->x.high + 1e-9;
         v += step) {
        double x = at_x(p, a, v);
        grid(cr, x, a->top, x, bottom);
        put_tick(cr, &p->x, v, x, bottom + 18, ALIGN_CENTRE);
    }
    if (p->x.label)
        put_text(cr, p->x.label, a->left + a->width / 2, bottom + 42,
                 ALIGN_CENTRE, TEXT);
}

static void put_names(cairo_t *cr, const struct plot *p, const struct area *a)
{
    for (int i = 0; i < p->y.n_names; i++)
        put_text(cr, p->y.names[i], a->left - 8, at_y(p, a, i) + 4,
                 ALIGN_RIGHT, TEXT - 2);
}

static void put_y_axis(cairo_t *cr, const struct plot *p, const struct area *a)
{
    double step = tick_step(&p->y);

    if (p->y.n_names) {
        put_names(cr, p, a);
        return;
    }
    for (double v = ceil(p->y.low / step) * step; v <= p->y.high + 1e-9 * step;
         v += step) {
        double y = at_y(p, a, v);
        grid(cr, a->left, y, a->left + a->width, y);
        put_tick(cr, &p->y, v, a->left - 8, y + 4, ALIGN_RIGHT);
    }
    if (!p->y.label)
        return;
    cairo_save(cr);
    cairo_translate(cr, a->left - 58, a->top + a->height / 2);
    cairo_rotate(cr, -M_PI / 2);
    put_text(cr, p->y.label, 0, 0, ALIGN_CENTRE, TEXT);
    cairo_restore(cr);
}

// The colours of cells, right of the axes.
static void put_scale(cairo_t *cr, const struct plot *p, const struct area *a)
{
    double left = a->left + a->width + 16, step = tick_step(&p->z);

    for (int i = 0; i < (int)a->height; i++) {
        use(cr, at_rising(1 - i / a->height), 1);
        cairo_rectangle(cr, left, a->top + i, SCALE, 1);
        cairo_fill(cr);
    }
    ink(cr, 0);
    for (double v = ceil(p->z.low / step) * step; v <= p->z.high + 1e-9;
         v += step)
        put_tick(cr, &p->z, v, left + SCALE + 6,
                 a->top + (1 - share(&p->z, v)) * a->height + 4, ALIGN_LEFT);
    put_text(cr, p->z.label, left + SCALE, a->top - 8, ALIGN_CENTRE, TEXT - 1);
}

/* ---- series ---- */

static void put_curve(cairo_t *cr, const struct plot *p, const struct area *a,
                      const struct plot_series *s)
{
    bool open = false;

    use(cr, colour_of(s), 1);
    cairo_set_line_width(cr, 2);
    if (s->kind == PLOT_DASHED)
        cairo_set_dash(cr, (const double[]){6, 4}, 2, 0);
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) {
            open = false;
            continue;
        }
        if (open)
            cairo_line_to(cr, at_x(p, a, s->x[i]), at_y(p, a, s->y[i]));
        else
            cairo_move_to(cr, at_x(p, a, s->x[i]), at_y(p, a, s->y[i]));
        open = true;
    }
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
    for (int i = 0; s->kind == PLOT_DOTS && i < s->n; i++)
        if (isfinite(s->y[i])) {
            cairo_arc(cr, at_x(p, a, s->x[i]), at_y(p, a, s->y[i]), 3, 0,
                      2 * M_PI);
            cairo_fill(cr);
        }
}

// Points i and after it that are all there; 0 when i is a gap.
static int run_of(const struct plot_series *s, int i)
{
    int n = 0;

    while (i + n < s->n && isfinite(s->y[i + n]) && isfinite(s->z[i + n]))
        n++;
    return n;
}

static void put_band(cairo_t *cr, const struct plot *p, const struct area *a,
                     const struct plot_series *s)
{
    for (int i = 0, n; i < s->n; i += n + 1) {
        n = run_of(s, i);
        if (!n)
            continue;
        for (int k = 0; k < n; k++)
            cairo_line_to(cr, at_x(p, a, s->x[i + k]), at_y(p, a, s->y[i + k]));
        for (int k = n - 1; k >= 0; k--)
            cairo_line_to(cr, at_x(p, a, s->x[i + k]), at_y(p, a, s->z[i + k]));
        cairo_close_path(cr);
        use(cr, colour_of(s), s->name ? 0.25 : 0.7);
        cairo_fill_preserve(cr);
        use(cr, colour_of(s), 1);
        cairo_set_line_width(cr, s->name ? 0.25 : 0.8);
        cairo_stroke(cr);
    }
}

static void put_cells(cairo_t *cr, const struct plot *p, const struct area *a,
                      const struct plot_series *s)
{
    cairo_set_antialias(cr, CAIRO_ANTIALIAS_NONE);      // no seams
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->z[i]))
            continue;
        double left = at_x(p, a, s->x[i] - 0.5);
        double top = at_y(p, a, s->y[i] - 0.5);
        use(cr, at_rising(share(&p->z, s->z[i])), 1);
        cairo_rectangle(cr, left, top, at_x(p, a, s->x[i] + 0.5) - left,
                        at_y(p, a, s->y[i] + 0.5) - top);
        cairo_fill(cr);
    }
    cairo_set_antialias(cr, CAIRO_ANTIALIAS_DEFAULT);
}

/* ---- legend ---- */

static int legend_rows(const struct plot *p)
{
    int n = 0;

    for (int i = 0; i < p->n_series; i++)
        n += p->series[i].name && p->series[i].n > 0;
    return n;
}

// Points of curves under a box; as good a place as any is where there are few.
static int points_in(const struct plot *p, const struct area *a,
                     const struct area *box)
{
    int n = 0;

    for (int i = 0; i < p->n_series; i++)
        for (int k = 0; k < p->series[i].n; k++) {
            double x = at_x(p, a, p->series[i].x[k]);
            double y = at_y(p, a, p->series[i].y[k]);
            n += x >= box->left && x <= box->left + box->width &&
                 y >= box->top && y <= box->top + box->height;
        }
    return n;
}

static double widest_name(cairo_t *cr, const struct plot *p)
{
    double widest = 0;
    cairo_text_extents_t e;

    cairo_set_font_size(cr, TEXT);
    for (int i = 0; i < p->n_series; i++)
        if (p->series[i].name && p->series[i].n > 0) {
            char *clean = text_clean(p->series[i].name, true);
            cairo_text_extents(cr, clean, &e);
            widest = fmax(widest, e.x_advance);
            free(clean);
        }
    return widest;
}

static void put_legend(cairo_t *cr, const struct plot *p, const struct area *a)
{
    int rows = legend_rows(p), row = 0;

    if (rows < 2)
        return;
    struct area box = {.width = widest_name(cr, p) + SAMPLE + 24,
                       .height = rows * 18 + 8, .top = a->top + 8};
    struct area left = box, right = box;
    left.left = a->left + 8;
    right.left = a->left + a->width - box.width - 8;
    box = points_in(p, a, &right) <= points_in(p, a, &left) ? right : left;
    cairo_rectangle(cr, box.left, box.top, box.width, box.height);
    cairo_set_source_rgba(cr, 1, 1, 1, 0.8);
    cairo_fill_preserve(cr);
    ink(cr, 0.8);
    cairo_set_line_width(cr, 1);
    cairo_stroke(cr);
    for (int i = 0; i < p->n_series; i++) {
        const struct plot_series *s = &p->series[i];
        double y = box.top + 18 * row + 13;
        if (!s->name || s->n == 0)
            continue;
        use(cr, colour_of(s), s->kind == PLOT_BAND ? 0.25 : 1);
        cairo_set_line_width(cr, s->kind == PLOT_BAND ? 10 : 2);
        if (s->kind == PLOT_DASHED)
            cairo_set_dash(cr, (const double[]){6, 4}, 2, 0);
        put_line(cr, box.left + 8, y, box.left + 8 + SAMPLE, y);
        cairo_set_dash(cr, NULL, 0, 0);
        ink(cr, 0);
        put_text(cr, s->name, box.left + SAMPLE + 16, y + 4, ALIGN_LEFT, TEXT);
        row++;
    }
}

/* ---- the whole ---- */

static void put_series(cairo_t *cr, const struct plot *p, const struct area *a)
{
    cairo_save(cr);
    cairo_rectangle(cr, a->left, a->top, a->width, a->height);
    cairo_clip(cr);
    for (int i = 0; i < p->n_series; i++) {
        const struct plot_series *s = &p->series[i];
        if (s->kind == PLOT_BAND)
            put_band(cr, p, a, s);
        else if (s->kind == PLOT_CELLS)
            put_cells(cr, p, a, s);
        else
            put_curve(cr, p, a, s);
    }
    cairo_restore(cr);
}

static void put_plot(cairo_t *cr, const struct plot *p)
{
    struct area a = {.left = plot_left(p), .top = PLOT_TOP,
                     .width = PLOT_WIDTH - plot_left(p) - plot_right(p),
                     .height = p->height - PLOT_TOP - PLOT_BOTTOM};

    ink(cr, 0);
    put_text(cr, p->title, a.left + a.width / 2, 25, ALIGN_CENTRE, TITLE);
    put_x_axis(cr, p, &a);
    put_y_axis(cr, p, &a);
    put_series(cr, p, &a);
    if (p->z.label)
        put_scale(cr, p, &a);
    ink(cr, 0);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, a.left, a.top, a.width, a.height);
    cairo_stroke(cr);
    put_legend(cr, p, &a);
}

int draw_height(const struct figure *f)
{
    int height = 0;

    for (int i = 0; i < f->n; i++)
        height += f->plots[i].height;
    return height;
}

void draw_figure(cairo_t *cr, const struct figure *f)
{
    cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_save(cr);
    ink(cr, 1);
    cairo_paint(cr);
    for (int i = 0; i < f->n; i++) {
        put_plot(cr, &f->plots[i]);
        cairo_translate(cr, 0, f->plots[i].height);
    }
    cairo_restore(cr);
}
