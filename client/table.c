#include "client/table.h"

#include <stdlib.h>
#include <string.h>
#include "client/text.h"
#include "common/mem.h"

enum { GAP = 2, LEAST_SHRINK = 8 };

static const struct { const char *state, *colour; } state_colours[] = {
    {"done", "\033[32m"},     {"failed", "\033[31m"},
    {"diverged", "\033[31m"}, {"running", "\033[36m"},
    {"starting", "\033[36m"}, {"cancelled", "\033[33m"},
    {"paused", "\033[33m"},
};

const char *table_state_colour(const char *state)
{
    for (size_t i = 0; i < sizeof state_colours / sizeof *state_colours; i++)
        if (state && !strcmp(state_colours[i].state, state))
            return state_colours[i].colour;
    return NULL;
}

struct table *table_new(const struct client *c, const struct column *columns,
                        int n)
{
    struct table *t = xcalloc(1, sizeof *t);

    t->columns = columns;
    t->n_columns = n;
    t->utf8 = c->utf8;
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t);
}

void table_add(struct table *t, const char *text)
{
    if (t->n_cells == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = xrealloc(t->cells, (size_t)t->room * sizeof *t->cells);
    }
    t->cells[t->n_cells++] = (struct cell){
        .text = text_clean(text ? text : "", t->utf8)};
}

void table_take(struct table *t, char *text)
{
    table_add(t, text);
    free(text);
}

void table_colour(struct table *t, const char *colour)
{
    t->cells[t->n_cells - 1].colour = colour;
}

static void measure(const struct table *t, const struct client *c, int *widths)
{
    int total = -GAP, shrink = -1;

    for (int k = 0; k < t->n_columns; k++) {
        widths[k] = text_width(t->columns[k].title);
        for (int i = k; i < t->n_cells; i += t->n_columns) {
            int w = text_width(t->cells[i].text);
            if (w > widths[k])
                widths[k] = w;
        }
        total += widths[k] + GAP;
        if (t->columns[k].shrink)
            shrink = k;
    }
    if (c->terminal && shrink >= 0 && total > c->columns) {
        widths[shrink] -= total - c->columns;
        if (widths[shrink] < LEAST_SHRINK)
            widths[shrink] = LEAST_SHRINK;
    }
}

static void print_cell(const struct table *t, int k, int width,
                       const char *text, const char *colour)
{
    char *fit = text_fit(text, width, t->utf8);
    int pad = width - text_width(fit);
    bool last = k == t->n_columns - 1;

    if (t->columns[k].right)
        printf("%*s", pad, "");
    printf("%s%s%s", colour ? colour : "", fit, colour ? "\033[0m" : "");
    if (!t->columns[k].right && !last)
        printf("%*s", pad, "");
    printf("%*s", last ? 0 : GAP, "");
    if (last)
        putchar('\n');
    free(fit);
}

void table_print(const struct table *t, const struct client *c)
{
    int widths[TABLE_MAX_COLUMNS];

    measure(t, c, widths);
    for (int k = 0; k < t->n_columns; k++)
        print_cell(t, k, widths[k], t->columns[k].title,
                   c->colour ? "\033[1m" : NULL);
    for (int i = 0; i < t->n_cells; i++) {
        int k = i % t->n_columns;
        print_cell(t, k, widths[k], t->cells[i].text,
                   c->colour ? t->cells[i].colour : NULL);
    }
}
