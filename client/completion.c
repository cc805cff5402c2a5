#include "client/completion.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "client/submit.h"
#include "common/mem.h"

const char *completion_source(const struct opt *opt)
{
    const char *text = opt->choices ? opt->choices
                     : opt->value ? opt->value : opt->maybe;
    return text ? text : "";
}

// "resnet18", but not "ID", "1..10" or "checkpoint:ID".
static bool is_plain(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)word[i]) && !isdigit((unsigned char)word[i])
            && !(i && strchr("-_", word[i])))
            return false;
    return len > 0;
}

char *completion_choices(const char *text)
{
    char *list = xcalloc(1, strlen(text) + 2), *at = list;

    if (!strchr(text, '|'))
        return list;
    while (*text) {
        size_t len = strcspn(text, "|");
        if (is_plain(text, len)) {
            if (at > list)
                *at++ = ' ';
            memcpy(at, text, len);
            at += len;
        }
        text += len + (text[len] == '|');
    }
    return list;
}

enum takes completion_words(const char *words)
{
    static const struct { const char *word; enum takes takes; } rows[] = {
        { "ID", TAKES_ID }, { "ID...", TAKES_ID }, { "[ID...]", TAKES_ID },
        { "ID ID", TAKES_ID }, { "FILE", TAKES_FILE }, { "DIR", TAKES_DIR },
    };
    char *choices = completion_choices(words);
    enum takes takes = *choices ? TAKES_WORDS
                     : *words ? TAKES_TEXT : TAKES_NOTHING;

    free(choices);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(words, rows[i].word))
            takes = rows[i].takes;
    return takes;
}

enum takes completion_takes(const struct opt *opt)
{
    if (!opt->value)
        return TAKES_NOTHING;
    enum takes takes = completion_words(completion_source(opt));
    return takes == TAKES_NOTHING ? TAKES_TEXT : takes;
}

struct opt *completion_opts(const struct command *c, int *n)
{
    int n_fields = 0;
    struct opt *fields = c->spec ? submit_fields(&n_fields) : NULL;

    *n = c->n_opts + n_fields;
    struct opt *all = xcalloc((size_t)*n + 1, sizeof *all);
    if (c->n_opts)
        memcpy(all, c->opts, (size_t)c->n_opts * sizeof *all);
    if (n_fields)
        memcpy(all + c->n_opts, fields, (size_t)n_fields * sizeof *all);
    free(fields);               // what they point to is all's now
    return all;
}

void completion_opts_free(const struct command *c, struct opt *opts, int n)
{
    for (int i = c->n_opts; i < n; i++)
        free((char *)opts[i].help);
    free(opts);
}

char *completion_escape(const char *text, const char *special)
{
    char *out = xcalloc(2, strlen(text) + 1), *at = out;

    for (; *text; text++) {
        if (strchr(special, *text))
            *at++ = '\\';
        *at++ = *text;
    }
    return out;
}

bool completion_print(FILE *out, const char *shell, const struct program *p)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out, const struct program *p);
    } rows[] = {
        { "bash", completion_bash },
        { "fish", completion_fish },
        { "zsh", completion_zsh },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].shell, shell)) {
            rows[i].print(out, p);
            return true;
        }
    return false;
}

int command_completion(struct client *c)
{
    const struct program p = {
        .name = "gradwatch", .opts = client_globals,
        .n_opts = n_client_globals, .commands = commands,
        .n_commands = n_commands,
    };

    if (completion_print(stdout, c->opts.words[0], &p))
        return 0;
    return client_refuse("completion", "no script for \"%s\": bash, zsh or "
                         "fish", c->opts.words[0]);
}
