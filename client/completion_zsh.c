/* zsh: specifications for _arguments, one set a command. */
#include "client/completion.h"

#include <stdlib.h>

static void print_takes(FILE *out, enum takes takes, const char *source)
{
    char *choices = completion_choices(source);

    if (takes == TAKES_WORDS)
        fprintf(out, "(%s)", choices);
    else
        fputs(takes == TAKES_FILE ? "_files" : takes == TAKES_DIR
              ? "_files -/" : takes == TAKES_ID ? "_gradwatch_ids" : " ", out);
    free(choices);
}

// [what it does], within single quotes.
static void print_help(FILE *out, const char *text)
{
    char *safe = completion_escape(text, "[]:\\");

    fputc('[', out);
    for (const char *p = safe; *p; p++)
        if (*p == '\'')
            fputs("'\\''", out);
        else
            fputc(*p, out);
    fputc(']', out);
    free(safe);
}

static void print_opt(FILE *out, const struct opt *o, const char *dashes,
                      const char *name)
{
    enum takes takes = completion_takes(o);

    fprintf(out, "        '%s%s%s%s", o->repeat ? "*" : "", dashes, name,
            takes == TAKES_NOTHING ? "" : dashes[1] ? "=" : "+");
    print_help(out, o->help);
    if (takes != TAKES_NOTHING) {
        fputs(":value:", out);
        print_takes(out, takes, completion_source(o));
    }
    fputs("' \\\n", out);
}

static void print_opts(FILE *out, const struct opt *opts, int n)
{
    for (int i = 0; i < n; i++) {
        const struct opt *o = &opts[i];
        print_opt(out, o, "--", o->name);
        if (o->negatable)
            print_opt(out, o, "--no-", o->name);
        if (o->letter)
            print_opt(out, o, "-", (char[]){ o->letter, '\0' });
    }
}

static void print_command(FILE *out, const struct program *p,
                          const struct command *c)
{
    enum takes takes = completion_words(c->words);
    int n;
    struct opt *opts = completion_opts(c, &n);

    fprintf(out, "    %s)\n        _arguments \\\n", c->name);
    print_opts(out, opts, n);
    print_opts(out, p->opts, p->n_opts);
    if (takes == TAKES_NOTHING) {
        fputs("        ': :' ;;\n", out);
    } else {
        fputs("        '*:word:", out);
        print_takes(out, takes, c->words);
        fputs("' ;;\n", out);
    }
    completion_opts_free(c, opts, n);
}

static void print_commands(FILE *out, const struct program *p)
{
    fputs("        '1:command:->command' \\\n        '*::word:->words'\n"
          "    case $state in\n    command)\n        local -a names=(\n", out);
    for (int i = 0; i < p->n_commands; i++) {
        char *safe = completion_escape(p->commands[i].summary, ":\\");
        fprintf(out, "        '%s:%s'\n", p->commands[i].name, safe);
        free(safe);
    }
    fputs("        )\n        _describe command names\n        return ;;\n"
          "    esac\n    case $words[1] in\n", out);
    for (int i = 0; i < p->n_commands; i++)
        print_command(out, p, &p->commands[i]);
    fputs("    esac\n", out);
}

void completion_zsh(FILE *out, const struct program *p)
{
    fprintf(out, "#compdef %s\n# Made from the tables of the program itself.\n"
            "_gradwatch_ids() {\n"
            "    local -a ids=(${(f)\"$(gradwatch list -q 2>/dev/null)\"})\n"
            "    compadd -a ids\n}\n"
            "_%s() {\n    local state\n    local -a line\n"
            "    _arguments %s\\\n", p->name, p->name,
            p->commands ? "-C " : "");
    print_opts(out, p->opts, p->n_opts);
    if (p->commands)
        print_commands(out, p);
    else
        fputs("        ': :'\n", out);
    fprintf(out, "}\nif [[ $funcstack[1] == _%s ]]; then\n    _%s \"$@\"\n"
            "else\n    compdef _%s %s\nfi\n", p->name, p->name, p->name,
            p->name);
}
