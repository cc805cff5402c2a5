#include "client/api.h"

#include <math.h>
#include <string.h>
#include <stdlib.h>
#include "client/text.h"
#include "common/mem.h"

// Statuses that mean more than "it did not work".
static const struct { long status; int code; } codes[] = {
    {400, EXIT_USAGE}, {413, EXIT_USAGE}, {415, EXIT_USAGE},
    {422, EXIT_USAGE}, {404, EXIT_MISSING}, {409, EXIT_STATE},
    {401, EXIT_REFUSED}, {403, EXIT_REFUSED}, {421, EXIT_REFUSED},
    {429, EXIT_REFUSED}, {507, EXIT_REFUSED},
    {502, EXIT_UNREACHABLE}, {503, EXIT_UNREACHABLE},
    {504, EXIT_UNREACHABLE},
};

// "/train/batch" -> "train.batch", as documents and options have it.
static char *dotted(const char *pointer)
{
    char *s = xstrdup(*pointer == '/' ? pointer + 1 : pointer);

    for (char *p = s; *p; p++)
        if (*p == '/')
            *p = '.';
    return s;
}

// One mistake: field, what it must be, what it is.
static void say_mistake(const json_t *mistake)
{
    char *field = dotted(api_text(mistake, "pointer"));
    char *clean = text_clean(field, false);
    char *message = text_clean(api_text(mistake, "message"), true);
    const json_t *value = json_object_get(mistake, "value");
    char *is = text_json(value, false), *fit = text_fit(is, 60, false);
    bool named = !*clean || !strncmp(message, clean, strlen(clean));
    bool shown = value && !json_is_null(value);

    client_say("%s%s%s%s%s%s", named ? "" : clean, named ? "" : ": ", message,
               shown ? " (is " : "", shown ? fit : "", shown ? ")" : "");
    free(field);
    free(clean);
    free(message);
    free(is);
    free(fit);
}

int api_refused(const struct response *r, const char *what)
{
    json_t *problem = json_loadb(r->body, r->len, 0, NULL);
    json_t *errors = json_object_get(problem, "errors"), *mistake;
    const char *words = api_text(problem, "detail");
    size_t i;
    int code = EXIT_NO;

    for (i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == r->status)
            code = codes[i].code;
    if (strcmp(r->type, "application/problem+json") || !problem) {
        client_say("unexpected answer %ld to %s: is this gradwatchd?",
                   r->status, what);
        code = EXIT_UNREACHABLE;
    } else if (r->status == 401) {
        client_say("the daemon wants its token: name the file with "
                   "--token-file or GRADWATCH_TOKEN_FILE (it is `token` in the "
                   "daemon's state directory)");
    } else if (json_array_size(errors)) {
        json_array_foreach(errors, i, mistake)
            say_mistake(mistake);
    } else {
        char *clean = text_clean(*words ? words : api_text(problem, "title"),
                                 true);
        client_say("%s", *clean ? clean : "refused without a reason");
        free(clean);
    }
    json_decref(problem);
    return code;
}

int api_send(struct client *c, const char *method, const char *path,
             const char *body, struct response *r)
{
    struct error err = {0};
    int rc = http_send(c->http, method, path, body, r, &err);

    if (rc == ERR_STATE)
        return EXIT_INTERRUPTED;
    if (rc) {
        client_say("%s", err.text);
        return rc == ERR_USAGE ? EXIT_USAGE : EXIT_UNREACHABLE;
    }
    if (r->status >= 200 && r->status < 300)
        return 0;
    char *what = xasprintf("%s %s%s", method, c->http->base, path);
    rc = api_refused(r, what);
    free(what);
    return rc;
}

int api_json(struct client *c, const char *method, const char *path,
             const char *body, json_t **answer)
{
    struct response r;
    int rc = api_send(c, method, path, body, &r);

    *answer = rc ? NULL : json_loadb(r.body, r.len, 0, NULL);
    if (!rc && !*answer) {
        client_say("the answer of %s%s is not JSON: is this gradwatchd?",
                   c->http->base, path);
        rc = EXIT_UNREACHABLE;
    }
    http_clear(&r);
    return rc;
}

void api_print_body(const struct client *c, const struct response *r)
{
    if (c->terminal)
        text_print(stdout, r->body, r->len, c->utf8);
    else
        fwrite(r->body, 1, r->len, stdout);
    if (r->len && r->body[r->len - 1] != '\n')
        putchar('\n');
}

int api_get(struct client *c, const char *path, struct response *r)
{
    int n = (int)strcspn(path, "?");
    char *csv = xasprintf("%.*s.csv%s", n, path, path + n);
    int rc = api_send(c, "GET", c->csv ? csv : path, NULL, r);

    free(csv);
    return rc;
}

int api_print(struct client *c, const char *path)
{
    struct response r;
    int rc = api_get(c, path, &r);

    if (!rc)
        api_print_body(c, &r);
    http_clear(&r);
    return rc;
}

char *api_job(json_int_t id, const char *below)
{
    return xasprintf(API "/jobs/%" JSON_INTEGER_FORMAT "%s", id, below);
}

const char *api_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

double api_number(const json_t *object, const char *key)
{
    const json_t *x = json_object_get(object, key);
    return json_is_number(x) ? json_number_value(x) : NAN;
}
