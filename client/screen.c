#include "client/screen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"

enum {
    WIDEST = 120,               // wider pictures are harder to read
    HEAD_ROWS = 4,              // head, progress, numbers, heading of layers
    AXIS_ROWS = 2,
    MEDIAN_COLUMNS = 12,        // with the trend's arrow
    LONGEST_LAYER = 24,
    TALLEST = 3,                // rows of one histogram
    LEAST_SPARK = 6, MOST_SPARK = 30,
    WIDE = 60,                  // with room for the accuracy
};

/* ---- head ---- */

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

// The loss so far, between its least and its most; nothing where there is too
// little room.
static void put_losses(FILE *out, const struct client *c, const struct run *run,
                       int room)
{
    int n = room < MOST_SPARK ? room : MOST_SPARK;
    double means[MOST_SPARK], least = INFINITY, most = -INFINITY;

    if (n < LEAST_SPARK || run->n_losses < 2 || !run_losses(run, means, n))
        return;
    for (int i = 0; i < n; i++) {
        least = fmin(least, means[i]);
        most = fmax(most, means[i]);
    }
    for (int i = 0; i < n; i++)         // the least is low, not blank
        means[i] = most > least ? (means[i] - least) / (most - least) + 0.1 : 1;
    fprintf(out, "  %s", c->colour ? "\033[36m" : "");
    spark_row(out, means, n, 1.1, 0, 1, c->utf8);
    fputs(c->colour ? "\033[0m" : "", out);
}

static void put_numbers(FILE *out, const struct client *c,
                        const struct run *run, int width)
{
    char *rate = text_number(run->images_per_second, 3);
    char *eta = text_seconds(run->eta_seconds);
    char *loss = text_number(run->loss, 4);
    bool wide = width >= WIDE && isfinite(run->accuracy);
    char *accuracy = wide
        ? xasprintf("  accuracy %.1f %%", 100 * run->accuracy) : xstrdup("");
    bool left = isfinite(run->eta_seconds);
    char *text = xasprintf("%s images/s%s%s%s  loss %s", rate,
                           left ? "  ETA " : "", left ? eta : "", accuracy,
                           isnan(run->loss) ? "not finite" : loss);
    char *fit = text_fit(run->epoch ? text : "", width, c->utf8);

    fputs(fit, out);
    if (run->epoch)
        put_losses(out, c, run, width - text_width(fit) - 2);
    fputc('\n', out);
    free(rate);
    free(eta);
    free(loss);
    free(accuracy);
    free(text);
    free(fit);
}

/* ---- layers ---- */

struct part {                   // what of the records is shown where
    const struct client *c;
    const struct run    *run;
    struct axis         *axis;
    int                  epoch, quantity, width, names, rows;
};

static const char *arrow(const struct part *p, const struct run_row *row)
{
    static const char *const arrows[2][3] = {
        {"v", "=", "^"}, {"\u2193", "\u2192", "\u2191"}};
    int trend;

    return run_trend(p->run, p->epoch, row, &trend)
               ? arrows[p->c->utf8][trend + 1] : " ";
}

static void put_layer(FILE *out, const struct part *p, int layer)
{
    const struct run_row *r = run_find(p->run, p->epoch, p->quantity, layer);
    double *columns = xcalloc((size_t)p->axis->columns, sizeof *columns);
    char *clean = text_clean(p->run->layers[layer], p->c->utf8);
    char *name = text_fit(clean, p->names, p->c->utf8);
    char *median = text_number(r->median, 3);

    for (int i = 0; i < r->n; i++)
        if (r->counts[i] > 0)
            spark_add(p->axis, run_edge(r->first + i),
                      run_edge(r->first + i + 1), r->counts[i], columns);
    double most = spark_most(columns, p->axis->columns);
    for (int row = 0; row < p->rows; row++) {
        bool last = row == p->rows - 1;
        int pad = p->names - text_width(last ? name : "");
        fprintf(out, "%s%*s ", last ? name : "", pad, "");
        fputs(p->c->colour ? "\033[34m" : "", out);
        spark_row(out, columns, p->axis->columns, most, row, p->rows,
                  p->c->utf8);
        fputs(p->c->colour ? "\033[0m" : "", out);
        if (last)
            fprintf(out, "%*s %s", MEDIAN_COLUMNS - 2, median, arrow(p, r));
        fputc('\n', out);
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
        int len = (int)strlen(run->layers[indices[i]]);
        longest = len > longest ? len : longest;
    }
    return longest < LONGEST_LAYER ? longest : LONGEST_LAYER;
}

