#include "daemon/uri.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// In place. A '+' is a space in a query and itself in a path.
static int decode(char *text, int plus_is_space, struct error *err)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '+' && plus_is_space) {
            *to++ = ' ';
        } else if (*from == '%') {
            int high = hex(from[1]), low = high < 0 ? -1 : hex(from[2]);
            if (low < 0 || high + low == 0)
                return fail(err, ERR_USAGE, "the address has a %% that is not "
                            "followed by two hexadecimal digits other than 00");
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return 0;
}

static int parse_path(struct uri *u, char *path, struct error *err)
{
    char *rest = path + 1;

    if (*path != '/')
        return fail(err, ERR_USAGE, "the address does not begin with /");
    while (*rest) {
        char *slash = strchrnul(rest, '/');
        char *segment = rest;
        if (u->n_segments == URI_MAX_SEGMENTS)
            return fail(err, ERR_NOT_FOUND, "there is nothing that deep");
        rest = *slash ? slash + 1 : slash;
        *slash = '\0';
        u->segments[u->n_segments++] = segment;
        int rc = decode(segment, 0, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_query(struct uri *u, char *query, struct error *err)
{
    char *save = NULL;

    for (char *p = strtok_r(query, "&", &save); p;
         p = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(p, '=');
        char *value = equals ? equals + 1 : p + strlen(p);
        if (u->n_params == URI_MAX_PARAMS)
            return fail(err, ERR_USAGE, "more than %d parameters",
                        URI_MAX_PARAMS);
        if (equals)
            *equals = '\0';
        if (decode(p, 1, err) || decode(value, 1, err))
            return ERR_USAGE;
        u->params[u->n_params++] = (struct uri_param){ p, value };
    }
    return 0;
}

int uri_parse(struct uri *u, const char *target, struct error *err)
{
    *u = (struct uri){ 0 };
    if (strlen(target) > URI_LONGEST)
        return fail(err, ERR_LIMIT, "the address has more than %d bytes",
                    URI_LONGEST);
    for (const char *c = target; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return fail(err, ERR_USAGE, "the address has a control character");
    u->path = xstrndup(target, strcspn(target, "?"));
    u->text = xstrdup(target);
    char *query = strchr(u->text, '?');
    if (query)
        *query++ = '\0';
    int rc = parse_path(u, u->text, err);
    if (!rc && query)
        rc = parse_query(u, query, err);
    return rc;
}

void uri_clear(struct uri *u)
{
    free(u->path);
    free(u->text);
    *u = (struct uri){ 0 };
}

const char *uri_param(const struct uri *u, const char *name)
{
    for (int i = 0; i < u->n_params; i++)
        if (!strcmp(u->params[i].name, name))
            return u->params[i].value;
    return NULL;
}

// How closely one item of an Accept header ("text/*;q=0.5") names the type: 3
// itself, 2 its kind, 1 anything, 0 not at all. *weight is 0 when it names what
// is not wanted.
static int item_names(const char *item, size_t len, const char *type,
                      double *weight)
{
    size_t range = 0, major = strcspn(type, "/") + 1;

    while (range < len && !strchr("; \t", item[range]))
        range++;
    *weight = 1;
    for (size_t i = range + 1; i + 2 < len; i++)
        if (strchr("; \t", item[i - 1]) && strchr("qQ", item[i]) &&
            item[i + 1] == '=')
            *weight = strtod(item + i + 2, NULL);
    if (range == strlen(type) && !strncasecmp(item, type, range))
        return 3;
    if (range == major + 1 && item[major] == '*' &&
        !strncasecmp(item, type, major))
        return 2;
    return range == 3 && !memcmp(item, "*/*", 3);
}

// What names a type most closely decides (RFC 9110, 12.5.1).
int uri_accepts(const char *header, const char *type)
{
    char *bare = xstrndup(type, strcspn(type, ";"));
    // What has any type says which with the answer.
    bool any = !header || !*header || *type == '*';
    int best = 0, yes = any;

    for (const char *p = any ? NULL : header; p && *p; ) {
        size_t len = strcspn(p, ","), blank = strspn(p, " \t");
        double weight;
        int close = blank < len
            ? item_names(p + blank, len - blank, bare, &weight) : 0;
        if (close > best) {
            best = close;
            yes = weight > 0;
        }
        p += len + (p[len] == ',');
    }
    free(bare);
    return yes;
}
