#include "client/spark.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

enum { LEVELS = 8, LABEL = 6 };         // room for "1e-30" and a blank

static const char *const blocks[LEVELS + 1] = {
    " ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587",
    "\u2588"};
static const char *const shades[LEVELS + 1] = {
    " ", ".", ":", "-", "=", "+", "*", "#", "@"};

void spark_widen(struct axis *a, double log10_least, double log10_most)
{
    int low = (int)floor(log10_least), high = (int)ceil(log10_most);

    if (high == low)
        high++;
    if (a->low > a->high) {
        a->low = low;
        a->high = high;
    }
    if (low < a->low)
        a->low = low;
    if (high > a->high)
        a->high = high;
}

static double columns_per_decade(const struct axis *a)
{
    return (double)a->columns / (a->high - a->low);
}

void spark_add(const struct axis *a, double log10_left, double log10_right,
               double mass, double *columns)
{
    double left = (log10_left - a->low) * columns_per_decade(a);
    double right = (log10_right - a->low) * columns_per_decade(a);
    int first = left < 0 ? 0 : (int)left;

    for (int k = first; k < a->columns && k < right; k++) {
        double from = left > k ? left : k;
        double to = right < k + 1 ? right : k + 1;
        if (to > from)
            columns[k] += mass * (to - from) / (right - left);
    }
}

double spark_most(const double *columns, int n)
{
    double most = 0;

    for (int i = 0; i < n; i++)
        most = columns[i] > most ? columns[i] : most;
    return most;
}

void spark_row(FILE *out, const double *columns, int n, double most, int row,
               int rows, bool utf8)
{
    const char *const *marks = utf8 ? blocks : shades;

    for (int i = 0; i < n; i++) {
        double height = most > 0 ? columns[i] / most * rows * LEVELS : 0;
        int level = (int)lround(height) - (rows - 1 - row) * LEVELS;
        if (level <= 0 && row == rows - 1 && columns[i] > 0)
            level = 1;          // little is not nothing
        fputs(marks[level < 0 ? 0 : level > LEVELS ? LEVELS : level], out);
    }
}

// Puts label into line so that it is centred on column k, if that is free.
static void put_label(char *line, int n, int k, int exponent)
{
    char text[16];
    int len = snprintf(text, sizeof text, "1e%d", exponent);
    int at = k - len / 2;

    at = at < 0 ? 0 : at + len > n ? n - len : at;
    for (int i = at - 1; i <= at + len; i++)
        if (i >= 0 && i < n && line[i] != ' ')
            return;
    memcpy(line + at, text, (size_t)len);
}

// Column of the tick of a decade; the last one is the axis' last column.
static int tick(const struct axis *a, int exponent)
{
    int k = (int)lround((exponent - a->low) * columns_per_decade(a));
    return k < a->columns ? k : a->columns - 1;
}

static void labels(FILE *out, const struct axis *a, int indent)
{
    char *line = xmalloc((size_t)a->columns + 1);

    memset(line, ' ', (size_t)a->columns);
    line[a->columns] = 0;
    if (a->columns >= 2 * LABEL) {
        put_label(line, a->columns, 0, a->low);
        put_label(line, a->columns, a->columns - 1, a->high);
        for (int e = a->low + 1; e < a->high; e++)
            put_label(line, a->columns, tick(a, e), e);
    }
    int len = a->columns;
    while (len && line[len - 1] == ' ')
        len--;
    fprintf(out, "%*s%.*s\n", indent, "", len, line);
    free(line);
}

void spark_axis(FILE *out, const struct axis *a, int indent, bool utf8)
{
    char *is_tick = xcalloc((size_t)a->columns, 1);

    for (int e = a->low; e <= a->high; e++)
        is_tick[tick(a, e)] = 1;
    fprintf(out, "%*s", indent, "");
    for (int k = 0; k < a->columns; k++) {
        const char *mark = !is_tick[k]            ? "\u2500"
                           : k == 0               ? "\u251c"
                           : k == a->columns - 1  ? "\u2524"
                                                  : "\u253c";
        fputs(utf8 ? mark : is_tick[k] ? "+" : "-", out);
    }
    fputc('\n', out);
    labels(out, a, indent);
    free(is_tick);
}

void spark_bar(FILE *out, double share, int n, bool utf8)
{
    static const char *const parts[LEVELS] = {
        "", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a",
        "\u2589"};
    int eighths = (int)(fmin(fmax(share, 0), 1) * n * LEVELS);
    int at = 0;

    for (; at < eighths / LEVELS; at++)
        fputs(utf8 ? "\u2588" : "#", out);
    if (utf8 && at < n && eighths % LEVELS) {
        fputs(parts[eighths % LEVELS], out);
        at++;
    }
    for (; at < n; at++)
        fputs(utf8 ? " " : ".", out);
}
