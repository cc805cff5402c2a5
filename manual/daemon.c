#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "daemon/config.h"
#include "manual/mdoc.h"
#include "manual/pages.h"

enum { COMMENT_COLUMNS = 76 };

static const char about[] =
    "gradwatchd takes training jobs over HTTP, queues them, runs each in a "
    "process of its own (gradwatch-train), keeps what they record, and serves "
    "it as JSON, CSV, live events and as a web page.\n\n"
    "When it is ready it prints one line, \"listening on http://HOST:PORT\", "
    "on standard output; its log goes to standard error. It stays in the "
    "foreground.";

static const char signals[] =
    "SIGTERM, SIGINT\tStop in order: running jobs save where they are and go "
    "on when the daemon is started again. A second one stops at once.\n"
    "SIGHUP\tRead the command line and the configuration file again. New "
    "values that gradwatchd.conf(5) marks so are in force at once; of others "
    "the log names the key, and they wait for a restart. A file with a mistake "
    "changes nothing.";

static const char manager[] =
    "Where NOTIFY_SOCKET is set, as by systemd for services of Type=notify or "
    "notify-reload, the daemon says READY=1, RELOADING=1, STOPPING=1 and, with "
    "WATCHDOG_USEC, WATCHDOG=1 from the loop that runs the jobs.";

static const char statuses[] =
    "0\tStopped as it was asked to.\n"
    "1\tIt could not start or go on; one line says why and what to do.\n"
    "2\tWrong usage or configuration.";

static const char syntax[] =
    "A line is key = value. Lines that begin with # or ; are comments, and so "
    "is what follows a blank and a semicolon. There are no sections. Every key "
    "is an option of gradwatchd(8), too, and the command line wins over the "
    "file; keys that may be given several times add up. A value of a flag is "
    "true or false.\n\n"
    "gradwatchd --check-config --config FILE says what is wrong, with the "
    "number of the line, and exits with 2 if anything is.";

static char *default_of(const struct config_key *k)
{
    return k->fallback ? xasprintf("Default: %s.", k->fallback)
                       : xasprintf("Default: %s.", k->unset);
}

static const char *reload_of(const struct config_key *k)
{
    return k->reload ? "SIGHUP puts a new value into force."
                     : "A new value waits for a restart.";
}

void page_gradwatchd(FILE *out)
{
    int n;
    const struct opt *opts = config_options(&n);

    mdoc_begin(out, "gradwatchd", "8", "train networks, serve their gradients");
    mdoc_section(out, "SYNOPSIS");
    fputs(".Nm\n.Op Ar option ...\n", out);
    mdoc_section(out, "DESCRIPTION");
    mdoc_text(out, about);
    fputs(".Pp\nThe options, which\n.Xr gradwatchd.conf 5\n"
          "explains in more words:\n", out);
    mdoc_options(out, opts, n);
    mdoc_section(out, "SIGNALS");
    mdoc_text(out, signals);
    mdoc_section(out, "SERVICE MANAGER");
    mdoc_text(out, manager);
    mdoc_section(out, "FILES");
    mdoc_text(out, "/etc/gradwatch/gradwatchd.conf\tThe configuration of the "
              "system's service.\n/var/lib/gradwatch\tIts state.\n"
              "~/.config/gradwatch/gradwatchd.conf\tThe configuration of a "
              "user's own service.\n~/.local/state/gradwatch\tIts state.");
    mdoc_section(out, "EXIT STATUS");
    mdoc_text(out, statuses);
    mdoc_see_also(out, "gradwatch 1, gradwatch-train 1, gradwatchd.conf 5");
}

void page_config(FILE *out)
{
    mdoc_begin(out, "gradwatchd.conf", "5", "configuration of gradwatchd");
    mdoc_section(out, "DESCRIPTION");
    mdoc_text(out, syntax);
    fputs(".Pp\nThe keys are:\n", out);
    mdoc_list(out);
    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *k = &config_keys[i];
        char *standard = default_of(k);
        char *term = xasprintf("%s = %s", k->opt.name, k->opt.value
                               ? k->opt.value : k->opt.maybe);
        mdoc_item(out, term);
        mdoc_text(out, k->more);
        mdoc_text(out, standard);
        mdoc_text(out, reload_of(k));
        free(term);
        free(standard);
    }
    mdoc_list_end(out);
    mdoc_section(out, "EXAMPLES");
    mdoc_text(out, "    listen = 127.0.0.1:7050\n"
              "    data = tiny=/srv/data/tiny-imagenet-200/train\n"
              "    log-level = warn");
    mdoc_see_also(out, "gradwatchd 8");
}

static void comment(FILE *out, const char *text)
{
    int at = 0;

    while (*text) {
        int len = (int)strcspn(text, " ");
        if (!at || at + 1 + len > COMMENT_COLUMNS)
            at = fprintf(out, "%s#", at ? "\n" : "") - (at ? 1 : 0);
        at += fprintf(out, " %.*s", len, text);
        text += len + (text[len] == ' ');
    }
    fputc('\n', out);
}

void sample_config(FILE *out)
{
    fputs("# gradwatchd.conf: what the daemon is told when it starts. Each key "
          "is shown\n# with its default; take the # away to set it.\n#\n", out);
    comment(out, "A line is key = value; # and ; begin comments. Each key is "
            "an option as well (gradwatchd --help), which wins. Check a change "
            "by gradwatchd --check-config --config FILE, put it into force by "
            "SIGHUP (systemctl reload gradwatchd) or, where that does not "
            "help, a restart.");
    for (int i = 0; i < n_config_keys; i++) {
        const struct config_key *k = &config_keys[i];
        fputc('\n', out);
        comment(out, k->more);
        if (k->unset) {
            char *standard = default_of(k);
            comment(out, standard);
            free(standard);
        }
        comment(out, reload_of(k));
        fprintf(out, "#%s = %s\n", k->opt.name, k->fallback ? k->fallback
                : k->opt.value);
    }
}
