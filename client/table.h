/* client/table.h: rows and columns for people.
 *
 * Column widths come from the content; when the terminal is too narrow the one
 * column marked `shrink` is cut. Cells are cleaned on the way in.
 */
#pragma once
#include <stdbool.h>
#include "client/client.h"

enum { TABLE_MAX_COLUMNS = 16 };

struct column {
    const char *title;
    bool        right, shrink;
};

struct cell {
    char       *text;           // owned, clean
    const char *colour;         // borrowed escape sequence; NULL = none
};

struct table {
    const struct column *columns;       // borrowed
    int                  n_columns;
    struct cell         *cells;         // owned, row after row
    int                  n_cells, room;
    bool                 utf8;
};

struct table *table_new(const struct client *c, const struct column *columns,
                        int n);
void table_free(struct table *t);

// The next cell, row by row. table_take() takes text, table_add() copies;
// table_add(t, NULL) is an empty cell.
void table_add(struct table *t, const char *text);
void table_take(struct table *t, char *text);
void table_colour(struct table *t, const char *colour); // of the last cell

// To stdout, the titles first.
void table_print(const struct table *t, const struct client *c);

// What a job's state looks like: an escape sequence, or NULL.
const char *table_state_colour(const char *state);
