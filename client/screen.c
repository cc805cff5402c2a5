#include "client/screen.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"

#define HIDE "\033[?25l"
#define SHOW "\033[?25h"

enum {
    WIDEST = 120,               // wider pictures are harder to read
    HEAD_ROWS = 4, FOOT_ROWS = 4,
    MEDIAN_COLUMNS = 10, LONGEST_LAYER = 24,
    TALLEST = 3,                // rows of one histogram
};

/* ---- what it shows ---- */

static void put_head(FILE *out, const struct client *c, const struct run *run,
                     int width)
{
    const char *colour = c->colour ? table_state_colour(run->state) : NULL;
    char *name = text_clean(run->name ? run->name : "", c->utf8);
    char *device = text_clean(run->device ? run->device : "", c->utf8);
    char *left = xasprintf("job %" JSON_INTEGER_FORMAT "  %s", run->id, name);
    int room = width - (int)strlen(run->state) - 2;
    char *fit = text_fit(left, room, c->utf8);
    bool on = *device && (!strcmp(run->state, "running"));
    char *where = xasprintf("%s%s", on ? " on " : "", on ? device : "");
    char *where_fit = text_fit(where, room - text_width(fit), c->utf8);

    fprintf(out, "%s  %s%s%s%s\n", fit, colour ? colour : "", run->state,
            colour ? "\033[0m" : "", where_fit);
    free(name);
    free(device);
    free(left);
    free(fit);
    free(where);
    free(where_fit);
}

static void put_bar(FILE *out, const struct client *c, const char *left,
                    double share, const char *right, int width)
{
    int columns = width - (int)strlen(left) - (int)strlen(right) - 4;

    if (columns < 4) {
        char *text = xasprintf("%s  %s", left, right);
        char *fit = text_fit(text, width, c->utf8);
        fprintf(out, "%s\n", fit);
        free(fit);
        free(text);
        return;
    }
    fprintf(out, "%s %s%s", left, c->utf8 ? "\u2595" : "[",
            c->colour ? "\033[36m" : "");
    spark_bar(out, share, columns, c->utf8);
    fprintf(out, "%s%s %s\n", c->colour ? "\033[0m" : "",
            c->utf8 ? "\u258f" : "]", right);
}

static void put_progress(FILE *out, const struct client *c,
                         const struct run *run, int width)
{
    char left[64], right[64];

    if (!strcmp(run->state, "loading") && run->to_load > 0) {
        snprintf(right, sizeof right, "%.0f/%.0f", run->loaded, run->to_load);
        put_bar(out, c, "decoding images", run->loaded / run->to_load, right,
                width);
    } else if (run->epoch && run->epochs && run->steps_per_epoch > 0) {
        double share = (run->epoch - 1 + run->step / run->steps_per_epoch) /
                       run->epochs;
        snprintf(left, sizeof left, "epoch %d/%d  step %*.0f/%.0f", run->epoch,
                 run->epochs, (int)log10(run->steps_per_epoch) + 1, run->step,
                 run->steps_per_epoch);
        snprintf(right, sizeof right, "%3.0f %%", floor(100 * share));
        put_bar(out, c, left, share, right, width);
    } else {
        fputc('\n', out);
    }
}

static void put_numbers(FILE *out, const struct client *c,
                        const struct run *run, int width)
{
    char *rate = text_number(run->images_per_second, 3);
    char *eta = text_seconds(run->eta_seconds);
    char *loss = text_number(run->loss, 4);
    char *accuracy = isfinite(run->accuracy)
        ? xasprintf("   accuracy %.1f %%", 100 * run->accuracy) : xstrdup("");
    bool left = isfinite(run->eta_seconds);
    char *text = xasprintf("%s images/s%s%s   loss %s%s", rate,
                           left ? "   ETA " : "", left ? eta : "",
                           isnan(run->loss) ? "not finite" : loss, accuracy);
    char *fit = text_fit(run->epoch ? text : "", width, c->utf8);

    fprintf(out, "%s\n", fit);
    free(rate);
    free(eta);
    free(loss);
    free(accuracy);
    free(text);
    free(fit);
}

static void put_layer(FILE *out, const struct client *c,
                      const struct run_layer *l, const struct axis *axis,
                      int name_columns, int rows)
{
    double *columns = xcalloc((size_t)axis->columns, sizeof *columns);
    char *clean = text_clean(l->name, c->utf8);
    char *name = text_fit(clean, name_columns, c->utf8);
    char *median = text_number(l->median, 3);

    for (int i = 0; i < RUN_BINS; i++)
        if (l->counts[i] > 0)
            spark_add(axis, run_edge(i), run_edge(i + 1), l->counts[i],
                      columns);
    double most = spark_most(columns, axis->columns);
    for (int row = 0; row < rows; row++) {
        bool last = row == rows - 1;
        int pad = name_columns - text_width(last ? name : "");
        fprintf(out, "%s%*s ", last ? name : "", pad, "");
        if (c->colour)
            fputs("\033[34m", out);
        spark_row(out, columns, axis->columns, most, row, rows, c->utf8);
        fprintf(out, "%s%*s\n", c->colour ? "\033[0m" : "",
                last ? MEDIAN_COLUMNS : 0, last ? median : "");
    }
    free(columns);
    free(clean);
    free(name);
    free(median);
}

