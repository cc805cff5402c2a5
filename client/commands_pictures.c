/* histogram and profile: a job's records as pictures in a terminal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/records.h"
#include "client/spark.h"
#include "client/table.h"
#include "client/text.h"
#include "common/job.h"
#include "common/mem.h"

enum {
    WIDEST = 120,
    MEDIAN_COLUMNS = 10,
    TALL_LAYERS = 8,            // up to so many get two rows each
    CHART_ROWS = 14,            // of the profile, at most
    LEAST_ROWS = 4,
    BELOW_CHART = 7,            // rows of a terminal beside those
    LABEL_COLUMNS = 7,          // "1e-21 |"
    WIDEST_BAR = 3,
};

static int picture_width(const struct client *c)
{
    return (c->columns < WIDEST ? c->columns : WIDEST) - 1;
}

/* ---- histogram ---- */

static bool is_notebook(const char *name)
{
    for (int i = 0; job_notebook_layers[i]; i++)
        if (!strcmp(job_notebook_layers[i], name))
            return true;
    return false;
}

// "conv1,fc": the notebook's layers among those of the job, or NULL when it
// has none of them. Caller owns.
static char *notebook_layers(const json_t *layers)
{
    char *text = NULL;
    size_t i;
    const json_t *name;

    json_array_foreach(layers, i, name) {
        if (!is_notebook(json_string_value(name)))
            continue;
        char *longer = xasprintf("%s%s%s", text ? text : "", text ? "," : "",
                                 json_string_value(name));
        free(text);
        text = longer;
    }
    return text;
}

static double log_edge(const json_t *edges, size_t i)
{
    return log10(json_number_value(json_array_get(edges, i)));
}

// Grows the axis by the bins that hold something.
static void widen(struct axis *axis, const json_t *edges, const json_t *counts)
{
    size_t i;
    const json_t *count;

    json_array_foreach(counts, i, count)
        if (json_number_value(count) > 0)
            spark_widen(axis, log_edge(edges, i), log_edge(edges, i + 1));
}

static int longest_key(const struct client *c, const json_t *object)
{
    const char *key;
    const json_t *value;
    int longest = 0;

    json_object_foreach((json_t *)object, key, value) {
        char *clean = text_clean(key, c->utf8);
        int width = text_width(clean);
        longest = width > longest ? width : longest;
        free(clean);
    }
    return longest;
}

// What the picture cannot show, beside the layer.
static void say_rest(const char *name, const json_t *layer)
{
    static const struct { const char *key, *words; } rest[] = {
        {"zeros", "zeros"}, {"nonfinite", "not finite"},
        {"underflow", "below the range"}, {"overflow", "above the range"}};

    for (int i = 0; i < 4; i++) {
        double n = api_number(layer, rest[i].key);
        if (n > 0)
            client_say("%s: %.0f %s", name, n, rest[i].words);
    }
}

static void put_layer(const struct client *c, const char *key,
                      const json_t *layer, const json_t *edges, double median,
                      const struct axis *axis, int names, int rows)
{
    double *columns = xcalloc((size_t)axis->columns, sizeof *columns);
    char *name = text_clean(key, c->utf8), *text = text_number(median, 3);
    const json_t *count;
    size_t i;

    json_array_foreach(json_object_get(layer, "counts"), i, count)
        if (json_number_value(count) > 0)
            spark_add(axis, log_edge(edges, i), log_edge(edges, i + 1),
                      json_number_value(count), columns);
    for (int row = 0; row < rows; row++) {
        bool last = row == rows - 1;
        printf("%*s", last ? 0 : names + 1, "");
        if (last)
            printf("%s%*s", name, names + 1 - text_width(name), "");
        fputs(c->colour ? "\033[34m" : "", stdout);
        spark_row(stdout, columns, axis->columns,
                  spark_most(columns, axis->columns), row, rows, c->utf8);
        printf("%s%*s\n", c->colour ? "\033[0m" : "",
               last ? MEDIAN_COLUMNS : 0, last ? text : "");
    }
    say_rest(name, layer);
    free(text);
    free(name);
    free(columns);
}

// The median of a layer in an epoch of an answer of /gradients.
static double find_median(const json_t *gradients, double number,
                          const char *layer)
{
    size_t i;
    const json_t *epoch;

    json_array_foreach(json_object_get(gradients, "epochs"), i, epoch)
        if (api_number(epoch, "epoch") == number)
            return api_number(json_object_get(json_object_get(epoch, "layers"),
                                              layer), "median");
    return NAN;
}

static void put_epoch(const struct client *c, const json_t *answer,
                      const json_t *epoch, const json_t *gradients,
                      struct axis *axis)
{
    const json_t *layers = json_object_get(epoch, "layers"), *layer;
    const json_t *edges = json_object_get(json_object_get(answer, "bins"),
                                          "edges");
    int names = longest_key(c, layers);
    double number = api_number(epoch, "epoch");
    int rows = json_object_size(layers) <= TALL_LAYERS ? 2 : 1;
    const char *key;

