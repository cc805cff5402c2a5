#include "daemon/params.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *w = words; *w; w += strcspn(w, " "), w += *w == ' ')
        if (strcspn(w, " ") == len && !memcmp(w, word, len))
            return *w >= 'a';
    return false;
}

static json_t *text_of(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static json_t *mistake(const struct uri_param *p, const char *message)
{
    char *pointer = xasprintf("?%s", p->name);
    json_t *out = json_pack("{s:o, s:o, s:s}", "pointer", text_of(pointer),
                            "value", text_of(p->value), "message", message);

    free(pointer);
    return out;
}

// "is not known here; there are limit, cursor". Caller owns.
static char *unknown_text(const char *known)
{
    char *text = xstrdup("is not known here; there are");
    int n = 0;

    for (const char *w = known; *w; w += strcspn(w, " "), w += *w == ' ') {
        if (*w < 'a')
            continue;
        char *more = xasprintf("%s%s %.*s", text, n++ ? "," : "",
                               (int)strcspn(w, " "), w);
        free(text);
        text = more;
    }
    if (n)
        return text;
    free(text);
    return xstrdup("is not known here; there are none");
}

json_t *params_check(const char *known, const struct uri *u)
{
    char *unknown = unknown_text(known);
    json_t *errors = json_array();

    for (int i = 0; i < u->n_params; i++) {
        const struct uri_param *p = &u->params[i];
        if (!has_word(known, p->name))
            json_array_append_new(errors, mistake(p, unknown));
        else if (uri_param(u, p->name) != p->value)
            json_array_append_new(errors, mistake(p, "is given twice"));
    }
    free(unknown);
    if (json_array_size(errors))
        return errors;
    json_decref(errors);
    return NULL;
}
