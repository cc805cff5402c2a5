/* The table of commands, and what all of them take: --help, the manual page
 * and the completions are made from it, too. */
#include "client/client.h"
#include "client/submit.h"

#define OPTS(table) .opts = table, .n_opts = sizeof table / sizeof *table
#define ANY -1
#define CSV_OPT(text) {.name = "csv", .help = text}

const struct opt client_globals[] = {
    {.name = "server", .value = "URL",
     .help = "the daemon; else GRADWATCH_SERVER, else `listen` of its "
     "configuration, else " CLIENT_SERVER},
    {.name = "token-file", .value = "FILE", .help = "the daemon's token; else "
     "GRADWATCH_TOKEN_FILE, else that of a daemon on this machine"},
    {.name = "json", .help = "print the server's JSON as it is"},
    {.name = "quiet", .letter = 'q', .help = "only what scripts need"},
    {.name = "no-color", .help = "no colours (nor if NO_COLOR is set)"},
    {.name = "ascii", .help = "pictures of ASCII characters, whatever the "
     "locale"},
    {.name = "help", .letter = 'h', .help = "this"},
    {.name = "version", .letter = 'V', .help = "the version of this program"},
};
const int n_client_globals = sizeof client_globals / sizeof *client_globals;
static const struct opt list_opts[] = {
    {.name = "state", .value = "STATE",
     .choices = "queued|starting|running|paused|done|failed|cancelled|diverged",
     .help = "only jobs in this state: "
     "queued, starting, running, paused, done, failed, cancelled, diverged"},
    {.name = "group", .value = "NAME", .help = "only jobs of this group"},
    CSV_OPT("a row a job as CSV"),
};
#define GROUP_OPT(text)                                                        \
    {.name = "group", .value = "NAME", .help = text}
static const struct opt cancel_opts[] = {GROUP_OPT("all jobs of this group")};
static const struct opt log_opts[] = {
    {.name = "follow", .letter = 'f', .help = "go on until the job ends"},
};
static const struct opt move_opts[] = {
    {.name = "before", .value = "ID", .help = "in front of this one"},
    {.name = "first", .help = "in front of all others"},
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
static const struct opt histogram_opts[] = {
    RECORD_OPTS, CSV_OPT("every bin as CSV")};
static const struct opt gradients_opts[] = {
    RECORD_OPTS, CSV_OPT("every sample as CSV")};
static const struct opt export_opts[] = {
    {.name = "output", .letter = 'o', .value = "FILE",
     .help = "where to, - for stdout; the ending says the format"},
    {.name = "format", .value = "NAME", .choices = "csv|json|notebook|svg|png|"
     "gif|safetensors|records|tensorboard",
     .help = "csv, json, notebook, svg, png, gif, safetensors, records or "
             "tensorboard"},
    {.name = "view", .value = "NAME",
     .choices = "histogram|ridgeline|heat|profile|training",
     .help = "of a picture: histogram (default), ridgeline, heat, profile or "
     "training"},
    {.name = "density", .value = "decade|linear",
     .help = "of histograms: per decade of all steps, or the notebook's"},
    {.name = "checkpoint", .value = "EPOCH|last",
     .help = "which one a .safetensors file is to be"},
    RECORD_OPTS};
static const struct opt profile_opts[] = {
    {.name = "quantity", .value = "NAME",
     .help = "grad_out, update, act_zeros, ...; else the job's first"},
    {.name = "epochs", .value = "LIST", .help = "such as 1,3-5,last or all"},
    {.name = "list", .help = "the numbers, layer by layer"},
    CSV_OPT("the summary of each layer and epoch as CSV")};
static const struct opt compare_opts[] = {
    GROUP_OPT("each set of this group over its first one, instead of ID ID"),
    RECORD_OPTS, CSV_OPT("a row a layer as CSV")};
static const struct opt probe_opts[] = {
    {.name = "layers", .value = "GLOBS",
     .help = "such as conv1,layer3.*; else all that were probed"},
    {.name = "step", .value = "STEP", .help = "the probe before this step"}};
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
     "Of the last epoch and the notebook's layers, unless told otherwise; "
     "--csv and\n--json are of all."},
    {"profile", "ID", 1, 1, "norms over depth, with their slope",
     .run = command_profile, OPTS(profile_opts)},
    {"verdict", "ID", 1, 1, "is it training well, and why",
     .run = command_verdict, .more = "Exits with 0 if it is healthy, else 1."},
    {"probe", "ID", 1, 1, "how the images of a batch agree, by layer",
     .run = command_probe, OPTS(probe_opts), .more =
     "Of the last probe; jobs make some with submit --probe epochs."},
    {"compare", "ID ID", 0, 2, "norms of one job over another's",
     .run = command_compare, OPTS(compare_opts), .more =
     "Three or more jobs a side are compared as runs: 1,2,3 4,5,6."},
    {"group", "NAME", 1, 1, "the jobs of a sweep, by what they differ in",
     .run = command_group},
    {"log", "ID", 1, 1, "what the training process wrote", .run = command_log,
     OPTS(log_opts)},
    {"cancel", "ID...", 0, ANY, "end jobs", .run = command_cancel,
     OPTS(cancel_opts)},
    {"pause", "ID...", 1, ANY, "stop jobs for now; the device is free",
     .run = command_pause, .more = "A job that runs goes on from its last "
     "checkpoint once it is resumed."},
    {"resume", "ID...", 1, ANY, "let paused jobs go on", .run = command_resume},
    {"move", "ID", 1, 1, "give a waiting job another place",
     .run = command_move, OPTS(move_opts)},
    {"drain", "", 0, 0, "let what runs finish, start nothing",
     .run = command_drain, .more = "Holds until \"gradwatch undrain\", also "
     "when the daemon is started again."},
    {"undrain", "", 0, 0, "start jobs again", .run = command_undrain},
    {"clone", "ID", 1, 1, "queue a job again, with changes",
     .run = command_clone, OPTS(clone_opts), .spec = true},
    {"rm", "ID...", 1, ANY, "remove ended jobs and their records",
     .run = command_rm},
    {"wait", "ID...", 1, ANY, "wait until jobs have ended", .run = command_wait,
     OPTS(wait_opts), .more = "Exits with 0 if all are done, 1 if one failed, "
     "was cancelled or diverged."},
    {"export", "ID", 1, 1, "write records, pictures or weights to a file",
     .run = command_export, OPTS(export_opts), .more =
     "By the ending of FILE: .csv, .json, .svg, .png, .gif, .safetensors, or a "
     "name\nwith tfevents in it for TensorBoard. docs/export.md tells what "
     "each holds."},
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
    {"doctor", "", 0, 0, "what is installed, what is missing, how to get it",
     .run = command_doctor, .more = "Exits with 1 if something is missing that "
     "gradwatch needs."},
    {"completion", "bash|zsh|fish", 1, 1, "make a shell complete this program",
     .run = command_completion, .more = "Prints a script for that shell to read"
     ":\n  bash: source <(gradwatch completion bash)\n"
     "  zsh: gradwatch completion zsh > a folder of $fpath/_gradwatch\n"
     "  fish: gradwatch completion fish | source"},
    {"version", "", 0, 0, "versions of client and daemon",
     .run = command_version},
};
const int n_commands = sizeof commands / sizeof *commands;
