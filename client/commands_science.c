/* verdict, compare: what the daemon makes of a job's records. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/group.h"
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"

/* ---- verdict ---- */

static const char *verdict_colour(const char *verdict)
{
    if (!strcmp(verdict, "healthy"))
        return "\033[32m";
    return strcmp(verdict, "unknown") ? "\033[31m" : NULL;
}

static void put_verdict(const struct client *c, const json_t *answer)
{
    const char *verdict = api_text(answer, "verdict");
    const char *colour = c->colour ? verdict_colour(verdict) : NULL;
    char *name = text_clean(verdict, c->utf8);
    char *summary = text_clean(api_text(answer, "summary"), c->utf8);

    printf("job %.0f: %s%s%s\n%s\n", api_number(answer, "job"),
           colour ? colour : "", name, colour ? "\033[0m" : "", summary);
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
        {"EPOCH", true, false}, {"", false, false}, {"LAYERS", false, true}};
    struct table *t = table_new(c, columns, 6);
    size_t i;
    const json_t *row;

    json_array_foreach(rows, i, row) {
        const json_t *epoch = json_array_get(json_object_get(row, "epochs"), 0);
        table_add(t, api_text(row, "rule"));
        table_take(t, text_number(api_number(row, "value"), 3));
        table_take(t, text_number(api_number(row, "threshold"), 3));
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

static char *ratio(double decades)
{
    return fabs(decades) < 3 ? xasprintf("%.3g", pow(10, decades))
                             : xasprintf("10^%.2f", decades);
}

static void put_layers(const struct client *c, const json_t *layers)
{
    static const struct column columns[] = {
        {"LAYER", false, true}, {"FACTOR", true, false}, {"FROM", true, false},
        {"TO", true, false}, {"P", true, false}, {"Q", true, false},
        {"", false, false}};
    struct table *t = table_new(c, columns, 7);
    const char *name;
    json_t *layer;

    json_object_foreach((json_t *)layers, name, layer) {
        const json_t *interval = json_object_get(layer, "interval");
        double numbers[] = {api_number(layer, "log10_ratio"), NAN, NAN};
        for (size_t i = 0; i < 2; i++) {
            const json_t *end = json_array_get(interval, i);
            if (json_is_number(end))
                numbers[i + 1] = json_number_value(end);
        }
        table_add(t, name);
        for (int i = 0; i < 3; i++)
            table_take(t, isnan(numbers[i]) ? xstrdup("-") : ratio(numbers[i]));
        table_take(t, text_number(api_number(layer, "p"), 2));
        table_take(t, text_number(api_number(layer, "q"), 2));
        table_add(t, json_is_true(json_object_get(layer, "differs"))
            ? "differs" : NULL);
    }
    table_print(t, c);
    table_free(t);
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
    printf("%s\n", summary);
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
