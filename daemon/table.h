/* daemon/table.h: rows as CSV (RFC 4180), or column by column as JSON:
 *
 *     {"rows": 2, "columns": {"epoch": [1, 2], "loss": [2.3, null]}}
 *
 * which is what data frames are made from. Cells go in row by row, from left to
 * right.
 */
#pragma once
#include <stdint.h>
#include <jansson.h>

enum table_form { TABLE_CSV, TABLE_COLUMNS };

struct table;

// names: "epoch,loss"; static. table_end() frees it.
struct table *table_new(enum table_form form, const char *names);
void  table_whole(struct table *t, int64_t x);
// One that is not finite is empty, or null.
void  table_number(struct table *t, double x);
void  table_text(struct table *t, const char *text);
void  table_bool(struct table *t, int yes);
void  table_null(struct table *t);
// Any of these, or what lies at "progress.epoch" of an object; what is neither
// is null. Borrows.
void  table_json(struct table *t, const json_t *object, const char *path);
// The text; caller frees.
char *table_end(struct table *t);
const char *table_type(enum table_form form);   // its media type
