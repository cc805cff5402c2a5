#include "daemon/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/mem.h"

enum { MAX_COLUMNS = 32 };

struct table {
    enum table_form form;
    const char     *names;
    FILE           *f;          // of CSV
    char           *text;
    size_t          size;
    json_t         *columns[MAX_COLUMNS];
    int             n, at;      // columns; the next one
    int64_t         rows;
};

struct table *table_new(enum table_form form, const char *names)
{
    struct table *t = xcalloc(1, sizeof *t);

    t->form = form;
    t->names = names;
    for (const char *p = names; p; p = strchr(p, ',')) {
        p += *p == ',';
        t->columns[t->n++] = form == TABLE_COLUMNS ? json_array() : NULL;
    }
    if (form == TABLE_CSV) {
        t->f = open_memstream(&t->text, &t->size);
        fprintf(t->f, "%s\n", names);
    }
    return t;
}

// After each cell. Takes value, which is NULL for CSV.
static void next(struct table *t, json_t *value)
{
    if (value)
        json_array_append_new(t->columns[t->at], value);
    if (++t->at == t->n) {
        t->at = 0;
        t->rows++;
    }
    if (t->f)
        fputc(t->at ? ',' : '\n', t->f);
}

void table_whole(struct table *t, int64_t x)
{
    if (t->f)
        fprintf(t->f, "%" PRId64, x);
    next(t, t->f ? NULL : json_integer(x));
}

void table_number(struct table *t, double x)
{
    char text[32] = "";

    // The shortest of 15 to 17 digits that reads back as the same double.
    for (int digits = 15; t->f && isfinite(x) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    if (t->f)
        fputs(text, t->f);
    next(t, t->f ? NULL : event_number(x));
}

// Quoted only where RFC 4180 asks for it. A spreadsheet would run what begins
// like a formula: a ' before it makes a text of it.
static void quote(FILE *f, const char *s)
{
    const char *mark = *s && strchr("=+-@", *s) ? "'" : "";

    if (!strpbrk(s, ",\"\r\n")) {
        fprintf(f, "%s%s", mark, s);
        return;
    }
    fprintf(f, "\"%s", mark);
    for (; *s; s++) {
        if (*s == '"')
            fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

void table_text(struct table *t, const char *text)
{
    if (t->f)
        quote(t->f, text);
    next(t, t->f ? NULL : json_string(text));
}

void table_bool(struct table *t, int yes)
{
    if (t->f)
        fputs(yes ? "true" : "false", t->f);
    next(t, t->f ? NULL : json_boolean(yes));
}

void table_null(struct table *t)
{
    next(t, t->f ? NULL : json_null());
}

void table_json(struct table *t, const json_t *object, const char *path)
{
    for (size_t len; *path; path += len + (path[len] == '.')) {
        len = strcspn(path, ".");
        object = json_object_getn(object, path, len);
    }
    if (json_is_string(object))
        table_text(t, json_string_value(object));
    else if (json_is_integer(object))
        table_whole(t, json_integer_value(object));
    else if (json_is_real(object))
        table_number(t, json_real_value(object));
    else if (json_is_boolean(object))
        table_bool(t, json_is_true(object));
    else
        table_null(t);
}

static char *columns_text(struct table *t)
{
    json_t *columns = json_object();
    const char *p = t->names;

    for (int i = 0; i < t->n; i++) {
        size_t len = strcspn(p, ",");
        json_object_setn_new(columns, p, len, t->columns[i]);
        p += len + (p[len] == ',');
    }
    json_t *all = json_pack("{s:I, s:o}", "rows", (json_int_t)t->rows,
                            "columns", columns);
    char *text = event_text(all);
    json_decref(all);
    return text;
}

char *table_end(struct table *t)
{
    if (t->f)
        fclose(t->f);
    char *text = t->f ? t->text : columns_text(t);

    free(t);
    return text;
}

const char *table_type(enum table_form form)
{
    return form == TABLE_CSV ? "text/csv; charset=utf-8" : "application/json";
}
