/* gradwatch: the command line. Finds the command, reads its options, prints the
 * help; the table is in commands.c, what they do in commands_*.c. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/client.h"
#include "client/login.h"
#include "client/settings.h"
#include "client/submit.h"
#include "client/text.h"
#include "common/mem.h"
#include "common/standard.h"
#include "version.h"

static void print_overview(FILE *out)
{
    fputs("usage: gradwatch [--server URL] COMMAND [...]\n\n"
          "Trains networks and watches their gradients, by the daemon "
          "gradwatchd.\n\n", out);
    int width = 0;
    for (int i = 0; i < n_commands; i++)
        if ((int)strlen(commands[i].words) > width)
            width = (int)strlen(commands[i].words);
    for (int i = 0; i < n_commands; i++)
        fprintf(out, "  %-10s %-*s  %s\n", commands[i].name, width,
                commands[i].words, commands[i].summary);
    fputs("\n", out);
    opts_help(out, client_globals, n_client_globals);
    fputs("\n\"gradwatch help COMMAND\" tells more. Exit status: 0 fine, 1 the "
          "job failed,\n2 wrong usage or spec, 3 no such thing, 4 wrong state, "
          "5 no daemon, 6 refused,\n124 timed out, 130 interrupted.\n", out);
}

static int print_help(const struct command *command)
{
    printf("usage: gradwatch %s%s%s [options]\n\n%s\n", command->name,
           *command->words ? " " : "", command->words, command->summary);
    if (command->more)
        printf("%s\n", command->more);
    if (command->n_opts) {
        puts("");
        opts_help(stdout, command->opts, command->n_opts);
    }
    if (command->spec) {
        int n;
        struct opt *fields = submit_fields(&n);
        puts("\nThe job: (limits; [default])");
        opts_help(stdout, fields, n);
        submit_fields_free(fields, n);
    }
    puts("\nEverywhere:");
    opts_help(stdout, client_globals, n_client_globals);
    return 0;
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < n_commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

// argv[at] is no command; perhaps it is the value of an option in front of it
// that is none, or one of a command's.
static int no_command(int at, char **argv)
{
    const char *name = argv[at];
    struct opts before;
    struct error err = {0};
    int wrong = opts_parse(&before, client_globals, n_client_globals, at, argv,
                           &err);

    opts_free(&before);
    if (wrong)
        return client_refuse("", "in front of the command: %s", err.text);
    const char *near = opts_nearest(name, &commands->name, n_commands,
                                    sizeof *commands);

    char *clean = text_clean(name, false);
    int rc = near ? client_refuse("", "no command \"%s\", did you mean %s?",
                                  clean, near)
                  : client_refuse("", "no command \"%s\"", clean);
    free(clean);
    return rc;
}

// Index of the command's name in argv, or argc: the first word that is neither
// a global option nor the value of one.
static int find_word(int argc, char **argv)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        if (!strcmp(argv[i], "--server") || !strcmp(argv[i], "--token-file"))
            i++;
        i++;
    }
    return i < argc ? i : argc;
}

static int run_help(const struct opts *o)
{
    if (o->n_words == 0) {
        print_overview(stdout);
        return 0;
    }
    const struct command *command = find_command(o->words[0]);
    char *words[] = {NULL, (char *)o->words[0]};
    return command ? print_help(command) : no_command(1, words);
}

// Where the daemon is: by option, environment, its configuration, habit.
// Caller owns.
static char *find_server(const struct client *c)
{
    const char *given = opts_value(&c->opts, "server");
    struct settings settings;

    if (!given)
        given = getenv("GRADWATCH_SERVER");
    if (given && *given)
        return xstrdup(given);
    settings_read(&settings);
    char *server = settings_server(&settings);
    settings_free(&settings);
    return server ? server : xstrdup(CLIENT_SERVER);
}

static int run(struct client *c, const struct command *command)
{
    struct error err = {0};

    if (c->opts.n_words < command->least)
        return client_refuse(command->name, "needs %s", command->words);
    if (command->most >= 0 && c->opts.n_words > command->most)
        return client_refuse(command->name, "takes no \"%s\"",
                             c->opts.words[command->most]);
    if (c->csv && opts_given(&c->opts, "json"))
        return client_refuse(command->name, "--csv or --json, not both");
    char *server = find_server(c);
    int rc = http_open(&c->http, server, client_interrupted, &err);
    free(server);
    if (rc)
        return err.code == ERR_USAGE ? client_refuse("", "%s", err.text)
                                     : (client_say("%s", err.text), EXIT_NO);
    rc = login_find(c);
    if (!rc)
        rc = command->run(c);
    http_close(c->http);
    return rc;
}

static void look_around(struct client *c)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    setlocale(LC_CTYPE, "");
    c->csv = opts_given(&c->opts, "csv");
    c->json = c->csv || opts_given(&c->opts, "json");
    c->quiet = opts_given(&c->opts, "quiet");
    c->terminal = isatty(STDOUT_FILENO);
    c->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8") &&
              !opts_given(&c->opts, "ascii");
    c->movable = c->terminal && term && strcmp(term, "dumb");
    c->colour = c->movable && !opts_given(&c->opts, "no-color") &&
                !(no_color && *no_color);
    client_measure(c);
}

// What the command takes, after what all take; *fields are submit's.
static struct opt *full_table(const struct command *command, int *n,
                              struct opt **fields, int *n_fields)
{
    int n_own = command ? command->n_opts : 0;

    *n_fields = 0;
    *fields = command && command->spec ? submit_fields(n_fields) : NULL;
    *n = n_client_globals + n_own + *n_fields;
    struct opt *table = xcalloc((size_t)*n, sizeof *table);
    memcpy(table, client_globals, (size_t)n_client_globals * sizeof *table);
    if (n_own)
        memcpy(table + n_client_globals, command->opts,
               (size_t)n_own * sizeof *table);
    if (*n_fields)
        memcpy(table + n_client_globals + n_own, *fields,
               (size_t)*n_fields * sizeof *table);
    return table;
}

static int dispatch(struct client *c, const struct command *command,
                    bool help)
{
    if (opts_given(&c->opts, "version")) {
        puts("gradwatch " GRADWATCH_VERSION);
        return 0;
    }
    if (command)
        return opts_given(&c->opts, "help") ? print_help(command)
                                            : run(c, command);
    if (help || opts_given(&c->opts, "help"))
        return run_help(&c->opts);
    print_overview(stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct client c = {0};
    struct error err = {0};
    struct opt *fields;
    int n, n_fields, rc, at = find_word(argc, argv);
    const char *word = at < argc ? argv[at] : NULL;
    bool help = word && !strcmp(word, "help");
    const struct command *command = word && !help ? find_command(word) : NULL;

    standard_hold();
    client_catch_interrupts();
    if (word && !help && !command)
        return no_command(at, argv);
    struct opt *table = full_table(command, &n, &fields, &n_fields);
    // Options before the command's name are read with those after it.
    for (int i = at; i < argc; i++)
        argv[i] = argv[i + 1];
    if (opts_parse(&c.opts, table, n, at < argc ? argc - 1 : argc, argv,
                   &err)) {
        rc = client_refuse(command ? command->name : "", "%s", err.text);
    } else {
        look_around(&c);
        rc = dispatch(&c, command, help);
    }
    if (fflush(stdout) || ferror(stdout)) {
        client_say("cannot write the output: is the disk full?");
        rc = rc ? rc : EXIT_NO;
    }
    opts_free(&c.opts);
    submit_fields_free(fields, n_fields);
    free(table);
    return client_interrupted() ? EXIT_INTERRUPTED : rc;
}
