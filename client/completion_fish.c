/* fish: a line of `complete` for each option and command. */
#include "client/completion.h"

#include <stdlib.h>

static void print_quoted(FILE *out, const char *text)
{
    char *safe = completion_escape(text, "'\\");

    fprintf(out, "'%s'", safe);
    free(safe);
}

static void print_takes(FILE *out, enum takes takes, const char *source)
{
    char *choices = completion_choices(source);

    if (takes == TAKES_FILE)
        fputs(" -F", out);
    else if (takes == TAKES_DIR)
        fputs(" -a '(__fish_complete_directories)'", out);
    else if (takes == TAKES_ID)
        fputs(" -a '(gradwatch list -q 2>/dev/null)'", out);
    else if (takes == TAKES_WORDS)
        fprintf(out, " -a '%s'", choices);
    free(choices);
}

static void print_opts(FILE *out, const struct program *p, const char *command,
                       const struct opt *opts, int n)
{
    for (int i = 0; i < n; i++) {
        const struct opt *o = &opts[i];
        enum takes takes = completion_takes(o);
        for (int no = 0; no <= o->negatable; no++) {
            fprintf(out, "complete -c %s", p->name);
            if (command)
                fprintf(out, " -n '__fish_seen_subcommand_from %s'", command);
            fprintf(out, " -l %s%s", no ? "no-" : "", o->name);
            if (o->letter)
                fprintf(out, " -s %c", o->letter);
            if (takes != TAKES_NOTHING)
                fputs(takes == TAKES_FILE ? " -r" : " -x", out);
            print_takes(out, takes, completion_source(o));
            fputs(" -d ", out);
            print_quoted(out, o->help);
            fputc('\n', out);
        }
    }
}

static void print_command(FILE *out, const struct program *p,
                          const struct command *c)
{
    enum takes takes = completion_words(c->words);
    int n;
    struct opt *opts = completion_opts(c, &n);

    fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d ", p->name,
            c->name);
    print_quoted(out, c->summary);
    fprintf(out, "\ncomplete -c %s -n __fish_seen_subcommand_from\\ help -a %s"
            "\n", p->name, c->name);
    if (takes == TAKES_WORDS || takes == TAKES_ID || takes == TAKES_FILE) {
        fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s'",
                p->name, c->name);
        print_takes(out, takes, c->words);
        fputc('\n', out);
    }
    print_opts(out, p, c->name, opts, n);
    completion_opts_free(c, opts, n);
}

void completion_fish(FILE *out, const struct program *p)
{
    fprintf(out, "# fish completion for %s; made from the tables of the "
            "program itself.\ncomplete -c %s -f\n", p->name, p->name);
    print_opts(out, p, NULL, p->opts, p->n_opts);
    for (int i = 0; i < p->n_commands; i++)
        print_command(out, p, &p->commands[i]);
}