static int longest_name(const struct run *run, const int *indices, int n)
{
    int longest = 0;

    for (int i = 0; i < n; i++) {
        int len = (int)strlen(run->layers[indices[i]].name);
        longest = len > longest ? len : longest;
    }
    return longest < LONGEST_LAYER ? longest : LONGEST_LAYER;
}

// As many layers as fit, evenly over the depth, each as high as fits.
static void put_layers(FILE *out, const struct client *c,
                       const struct run *run, struct axis *axis, int width)
{
    int *indices = xcalloc((size_t)run->n_layers + 1, sizeof *indices);
    int n = run_layers(run, indices), shown = n;
    int room = c->rows - 1 - HEAD_ROWS - FOOT_ROWS;
    int names = longest_name(run, indices, n);
    double low, high;

    axis->columns = width - names - 1 - MEDIAN_COLUMNS;
    if (n && room > 0 && axis->columns >= 8 &&
        run_range(run, indices, n, &low, &high)) {
        shown = n < room ? n : room;
        int rows = room / shown < TALLEST ? room / shown : TALLEST;
        spark_widen(axis, low, high);
        int left = names + 1 + axis->columns;
        fprintf(out, "%-*.*s%*s\n", left, left,
                "gradient norms in the epoch, by layer", MEDIAN_COLUMNS,
                "median");
        for (int i = 0; i < shown; i++) {
            int at = shown > 1 ? i * (n - 1) / (shown - 1) : 0;
            put_layer(out, c, &run->layers[indices[at]], axis, names, rows);
        }
        spark_axis(out, axis, names + 1, c->utf8);
        if (shown < n)
            fprintf(out, "%d of %d layers\n", shown, n);
    }
    free(indices);
}

static void put_foot(FILE *out, const struct client *c, const struct run *run,
                     bool lost, int width)
{
    char *text = NULL;

    if (lost)
        text = xstrdup("the daemon does not answer, trying again ...");
    else if (run->reason)
        text = xasprintf("%s: %s", run->state, run->reason);
    else if (run->warnings)
        text = xasprintf("%d warning%s, the last: %s", run->warnings,
                         run->warnings == 1 ? "" : "s", run->warning);
    if (text) {
        char *clean = text_clean(text, c->utf8);
        char *fit = text_fit(clean, width, c->utf8);
        fprintf(out, "%s\n", fit);
        free(fit);
        free(clean);
    }
    free(text);
}

char *screen_compose(const struct client *c, const struct run *run, bool lost,
                     struct axis *axis)
{
    int width = (c->columns < WIDEST ? c->columns : WIDEST) - 1;
    char *picture = NULL;
    size_t len;
    FILE *out = open_memstream(&picture, &len);

    put_head(out, c, run, width);
    put_progress(out, c, run, width);
    put_numbers(out, c, run, width);
    put_layers(out, c, run, axis, width);
    put_foot(out, c, run, lost, width);
    fclose(out);
    return picture;
}

/* ---- how it gets there ---- */

static char *drawn;             // the picture on the screen, or NULL
static volatile sig_atomic_t was_stopped;

// Ctrl-Z: the shell gets its cursor back.
static void stop(int signal)
{
    (void)signal;
    (void)!write(STDOUT_FILENO, SHOW, sizeof SHOW - 1);
    raise(SIGSTOP);
    (void)!write(STDOUT_FILENO, HIDE, sizeof HIDE - 1);
    was_stopped = 1;
}

// Rows of the terminal that a line takes; escape sequences take no column. A
// terminal that was made narrower has wrapped what was there.
static int rows_of(const char *line, size_t len, int columns)
{
    char *plain = xmalloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\033')
            while (i < len && line[i] != 'm')
                i++;
        else
            plain[n++] = line[i];
    }
    while (n && plain[n - 1] == ' ')
        n--;
    plain[n] = 0;
    int width = text_width(plain);
    free(plain);
    return width > columns ? (width + columns - 1) / columns : 1;
}

static int rows_drawn(int columns)
{
    int rows = 0;

    for (const char *line = drawn; line && *line;) {
        size_t len = strcspn(line, "\n");
        rows += rows_of(line, len, columns);
        line += len + (line[len] == '\n');
    }
    return rows;
}

void screen_draw(const struct client *c, const char *picture)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};

    if (!drawn) {
        sigaction(SIGTSTP, &action, NULL);
        fputs(HIDE, stdout);
    }
    if (was_stopped) {
        free(drawn);
        drawn = NULL;
        was_stopped = 0;
    }
    int up = rows_drawn(c->columns);
    if (up > c->rows - 1)
        up = c->rows - 1;
    if (up)
        printf("\033[%dA", up);
    putchar('\r');
    for (const char *line = picture; *line;) {
        size_t len = strcspn(line, "\n");
        printf("%.*s\033[K\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
    free(drawn);
    drawn = xstrdup(picture);
}

void screen_end(void)
{
    if (!drawn)
        return;
    fputs(SHOW, stdout);
    fflush(stdout);
    free(drawn);
    drawn = NULL;
}
