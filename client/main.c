/* gradwatch: the command line. Here is the table of commands, what all of them
 * take, and the help; what they do is in commands_*.c. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/client.h"
#include "client/login.h"
#include "client/submit.h"
#include "client/text.h"
#include "common/mem.h"
#include "version.h"

#define DEFAULT_SERVER "http://127.0.0.1:7050"
#define OPTS(table) .opts = table, .n_opts = sizeof table / sizeof *table
#define ANY -1

static const struct opt globals[] = {
    {.name = "server", .value = "URL",
     .help = "the daemon; else GRADWATCH_SERVER, else " DEFAULT_SERVER},
    {.name = "token-file", .value = "FILE", .help = "the daemon's token; else "
     "GRADWATCH_TOKEN_FILE, else that of a daemon on this machine"},
    {.name = "json", .help = "print the server's JSON as it is"},
    {.name = "quiet", .letter = 'q', .help = "only what scripts need"},
    {.name = "no-color", .help = "no colours (nor if NO_COLOR is set)"},
    {.name = "help", .letter = 'h', .help = "this"},
    {.name = "version", .help = "the version of this program"},
};
static const struct opt list_opts[] = {
    {.name = "state", .value = "STATE", .help = "only jobs in this state: "
     "queued, starting, running, paused, done, failed, cancelled, diverged"},
};
static const struct opt log_opts[] = {
    {.name = "follow", .letter = 'f', .help = "go on until the job ends"},
};
static const struct opt move_opts[] = {
    {.name = "before", .value = "ID", .help = "in front of this one"},
    {.name = "last", .help = "behind all others"},
};
static const struct opt clone_opts[] = {
    {.name = "spec", .value = "FILE",
     .help = "changes as JSON; - is standard input"},
};
static const struct opt wait_opts[] = {
    {.name = "timeout", .value = "SECONDS",
     .help = "give up with exit status 124 after so long"},
};
#define RECORD_OPTS                                                            \
    {.name = "quantity", .value = "NAME",                                      \
     .help = "grad_out, update, act_zeros, ...; else the job's first"},        \
    {.name = "layers", .value = "GLOBS",                                       \
     .help = "such as conv1,layer3.*; else as the command chooses"},           \
    {.name = "epochs", .value = "LIST", .help = "such as 1,3-5,last or all"}
static const struct opt histogram_opts[] = {RECORD_OPTS};
static const struct opt gradients_opts[] = {
    RECORD_OPTS, {.name = "csv", .help = "every sample as CSV"}};
static const struct opt export_opts[] = {
    {.name = "output", .letter = 'o', .value = "FILE",
     .help = "where to; its ending says what: .csv or .json"},
    RECORD_OPTS};
static const struct opt profile_opts[] = {
    {.name = "quantity", .value = "NAME",
     .help = "grad_out, update, act_zeros, ...; else the job's first"},
    {.name = "epochs", .value = "LIST", .help = "such as 1,3-5,last or all"},
    {.name = "list", .help = "the numbers, layer by layer"}};
static const struct opt compare_opts[] = {RECORD_OPTS};
static const struct opt models_opts[] = {
    {.name = "skip", .negatable = true, .help = "with skip connections or not"},
    {.name = "norm", .value = "batch|none", .help = "normalisation"},
    {.name = "width", .value = "0.0625..4", .help = "times the channels"},
    {.name = "classes", .value = "N", .help = "outputs"},
};

const struct command commands[] = {
    {"submit", "", 0, 0, "queue a training job", .run = command_submit,
     OPTS(submit_opts), .spec = true, .more =
     "Prints the job's id. Fields that are not given have defaults; without "
     "any it is\nthe notebook's experiment on made-up images."},
    {"list", "", 0, 0, "the jobs", .run = command_list, OPTS(list_opts)},
    {"show", "ID", 1, 1, "one job in full", .run = command_show},
    {"watch", "ID", 1, 1, "follow a job until it ends", .run = command_watch,
     .more = "Exits as the job does: 0 when it is done, 1 when it failed, was "
     "cancelled or\ndiverged. Ctrl-C leaves the job running."},
    {"gradients", "ID", 1, 1, "gradient norms as a table",
     .run = command_gradients, OPTS(gradients_opts), .more =
     "The table is of the last epoch unless --epochs says more; --csv and "
     "--json are\nof all."},
    {"histogram", "ID", 1, 1, "distribution of the norms, by layer",
     .run = command_histogram, OPTS(histogram_opts), .more =
     "Of the last epoch and the notebook's layers, unless told otherwise."},
    {"profile", "ID", 1, 1, "norms over depth, with their slope",
     .run = command_profile, OPTS(profile_opts)},
    {"verdict", "ID", 1, 1, "is it training well, and why",
     .run = command_verdict, .more = "Exits with 0 if it is healthy, else 1."},
    {"compare", "ID ID", 2, 2, "norms of one job over another's",
     .run = command_compare, OPTS(compare_opts), .more =
     "Three or more jobs a side are compared as runs: 1,2,3 4,5,6."},
    {"log", "ID", 1, 1, "what the training process wrote", .run = command_log,
     OPTS(log_opts)},
    {"cancel", "ID...", 1, ANY, "end jobs", .run = command_cancel},
    {"pause", "ID...", 1, ANY, "stop jobs for now; the device is free",
     .run = command_pause, .more = "A job that runs goes on from its last "
     "checkpoint once it is resumed."},
    {"resume", "ID...", 1, ANY, "let paused jobs go on", .run = command_resume},
    {"move", "ID", 1, 1, "give a waiting job another place",
     .run = command_move, OPTS(move_opts)},
    {"clone", "ID", 1, 1, "queue a job again, with changes",
     .run = command_clone, OPTS(clone_opts), .spec = true},
    {"rm", "ID...", 1, ANY, "remove ended jobs and their records",
     .run = command_rm},
    {"wait", "ID...", 1, ANY, "wait until jobs have ended", .run = command_wait,
     OPTS(wait_opts), .more = "Exits with 0 if all are done, 1 if one failed, "
     "was cancelled or diverged."},
    {"export", "ID", 1, 1, "write the records to a file", .run = command_export,
     OPTS(export_opts)},
    {"models", "[ARCH]", 0, 1, "networks, or the layers of one",
     .run = command_models, OPTS(models_opts)},
    {"datasets", "", 0, 0, "what there is to train on",
     .run = command_datasets},
    {"devices", "", 0, 0, "what there is to train with",
     .run = command_devices},
    {"status", "", 0, 0, "how the daemon is", .run = command_status},
    {"open", "[ID...]", 0, ANY, "the page's address, with a login",
     .run = command_open, .more =
     "Prints a link that works once and for two minutes: open it in a browser, "
     "which\nthen stays logged in."},
    {"version", "", 0, 0, "versions of client and daemon",
     .run = command_version},
};
const int n_commands = sizeof commands / sizeof *commands;

enum { N_GLOBALS = sizeof globals / sizeof *globals };

static void print_overview(FILE *out)
{
    fputs("usage: gradwatch [--server URL] COMMAND [...]\n\n"
          "Trains networks and watches their gradients, by the daemon "
          "gradwatchd.\n\n", out);
    for (int i = 0; i < n_commands; i++)
        fprintf(out, "  %-10s %-8s  %s\n", commands[i].name, commands[i].words,
                commands[i].summary);
    fputs("\n", out);
    opts_help(out, globals, N_GLOBALS);
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
    opts_help(stdout, globals, N_GLOBALS);
    return 0;
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < n_commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int no_command(const char *name)
{
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
    return command ? print_help(command) : no_command(o->words[0]);
}

static int run(struct client *c, const struct command *command)
{
    const char *server = opts_value(&c->opts, "server");
    struct error err = {0};

    if (c->opts.n_words < command->least)
        return client_refuse(command->name, "needs %s", command->words);
    if (command->most >= 0 && c->opts.n_words > command->most)
        return client_refuse(command->name, "takes no \"%s\"",
                             c->opts.words[command->most]);
    if (!server)
        server = getenv("GRADWATCH_SERVER");
    if (!server || !*server)
        server = DEFAULT_SERVER;
    if (http_open(&c->http, server, client_interrupted, &err))
        return err.code == ERR_USAGE ? client_refuse("", "%s", err.text)
                                     : (client_say("%s", err.text), EXIT_NO);
    int rc = login_find(c);
    if (!rc)
        rc = command->run(c);
    http_close(c->http);
    return rc;
}

static void look_around(struct client *c)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    setlocale(LC_CTYPE, "");
    c->json = opts_given(&c->opts, "json");
    c->quiet = opts_given(&c->opts, "quiet");
    c->terminal = isatty(STDOUT_FILENO);
    c->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
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
    *n = N_GLOBALS + n_own + *n_fields;
    struct opt *table = xcalloc((size_t)*n, sizeof *table);
    memcpy(table, globals, sizeof globals);
    if (n_own)
        memcpy(table + N_GLOBALS, command->opts,
               (size_t)n_own * sizeof *table);
    if (*n_fields)
        memcpy(table + N_GLOBALS + n_own, *fields,
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

    client_catch_interrupts();
    if (word && !help && !command)
        return no_command(word);
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
