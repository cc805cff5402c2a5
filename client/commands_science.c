/* verdict, compare: what the daemon makes of a job's records. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/group.h"
#include "client/marks.h"
#include "client/table.h"
#include "client/text.h"
#include "common/factor.h"
#include "common/mem.h"

enum {                          // columns of small pictures, and where there
    GAUGE = 12, GAUGE_FITS = 60,        // is room for them
    LEAST_PLOT = 15, MOST_PLOT = 41, BESIDE_PLOT = 65,
};
#define LEAST_RANGE 0.30103             // decades: a factor of two

/* ---- verdict ---- */

static const char *verdict_colour(const char *verdict)
{
    if (!strcmp(verdict, "healthy"))
        return "\033[32m";
    return strcmp(verdict, "unknown") ? "\033[31m" : NULL;
}

// A sentence, broken between words where the terminal ends.
static void put_words(const struct client *c, const char *clean)
{
    int at = 0;

    while (*clean) {
        size_t len = strcspn(clean, " ");
        char *word = xstrndup(clean, len);
        int width = text_width(word);
        if (at && c->terminal && at + 1 + width >= c->columns) {
            putchar('\n');
            at = 0;
        }
        at += printf("%s", at ? " " : "") + width;
        fputs(word, stdout);
        free(word);
        clean += len + (clean[len] == ' ');
    }
    putchar('\n');
}

static void put_verdict(const struct client *c, const json_t *answer)
{
    const char *verdict = api_text(answer, "verdict");
    const char *colour = c->colour ? verdict_colour(verdict) : NULL;
    char *name = text_clean(verdict, c->utf8);
    char *summary = text_clean(api_text(answer, "summary"), c->utf8);

    printf("job %.0f: %s%s%s\n", api_number(answer, "job"),
           colour ? colour : "", name, colour ? "\033[0m" : "");
    put_words(c, summary);
    free(summary);
    free(name);
}

static char *joined(const json_t *names)
{
    char *text = xstrdup("");
    size_t i;
    const json_t *name;

    json_array_foreach(names, i, name) {
        char *longer = xasprintf("%s%s%s", text, *text ? " " : "",
                                 json_string_value(name));
        free(text);
        text = longer;
    }
    return text;
}

static void put_evidence(const struct client *c, const json_t *rows)
{
    static const struct column columns[] = {
        {"RULE", false, false}, {"VALUE", true, false}, {"LIMIT", true, false},
        {"", false, false}, {"EPOCH", true, false}, {"", false, false},
        {"LAYERS", false, true}};
    bool gauge = !c->terminal || c->columns >= GAUGE_FITS;
    struct table *t = table_new(c, columns, 7);
    size_t i;
    const json_t *row;

    json_array_foreach(rows, i, row) {
        const json_t *epoch = json_array_get(json_object_get(row, "epochs"), 0);
        table_add(t, api_text(row, "rule"));
        double value = api_number(row, "value");
        double limit = api_number(row, "threshold");
        table_take(t, text_number(value, 3));
        table_take(t, text_number(limit, 3));
        table_take(t, gauge ? marks_gauge(value / limit, GAUGE, c->utf8)
                            : xstrdup(""));
        table_take(t, json_integer_value(epoch)
            ? xasprintf("%.0f", json_number_value(epoch)) : xstrdup("step 0"));
        table_add(t, json_is_true(json_object_get(row, "decides")) ? "decides"
                                                                   : NULL);
        table_take(t, joined(json_object_get(row, "layers")));
    }
    table_print(t, c);
    table_free(t);
}

// "epochs: 1-2 healthy, 3 stalled".
static void put_epochs(const json_t *epochs)
{
    size_t n = json_array_size(epochs), i = 0;

    for (const char *mark = "epochs: "; i < n; mark = ", ") {
        const json_t *first = json_array_get(epochs, i), *last = first;
        const char *verdict = api_text(first, "verdict");
        for (; i < n; i++) {
            const json_t *next = json_array_get(epochs, i);
            if (strcmp(api_text(next, "verdict"), verdict))
                break;
            last = next;
        }
        printf("%s%.0f", mark, api_number(first, "epoch"));
        if (last != first)
            printf("-%.0f", api_number(last, "epoch"));
        char *clean = text_clean(verdict, false);
        printf(" %s", clean);
        free(clean);
    }
    if (n)
        printf("\n");
}

int command_verdict(struct client *c)
{
    json_t *answer;
    json_int_t id;
    int rc = client_id(c, "verdict", 0, &id);

    if (rc)
        return rc;
    char *path = api_job(id, "/verdict");
    rc = c->json ? api_print(c, path)
                 : api_json(c, "GET", path, NULL, &answer);
    free(path);
    if (rc || c->json)
        return rc;
    put_verdict(c, answer);
    put_epochs(json_object_get(answer, "epochs"));
    if (!c->quiet && json_array_size(json_object_get(answer, "evidence"))) {
        printf("\n");
        put_evidence(c, json_object_get(answer, "evidence"));
    }
    rc = strcmp(api_text(answer, "verdict"), "healthy") ? EXIT_NO : 0;
    json_decref(answer);
    return rc;
}

/* ---- compare ---- */

struct ratio { double at, low, high; };  // log10

static struct ratio ratio_of(const json_t *layer)
{
    const json_t *ends = json_object_get(layer, "interval");
    const json_t *low = json_array_get(ends, 0);
    const json_t *high = json_array_get(ends, 1);

    return (struct ratio){
        api_number(layer, "log10_ratio"),
        json_is_number(low) ? json_number_value(low) : NAN,
        json_is_number(high) ? json_number_value(high) : NAN};
}