    axis->columns = picture_width(c) - names - 1 - MEDIAN_COLUMNS;
    if (axis->columns < 8)
        axis->columns = 8;
    char *quantity = text_clean(api_text(answer, "quantity"), c->utf8);
    char *head = xasprintf("job %.0f, epoch %.0f%s, %s",
                           api_number(answer, "job"), number,
                           json_is_false(json_object_get(epoch, "complete"))
                               ? " so far" : "",
                           quantity);
    printf("%-*s%*s\n", names + 1 + axis->columns, head, MEDIAN_COLUMNS,
           "median");
    json_object_foreach((json_t *)layers, key, layer)
        put_layer(c, key, layer, edges, find_median(gradients, number, key),
                  axis, names, rows);
    spark_axis(stdout, axis, names + 1, c->utf8);
    free(head);
    free(quantity);
}

static void print_histograms(const struct client *c, const json_t *answer,
                             const json_t *gradients)
{
    const json_t *epochs = json_object_get(answer, "epochs"), *epoch, *layer;
    const json_t *edges = json_object_get(json_object_get(answer, "bins"),
                                          "edges");
    struct axis axis = {.low = 1, .high = 0};
    const char *key;
    size_t i;

    json_array_foreach(epochs, i, epoch)
        json_object_foreach(json_object_get(epoch, "layers"), key, layer)
            widen(&axis, edges, json_object_get(layer, "counts"));
    if (axis.low > axis.high)
        spark_widen(&axis, -10, 0);     // nothing to show, as the notebook
    json_array_foreach(epochs, i, epoch) {
        if (i)
            putchar('\n');
        put_epoch(c, answer, epoch, gradients, &axis);
    }
}

int command_histogram(struct client *c)
{
    static const char query[] = "bins=decade8&source=all&density=decade";
    const char *layers = opts_value(&c->opts, "layers");
    const char *epochs = opts_value(&c->opts, "epochs");
    json_t *gradients = NULL, *answer = NULL;
    json_int_t id;
    int rc = client_id(c, "histogram", 0, &id);

    if (rc)
        return rc;
    if (c->json) {
        char *path = records_path(c, id, "histograms", layers, epochs, query);
        rc = api_print(c, path);
        free(path);
        return rc;
    }
    rc = records_get(c, "histogram", "gradients", &gradients);
    if (rc)
        return rc;
    char *chosen = layers ? xstrdup(layers)
        : notebook_layers(json_object_get(gradients, "layers"));
    char *path = records_path(c, id, "histograms", chosen,
                              epochs ? epochs : "last", query);
    rc = api_json(c, "GET", path, NULL, &answer);
    if (!rc)
        print_histograms(c, answer, gradients);
    json_decref(gradients);
    json_decref(answer);
    free(chosen);
    free(path);
    return rc;
}

/* ---- profile ---- */

// "norms grow 1.20x per layer"; low and high bound it at 95 %.
static void print_slope(const char *when, const json_t *slope)
{
    double factor = api_number(slope, "factor_per_layer");
    double r2 = api_number(slope, "r2");

    if (!isfinite(factor))
        printf("%s: no slope, too few layers with norms\n", when);
    else if (fabs(factor - 1) < 0.005)
        printf("%s: norms stay the same over depth\n", when);
    else
        printf("%s: norms %s %.2fx per layer towards the input "
               "(%.2f..%.2f, r2 %.2f)\n", when,
               factor > 1 ? "grow" : "shrink", factor,
               api_number(slope, "low"), api_number(slope, "high"), r2);
}

// What theory expects of step 0, where there is a theory.
static void print_theory(const struct client *c, const json_t *theory)
{
    if (!json_is_object(theory))
        return;
    char *source = text_clean(api_text(theory, "source"), c->utf8);
    printf("theory: %.2fx per layer at the start (%s)\n",
           api_number(theory, "factor_per_layer"), source);
    free(source);
}

static int deepest(const json_t *layers)
{
    int depth = 0;
    size_t i;
    const json_t *layer;

    json_array_foreach(layers, i, layer)
        if (api_number(layer, "depth") > depth)
            depth = (int)api_number(layer, "depth");
    return depth;
}

// Log10 of the medians by depth (from 1; NAN where there is none), and the
// whole decades that they lie between.
static bool take_medians(const json_t *layers, double *medians, int depth,
                         struct axis *decades)
{
    size_t i;
    const json_t *layer;

    for (int d = 0; d < depth; d++)
        medians[d] = NAN;
    json_array_foreach(layers, i, layer) {
        double x = api_number(layer, "median");
        int d = (int)api_number(layer, "depth");
        if (d < 1 || d > depth || !(x > 0) || !isnan(medians[d - 1]))
            continue;
        medians[d - 1] = log10(x);
        spark_widen(decades, log10(x), log10(x));
    }
    return decades->low <= decades->high;
}

