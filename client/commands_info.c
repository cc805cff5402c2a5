/* models, datasets, devices, status, version: what there is.
 *
 * These answers are printed as they are built: a list of objects is a table
 * with a column per member. What the daemon adds one day is shown untouched.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "client/api.h"
#include "client/table.h"
#include "client/text.h"
#include "common/mem.h"
#include "version.h"

/* ---- printing ---- */

// "64 x 112 x 112" of [64, 112, 112], "a, b" of ["a", "b"]. Caller owns.
static char *list_text(const json_t *list, bool utf8)
{
    char *text = xstrdup("");
    size_t i;
    const json_t *element;

    json_array_foreach(list, i, element) {
        char *one = text_json(element, utf8);
        const char *between = json_is_number(element) ? " x " : ", ";
        char *longer = xasprintf("%s%s%s", text, i ? between : "", one);
        free(one);
        free(text);
        text = longer;
    }
    return text;
}

static char *value_text(const char *key, const json_t *value, bool utf8)
{
    if (json_is_number(value) && strstr(key, "bytes"))
        return text_bytes(json_number_value(value));
    if (json_is_integer(value))
        return text_count(json_integer_value(value));
    if (json_is_real(value))
        return xasprintf("%.6g", json_real_value(value));
    if (json_is_boolean(value))
        return xstrdup(json_is_true(value) ? "yes" : "no");
    if (json_is_array(value))
        return list_text(value, utf8);
    return text_json(value, utf8);
}

// "image_size" -> "IMAGE SIZE"; caller owns.
static char *title(const char *key)
{
    char *s = text_clean(key, false);

    for (char *p = s; *p; p++)
        *p = *p == '_' ? ' ' : (char)toupper((unsigned char)*p);
    return s;
}

static bool is_shown(const json_t *value)
{
    return !json_is_object(value) &&
           !json_is_object(json_array_get(value, 0));
}

// Columns are the members of the first element that are no objects.
static void print_rows(struct client *c, const json_t *list)
{
    struct column columns[TABLE_MAX_COLUMNS];
    const char *keys[TABLE_MAX_COLUMNS], *key;
    const json_t *element, *value;
    int n = 0;
    size_t i;

    json_object_foreach((json_t *)json_array_get(list, 0), key, value)
        if (n < TABLE_MAX_COLUMNS && is_shown(value)) {
            keys[n] = key;
            columns[n++] = (struct column){
                title(key), json_is_number(value) || json_is_array(value),
                json_is_string(value) && n > 0};
        }
    struct table *t = table_new(c, columns, n);
    json_array_foreach(list, i, element)
        for (int k = 0; k < n; k++)
            table_take(t, value_text(keys[k], json_object_get(element,
                                                              keys[k]),
                                     c->utf8));
    table_print(t, c);
    table_free(t);
    for (int k = 0; k < n; k++)
        free((char *)columns[k].title);
}

// Members that are no lists of objects, "parameters.held" for those below.
static void add_fields(struct table *t, const json_t *object,
                       const char *prefix)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)object, key, value) {
        if (!strcmp(key, "links"))
            continue;
        char *path = xasprintf("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value)) {
            add_fields(t, value, path);
        } else if (is_shown(value)) {
            table_add(t, path);
            table_take(t, value_text(key, value, t->utf8));
        }
        free(path);
    }
}

static void print_answer(struct client *c, const json_t *answer)
{
    static const struct column columns[] = {{"FIELD", 0, 0}, {"VALUE", 0, 1}};
    struct table *t = table_new(c, columns, 2);
    const char *key;
    const json_t *value;
    bool printed = false;

    json_object_foreach((json_t *)answer, key, value)
        if (!is_shown(value) && json_is_array(value)) {
            print_rows(c, value);
            printed = true;
        }
    add_fields(t, answer, "");
    if (t->n_cells && printed)
        putchar('\n');
    if (t->n_cells)
        table_print(t, c);
    if (!t->n_cells && !printed)
        client_say("there are none");
    table_free(t);
}

static int show(struct client *c, const char *path)
{
    json_t *answer;

    if (c->json)
        return api_print(c, path);
    int rc = api_json(c, "GET", path, NULL, &answer);
    if (!rc)
        print_answer(c, answer);
    json_decref(answer);
    return rc;
}

/* ---- commands ---- */

// Adds "&key=value" (or with ? at first) to path, which it takes.
static char *with_query(char *path, const char *key, const char *value)
{
    char *quoted = http_escape(value);
    char *longer = xasprintf("%s%c%s=%s", path, strchr(path, '?') ? '&' : '?',
                             key, quoted);
    free(quoted);
    free(path);
    return longer;
}

int command_models(struct client *c)
{
    static const char *const names[] = {"norm", "width", "classes"};

    if (!c->opts.n_words)
        return show(c, API "/models");
    char *arch = http_escape(c->opts.words[0]);
    char *path = xasprintf(API "/models/%s", arch);
    if (opts_given(&c->opts, "skip"))
        path = with_query(path, "skip", opts_flag(&c->opts, "skip", false)
                                            ? "true" : "false");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (opts_given(&c->opts, names[i]))
            path = with_query(path, names[i], opts_value(&c->opts, names[i]));
    int rc = show(c, path);
    free(path);
    free(arch);
    return rc;
}

int command_datasets(struct client *c)
{
    return show(c, API "/datasets");
}

int command_devices(struct client *c)
{
    return show(c, API "/devices");
}

// What the daemon says of itself, and before its limits how its queue is.
int command_status(struct client *c)
{
    json_t *answer = NULL, *queue = NULL, *both = json_object(), *value;
    const char *key;
    int rc = c->json ? api_print(c, API)
                     : api_json(c, "GET", API, NULL, &answer);

    if (!rc && answer)
        rc = api_json(c, "GET", API "/queue", NULL, &queue);
    json_object_foreach(answer, key, value) {
        if (!strcmp(key, "limits"))
            json_object_set(both, "queue", queue);
        json_object_set(both, key, value);
    }
    if (!rc && answer)
        print_answer(c, both);
    json_decref(both);
    json_decref(answer);
    json_decref(queue);
    return rc;
}

// Tells its own version whether or not there is a daemon.
int command_version(struct client *c)
{
    struct response r;
    struct error err = {0};
    int rc = http_send(c->http, "GET", API, NULL, &r, &err);
    json_t *answer = rc ? NULL : json_loadb(r.body, r.len, 0, NULL);
    char *version = text_clean(api_text(answer, "version"), c->utf8);

    if (c->json) {
        json_t *both = json_pack("{s:s, s:s}", "client", GRADWATCH_VERSION,
                                 "server", version);
        json_dumpf(both, stdout, 0);
        putchar('\n');
        json_decref(both);
    } else if (*version) {
        printf("gradwatch %s\ngradwatchd %s at %s\n", GRADWATCH_VERSION,
               version, c->http->base);
    } else {
        printf("gradwatch %s\nno daemon at %s\n", GRADWATCH_VERSION,
               c->http->base);
    }
    json_decref(answer);
    if (!rc)
        http_clear(&r);
    free(version);
    return 0;
}
