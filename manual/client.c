#include "client/client.h"
#include "client/completion.h"
#include "client/submit.h"
#include "manual/mdoc.h"
#include "manual/pages.h"

static const char about[] =
    "gradwatch asks the daemon gradwatchd to train networks, and shows what it "
    "recorded of their gradients: norms of every layer at every step, as "
    "tables and as pictures in the terminal.\n\n"
    "Data goes to standard output, messages to standard error. Options and "
    "words may come in any order. Without a command, or with --help, the "
    "commands are listed.";

static const char environment[] =
    "GRADWATCH_SERVER\tThe address of the daemon, where --server is not "
    "given.\n"
    "GRADWATCH_TOKEN_FILE\tThe file with its token, where --token-file is not "
    "given.\n"
    "NO_COLOR\tIf it is set and not empty, nothing is coloured.\n"
    "XDG_STATE_HOME\tWhere a daemon of one's own keeps its state; "
    "~/.local/state without it.";

static const char files[] =
    "~/.local/state/gradwatch/token\tThe token of a daemon of one's own. It is "
    "sent to a loopback address only, unless a file is named.\n"
    "~/.config/gradwatch/gradwatchd.conf, /etc/gradwatch/gradwatchd.conf\tThe "
    "daemon's configuration: its keys listen, state and token-file tell where "
    "it is, unless that is said otherwise.\n"
    "/var/lib/gradwatch/token\tThe token of a daemon of the system; of use to "
    "root.";

static const char statuses[] =
    "0\tIt went well; what was asked for is so.\n"
    "1\tThe job failed, was cancelled or diverged; or the answer is no.\n"
    "2\tWrong usage, or a job spec that cannot be.\n"
    "3\tThere is no such job, network or the like.\n"
    "4\tThe job is in the wrong state for that.\n"
    "5\tNo daemon could be reached.\n"
    "6\tThe daemon refused: no valid token, a full queue or disk.\n"
    "124\tgradwatch wait gave up.\n"
    "130\tInterrupted by Ctrl-C.";

static const char examples[] =
    "Train a small network with and one without skip connections, look at "
    "both, compare them:\n\n"
    "    gradwatch submit --pair --preset demo\n"
    "    gradwatch watch 2\n"
    "    gradwatch histogram 2\n"
    "    gradwatch compare 1 2\n\n"
    "Take every sample into a spreadsheet, and the pictures into a talk:\n\n"
    "    gradwatch gradients 2 --csv >norms.csv\n"
    "    gradwatch export 2 -o histograms.gif";

static void print_command(FILE *out, const struct command *c)
{
    int n;
    struct opt *opts = completion_opts(c, &n);
    char title[200];

    snprintf(title, sizeof title, "%s%s%s", c->name, *c->words ? " " : "",
             c->words);
    mdoc_subsection(out, title);
    snprintf(title, sizeof title, "%c%s.", *c->summary - 'a' + 'A',
             c->summary + 1);
    mdoc_text(out, title);
    if (c->more) {
        fputs(".Pp\n", out);
        mdoc_text(out, c->more);
    }
    // The fields of a job are the same wherever they are taken.
    mdoc_options(out, opts, c->spec && c->run != command_submit ? c->n_opts
                                                                : n);
    if (c->spec && c->run != command_submit)
        mdoc_text(out, "All fields of a job, as submit takes them.");
    completion_opts_free(c, opts, n);
}

void page_gradwatch(FILE *out)
{
    mdoc_begin(out, "gradwatch", "1", "watch gradients while networks train");
    mdoc_section(out, "SYNOPSIS");
    fputs(".Nm\n.Op Ar option ...\n.Ar command\n.Op Ar argument ...\n", out);
    mdoc_section(out, "DESCRIPTION");
    mdoc_text(out, about);
    fputs(".Pp\nEvery command takes these:\n", out);
    mdoc_options(out, client_globals, n_client_globals);
    mdoc_section(out, "COMMANDS");
    for (int i = 0; i < n_commands; i++)
        print_command(out, &commands[i]);
    mdoc_section(out, "ENVIRONMENT");
    mdoc_text(out, environment);
    mdoc_section(out, "FILES");
    mdoc_text(out, files);
    mdoc_section(out, "EXIT STATUS");
    mdoc_text(out, statuses);
    mdoc_section(out, "EXAMPLES");
    mdoc_text(out, examples);
    mdoc_see_also(out, "gradwatch-train 1, gradwatchd 8");
}
