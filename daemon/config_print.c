/* The configuration as the file that would say the same. */
#include "daemon/config.h"

#include <stdlib.h>
#include <string.h>

static void print_list(FILE *out, const struct config *c,
                       const struct config_key *key)
{
    if (key->kind == CONFIG_DATA)
        for (int i = 0; i < c->n_roots; i++)
            fprintf(out, "%s = %s=%s\n", key->opt.name, c->roots[i].name,
                    c->roots[i].dir);
    else
        for (int i = 0; i < c->n_allow_hosts; i++)
            fprintf(out, "%s = %s\n", key->opt.name, c->allow_hosts[i]);
}

static void print_word(FILE *out, const char *words, int i)
{
    while (i-- > 0)
        words += strcspn(words, "|") + 1;
    fprintf(out, "%.*s\n", (int)strcspn(words, "|"), words);
}

// The shortest of 15 to 17 digits that reads back as the same number.
static void print_real(FILE *out, double x)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fprintf(out, "%s\n", text);
}

static void print_value(FILE *out, const struct config *c,
                        const struct config_key *key)
{
    const void *at = (const char *)c + key->at;

    if (key->kind == CONFIG_LISTEN)
        fprintf(out, strchr(c->host, ':') ? "[%s]:%d\n" : "%s:%d\n", c->host,
                c->port);
    else if (key->kind == CONFIG_FLAG)
        fprintf(out, "%s\n", *(const bool *)at ? "true" : "false");
    else if (key->kind == CONFIG_WHOLE)
        fprintf(out, "%d\n", *(const int *)at);
    else if (key->kind == CONFIG_REAL)
        print_real(out, *(const double *)at);
    else if (key->kind == CONFIG_WORD)
        print_word(out, key->opt.value, *(const int *)at);
    else
        fprintf(out, "%s\n", *(char *const *)at);
}

void config_print_key(FILE *out, const struct config *c,
                      const struct config_key *key)
{
    const void *at = (const char *)c + key->at;

    if (key->opt.repeat) {
        print_list(out, c, key);
    } else if (key->kind != CONFIG_TEXT || *(char *const *)at) {
        fprintf(out, "%s = ", key->opt.name);
        print_value(out, c, key);
    }
}

void config_print(FILE *out, const struct config *c)
{
    for (int i = 0; i < n_config_keys; i++)
        config_print_key(out, c, &config_keys[i]);
}