// Rows of the chart, each a whole part or multiple of a decade.
static int chart_rows(const struct client *c, struct axis *decades)
{
    int n = decades->high - decades->low, most = CHART_ROWS;

    if (c->terminal && c->rows - BELOW_CHART < most)
        most = c->rows - BELOW_CHART > LEAST_ROWS ? c->rows - BELOW_CHART
                                                  : LEAST_ROWS;
    int per_row = (n + most - 1) / most;

    if (n < most)
        return n * (most / n);
    while ((decades->high - decades->low) % per_row)
        decades->low--;
    return (decades->high - decades->low) / per_row;
}

static void put_depths(int depth, int bar)
{
    int at = 0;

    printf("%*s", LABEL_COLUMNS, "");
    for (int d = 1; d <= depth; d = d == 1 ? 10 : d + 10) {
        int k = (d - 1) * bar;
        if (k < at)
            continue;
        at += printf("%*s%d", k - at, "", d);
    }
    printf("\n%*sdepth: convolutions from the input\n", LABEL_COLUMNS, "");
}

static void put_chart(const struct client *c, const json_t *layers)
{
    int depth = deepest(layers), room = picture_width(c) - LABEL_COLUMNS;
    struct axis decades = {.low = 1, .high = 0};
    double *medians = xcalloc((size_t)depth + 1, sizeof *medians);

    if (depth < 1 || !take_medians(layers, medians, depth, &decades)) {
        free(medians);
        return;
    }
    int rows = chart_rows(c, &decades);
    int bar = room / depth < WIDEST_BAR ? room / depth : WIDEST_BAR;
    bar = bar < 1 ? 1 : bar;
    double span = decades.high - decades.low;
    double *columns = xcalloc((size_t)(depth * bar), sizeof *columns);
    for (int i = 0; i < depth * bar; i++)
        if (!isnan(medians[i / bar]))
            columns[i] = medians[i / bar] - decades.low + span / rows / 64;
    for (int row = 0; row < rows; row++) {
        double top = decades.high - span * row / rows;
        char label[16] = "";
        if (fabs(top - round(top)) < 1e-6)
            snprintf(label, sizeof label, "1e%.0f", round(top));
        printf("%*s %s", LABEL_COLUMNS - 2, label, c->utf8 ? "\u2502" : "|");
        fputs(c->colour ? "\033[34m" : "", stdout);
        spark_row(stdout, columns, depth * bar, span, row, rows, c->utf8);
        printf("%s\n", c->colour ? "\033[0m" : "");
    }
    put_depths(depth, bar);
    free(columns);
    free(medians);
}

static void put_list(const struct client *c, const json_t *layers)
{
    static const struct column columns[] = {
        {"LAYER", false, true}, {"DEPTH", true, false}, {"P05", true, false},
        {"MEDIAN", true, false}, {"P95", true, false}};
    static const char *const stats[] = {"p05", "median", "p95"};
    struct table *t = table_new(c, columns, 5);
    size_t i;
    const json_t *layer;

    json_array_foreach(layers, i, layer) {
        table_add(t, api_text(layer, "layer"));
        table_take(t, text_json(json_object_get(layer, "depth"), c->utf8));
        for (int k = 0; k < 3; k++)
            table_take(t, text_number(api_number(layer, stats[k]), 3));
    }
    table_print(t, c);
    table_free(t);
}

int command_profile(struct client *c)
{
    json_t *answer, *epochs, *epoch;
    size_t i;
    int rc = records_get(c, "profile", "profile", &answer);

    if (rc || c->json)
        return rc;
    epochs = json_object_get(answer, "epochs");
    epoch = json_array_get(epochs, json_array_size(epochs) - 1);
    char *quantity = text_clean(api_text(answer, "quantity"), c->utf8);
    printf("job %.0f, epoch %.0f%s: median %s of each layer\n",
           api_number(answer, "job"), api_number(epoch, "epoch"),
           json_is_false(json_object_get(epoch, "complete")) ? " so far" : "",
           quantity);
    free(quantity);
    if (opts_given(&c->opts, "list"))
        put_list(c, json_object_get(epoch, "layers"));
    else
        put_chart(c, json_object_get(epoch, "layers"));
    const json_t *first = json_array_get(json_object_get(answer,
                                                         "early_steps"), 0);
    if (first) {
        char *when = xasprintf("step %.0f", api_number(first, "step"));
        print_slope(when, json_object_get(first, "slope"));
        free(when);
        print_theory(c, json_object_get(answer, "theory"));
    }
    json_array_foreach(epochs, i, epoch) {
        char *when = xasprintf("epoch %.0f", api_number(epoch, "epoch"));
        print_slope(when, json_object_get(epoch, "slope"));
        free(when);
    }
    json_decref(answer);
    return 0;
}
