/* bash: one function that looks at the word before the cursor's. Works without
 * the package bash-completion. */
#include "client/completion.h"

#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# bash completion for %s; made from the tables of the program itself.\n"
    "_%s() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command= takes= words= opts= i\n"
    "    # --name=value is three words to bash\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n";

static const char tail[] =
    "    COMPREPLY=()\n"
    "    if [[ $takes == id ]]; then\n"
    "        words=$(gradwatch list -q 2>/dev/null)\n"
    "    elif [[ $takes == file || $takes == dir ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -\"${takes:0:1}\" -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    "}\n"
    "complete -F _%s %s\n";

static void print_takes(FILE *out, enum takes takes, const char *source)
{
    static const char *const names[] = {
        [TAKES_NOTHING] = "nothing", [TAKES_TEXT] = "text",
        [TAKES_WORDS] = "words", [TAKES_FILE] = "file", [TAKES_DIR] = "dir",
        [TAKES_ID] = "id",
    };
    char *choices = completion_choices(source);

    fprintf(out, "takes=%s", names[takes]);
    if (takes == TAKES_WORDS)
        fprintf(out, " words=\"%s\"", choices);
    free(choices);
}

// A case for each option that takes something.
static void print_values(FILE *out, const char *command, const struct opt *opts,
                         int n)
{
    for (int i = 0; i < n; i++) {
        const struct opt *o = &opts[i];
        enum takes takes = completion_takes(o);
        if (takes == TAKES_NOTHING)
            continue;
        fprintf(out, "    %s,--%s", command, o->name);
        if (o->letter)
            fprintf(out, "|%s,-%c", command, o->letter);
        fputs(") ", out);
        print_takes(out, takes, completion_source(o));
        fputs(" ;;\n", out);
    }
}

static void print_names(FILE *out, const struct opt *opts, int n)
{
    for (int i = 0; i < n; i++) {
        fprintf(out, "%s--%s", i ? " " : "", opts[i].name);
        if (opts[i].negatable)
            fprintf(out, " --no-%s", opts[i].name);
    }
}

// Which word is the command: the first that is neither an option nor its value.
static void print_search(FILE *out, const struct program *p)
{
    fputs("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n", out);
    for (int i = 0; i < p->n_opts; i++)
        if (p->opts[i].value)
            fprintf(out, "        --%s) [[ ${COMP_WORDS[i+1]} == = ]] && "
                    "((i += 2)) || ((i++)) ;;\n", p->opts[i].name);
    fputs("        -*|=) ;;\n"
          "        *) command=${COMP_WORDS[i]}; break ;;\n"
          "        esac\n    done\n", out);
}

static void print_commands(FILE *out, const struct program *p)
{
    fputs("    case $command in\n    '') words=\"help", out);
    for (int i = 0; i < p->n_commands; i++)
        fprintf(out, " %s", p->commands[i].name);
    fputs("\" ;;\n    help) words=\"", out);
    for (int i = 0; i < p->n_commands; i++)
        fprintf(out, "%s%s", i ? " " : "", p->commands[i].name);
    fputs("\" ;;\n", out);
    for (int i = 0; i < p->n_commands; i++) {
        const struct command *c = &p->commands[i];
        int n;
        struct opt *opts = completion_opts(c, &n);
        fprintf(out, "    %s) opts=\"", c->name);
        print_names(out, opts, n);
        fputs("\" ", out);
        print_takes(out, completion_words(c->words), c->words);
        fputs(" ;;\n", out);
        completion_opts_free(c, opts, n);
    }
    fputs("    esac\n", out);
}

void completion_bash(FILE *out, const struct program *p)
{
    fprintf(out, head, p->name, p->name);
    if (p->commands) {
        print_search(out, p);
        print_commands(out, p);
    }
    fputs("    if [[ $cur == -* ]]; then\n        takes= words=\"$opts ", out);
    print_names(out, p->opts, p->n_opts);
    fputs("\"\n    fi\n    case $command,$prev in\n", out);
    print_values(out, "*", p->opts, p->n_opts);
    for (int i = 0; i < p->n_commands; i++) {
        int n;
        struct opt *opts = completion_opts(&p->commands[i], &n);
        print_values(out, p->commands[i].name, opts, n);
        completion_opts_free(&p->commands[i], opts, n);
    }
    fputs("    esac\n", out);
    fprintf(out, tail, p->name, p->name);
}
