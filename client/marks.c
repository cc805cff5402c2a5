#include "client/marks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/mem.h"

enum mark { BLANK, ZERO, SPAN, FROM, TO, POINT, LESS, MORE, BAR, N_MARKS };
static const char *const marks[2][N_MARKS] = {
    {" ", "|", "-", "[", "]", "o", "<", ">", "#"},
    {" ", "\u2502", "\u2500", "\u251c", "\u2524", "\u25cf", "\u25c2", "\u25b8",
     "\u2588"},
};

static char *text_of(const enum mark *line, int n, bool utf8)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < n; i++)
        fputs(marks[utf8][line[i]], out);
    fclose(out);
    return text;
}

// The column of x; -1 and n for what is beyond.
static int column(double x, double range, int n)
{
    int k = (int)lround((fmin(fmax(x / range, -2), 2) + 1) / 2 * (n - 1));

    return x < -range ? -1 : x > range ? n : k;
}

char *marks_interval(double low, double at, double high, double range, int n,
                     bool utf8)
{
    enum mark *line = xcalloc((size_t)n, sizeof *line);

    line[column(0, range, n)] = ZERO;
    if (isfinite(low) && isfinite(high)) {
        int from = column(low, range, n), to = column(high, range, n);
        for (int k = from < 0 ? 0 : from; k <= to && k < n; k++)
            line[k] = SPAN;
        if (from >= 0 && from < n)
            line[from] = FROM;
        if (to >= 0 && to < n)
            line[to] = TO;
    }
    if (isfinite(at)) {
        int k = column(at, range, n);
        line[k < 0 ? 0 : k >= n ? n - 1 : k] = k < 0 ? LESS : k >= n ? MORE
                                                                     : POINT;
    }
    char *text = text_of(line, n, utf8);
    free(line);
    return text;
}

char *marks_gauge(double share, int n, bool utf8)
{
    enum mark *line = xcalloc((size_t)n, sizeof *line);
    int limit = n * 2 / 3, bar = 0;

    if (share > 0)
        bar = (int)lround(fmin(share, 2) * limit);
    for (int k = 0; k < n && k < bar; k++)
        line[k] = BAR;
    if (bar > n)
        line[n - 1] = MORE;
    if (bar <= limit)
        line[limit] = ZERO;
    char *text = text_of(line, n, utf8);
    free(line);
    return text;
}