// Half the axis that holds every ratio, in decades.
static double range_of(const json_t *layers)
{
    double range = LEAST_RANGE;
    const char *name;
    json_t *layer;

    json_object_foreach((json_t *)layers, name, layer) {
        struct ratio r = ratio_of(layer);
        if (isfinite(r.at))
            range = fmax(range, fabs(r.at));
    }
    return range <= LEAST_RANGE ? range : ceil(1.2 * range);
}

// "0.1x   1x   10x" over n columns. Caller owns.
static char *axis_of(double range, int n)
{
    char *low = factor_text(-range, factor_is_power(range));
    char *high = factor_text(range, factor_is_power(range));
    int left = (n - 1) / 2 - (int)strlen(low) - 1;
    int right = n - (n - 1) / 2 - 3 - (int)strlen(high);
    char *text = xasprintf("%sx%*s1x%*s%sx", low, left > 0 ? left : 0, "",
                           right > 0 ? right : 0, "", high);

    free(low);
    free(high);
    return text;
}

// An odd number, so that there is a middle; 0: too little room.
static int plot_columns(const struct client *c)
{
    int n = (c->columns - BESIDE_PLOT - 1) | 1;

    return n < LEAST_PLOT ? 0 : n < MOST_PLOT ? n : MOST_PLOT;
}

// Side by side, so in one style.
static void put_ratio(struct table *t, const struct ratio *r)
{
    const double all[] = { r->at, r->low, r->high };
    bool power = false;

    for (int i = 0; i < 3; i++)
        power |= factor_is_power(all[i]);
    for (int i = 0; i < 3; i++)
        table_take(t, isnan(all[i]) ? xstrdup("-")
                                    : factor_text(all[i], power));
}

static void put_layers(const struct client *c, const json_t *layers)
{
    double range = range_of(layers);
    int plot = plot_columns(c);
    char *axis = axis_of(range, plot);
    struct column columns[] = {
        {"LAYER", false, true}, {"FACTOR", true, false}, {"FROM", true, false},
        {"TO", true, false}, {"P", true, false}, {"Q", true, false},
        {"", false, false}, {axis, false, false}};
    struct table *t = table_new(c, columns, plot ? 8 : 7);
    const char *name;
    json_t *layer;

    json_object_foreach((json_t *)layers, name, layer) {
        struct ratio r = ratio_of(layer);
        bool differs = json_is_true(json_object_get(layer, "differs"));
        table_add(t, name);
        put_ratio(t, &r);
        table_take(t, text_number(api_number(layer, "p"), 2));
        table_take(t, text_number(api_number(layer, "q"), 2));
        table_add(t, differs ? "differs" : NULL);
        if (plot)
            table_take(t, marks_interval(r.low, r.at, r.high, range, plot,
                                         c->utf8));
        if (differs)
            table_colour(t, r.at < 0 ? "\033[34m" : "\033[33m");
    }
    table_print(t, c);
    table_free(t);
    free(axis);
}

void compare_print(const struct client *c, const json_t *comparison)
{
    char *summary = text_clean(api_text(comparison, "summary"), c->utf8);
    char *epochs = text_json(json_object_get(comparison, "epochs"), c->utf8);
    char *quantity = text_clean(api_text(comparison, "quantity"), c->utf8);

    if (!c->quiet) {
        printf("%s of the second over the first, epochs %s\n", quantity,
               epochs);
        put_layers(c, json_object_get(comparison, "layers"));
        printf("\n");
    }
    put_words(c, summary);
    free(quantity);
    free(epochs);
    free(summary);
}

// "quantity=grad_w&epochs=last": the options. Caller owns.
static char *compare_query(struct client *c)
{
    static const char *const names[] = {"quantity", "layers", "epochs"};
    char *query = xstrdup("");

    for (int i = 0; i < 3; i++) {
        const char *value = opts_value(&c->opts, names[i]);
        if (!value || !strcmp(value, "all"))
            continue;
        char *quoted = http_escape(value);
        char *longer = xasprintf("%s%s%s=%s", query, *query ? "&" : "",
                                 names[i], quoted);
        free(quoted);
        free(query);
        query = longer;
    }
    return query;
}

// "/api/v1/compare?jobs=1,2" or "...?jobs=1,2,3&against=4,5,6", and the query.
// Caller owns.
static char *compare_path(struct client *c, const char *query)
{
    const char *const *words = (const char *const *)c->opts.words;
    bool pair = !strchr(words[0], ',') && !strchr(words[1], ',');

    return xasprintf(pair ? API "/compare?jobs=%s,%s%s%s"
                          : API "/compare?jobs=%s&against=%s%s%s", words[0],
                     words[1], *query ? "&" : "", query);
}

static int compare_words(struct client *c, const char *query)
{
    json_t *answer;

    for (int i = 0; i < 2; i++)
        if (c->opts.words[i][strspn(c->opts.words[i], "0123456789,")])
            return client_refuse("compare", "\"%s\" is no job's id, nor a list "
                                 "of them as 1,2,3", c->opts.words[i]);
    char *path = compare_path(c, query);
    int rc = c->json ? api_print(c, path)
                     : api_json(c, "GET", path, NULL, &answer);

    free(path);
    if (rc || c->json)
        return rc;
    compare_print(c, answer);
    json_decref(answer);
    return 0;
}

int command_compare(struct client *c)
{
    const char *group = opts_value(&c->opts, "group");

    if (c->opts.n_words != (group ? 0 : 2))
        return client_refuse("compare", "needs ID ID, or --group NAME");
    char *query = compare_query(c);
    int rc = group ? compare_group(c, group, query) : compare_words(c, query);
    free(query);
    return rc;
}