// "grad_out, epoch 3 so far, layers 5-12 of 53" and "median".
static void put_heading(FILE *out, const struct part *p, int first, int shown,
                        int n)
{
    const struct run_epoch *e = &p->run->history[p->epoch];
    char *quantity = text_clean(p->run->quantities[p->quantity], p->c->utf8);
    char *which = shown == n ? xstrdup("")
        : first < 0 ? xasprintf(", %d of %d layers", shown, n)
        : xasprintf(", layers %d-%d of %d", first + 1, first + shown, n);
    char *text = xasprintf("%s, epoch %d%s%s", quantity, e->number,
                           e->whole ? "" : " so far", which);
    int room = p->names + 1 + p->axis->columns;
    char *fit = text_fit(text, room, p->c->utf8);

    fprintf(out, "%s%*s%*s\n", fit, room - text_width(fit), "",
            MEDIAN_COLUMNS - 2, "median");
    free(quantity);
    free(which);
    free(text);
    free(fit);
}

// As many layers as fit, each as high as fits: of all from the one that was
// scrolled to, of few evenly over the depth.
static void put_layers(FILE *out, struct part *p, const struct screen *s,
                       int room)
{
    int *indices = xcalloc((size_t)p->run->n_layers + 1, sizeof *indices);
    int n = run_layers(p->run, p->epoch, p->quantity, s->all, indices);
    double low, high;

    p->names = longest_name(p->run, indices, n);
    p->axis->columns = p->width - p->names - 1 - MEDIAN_COLUMNS;
    if (n && room > 0 && p->axis->columns >= 8) {
        int shown = n < room ? n : room;
        int most = n - shown, first = s->first < most ? s->first : most;
        p->rows = room / shown < TALLEST ? room / shown : TALLEST;
        if (run_range(p->run, p->epoch, p->quantity, indices, n, &low, &high))
            spark_widen(p->axis, low, high);
        if (p->axis->low > p->axis->high)
            spark_widen(p->axis, -10, 0);       // nothing but zeros so far
        put_heading(out, p, s->all ? first : -1, shown, n);
        for (int i = 0; i < shown; i++)
            put_layer(out, p, indices[s->all ? first + i
                      : shown > 1 ? i * (n - 1) / (shown - 1) : 0]);
        spark_axis(out, p->axis, p->names + 1, p->c->utf8);
    }
    free(indices);
}

/* ---- foot ---- */

static const char *const help[] = {
    "q           leave; the job goes on",
    "tab         the next quantity",
    "l           few layers, or all",
    "up, down    scroll all layers; page up, page down by more",
    "left, right an epoch back or on",
    "home, end   the first epoch, the newest",
    "?           this, and back",
};

static void put_line(FILE *out, const struct client *c, const char *text,
                     int width)
{
    char *clean = text_clean(text, c->utf8);
    char *fit = text_fit(clean, width, c->utf8);

    fprintf(out, "%s\n", fit);
    free(fit);
    free(clean);
}

static void put_help(FILE *out, const struct client *c, int width, int room)
{
    int n = sizeof help / sizeof *help;

    for (int i = 0; i < n && i < room; i++)
        put_line(out, c, help[i], width);
}

static char *foot_of(const struct run *run, const struct screen *s)
{
    if (s->lost)
        return xstrdup("the daemon does not answer, trying again ...");
    if (run->reason)
        return xasprintf("%s: %s", run->state, run->reason);
    if (run->warnings)
        return xasprintf("%d warning%s, the last: %s", run->warnings,
                         run->warnings == 1 ? "" : "s", run->warning);
    return s->keys ? xstrdup("q leave  tab quantity  l layers  "
                             "left/right epoch  ? help") : NULL;
}

/* ---- the whole ---- */

int screen_epoch(const struct run *run, const struct screen *s)
{
    for (int i = 0; s->epoch && i < run->n_history; i++)
        if (run->history[i].number == s->epoch)
            return i;
    return run->n_history - 1;
}

char *screen_compose(const struct client *c, const struct run *run,
                     const struct screen *s, struct axis *axis)
{
    int width = (c->columns < WIDEST ? c->columns : WIDEST) - 1;
    char *picture = NULL, *foot = foot_of(run, s);
    int room = c->rows - 1 - HEAD_ROWS - AXIS_ROWS - (foot != NULL);
    size_t len;
    FILE *out = open_memstream(&picture, &len);

    put_head(out, c, run, width);
    put_progress(out, c, run, width);
    put_numbers(out, c, run, width);
    if (s->help) {
        put_help(out, c, width, c->rows - 1 - (HEAD_ROWS - 1) -
                                (foot != NULL));
    } else if (run->n_history && run->n_quantities) {
        struct part p = {.c = c, .run = run, .axis = axis, .width = width,
                         .epoch = screen_epoch(run, s),
                         .quantity = s->quantity % run->n_quantities};
        put_layers(out, &p, s, room);
    }
    if (foot)
        put_line(out, c, foot, width);
    free(foot);
    fclose(out);
    return picture;
}
