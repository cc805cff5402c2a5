#include "manual/mdoc.h"
#include "manual/pages.h"
#include "worker/options.h"

static const char about[] =
    "gradwatch-train trains one network and tells how its gradients are. It "
    "reads a job spec as JSON from standard input, prints one event a line on "
    "standard output, and its log on standard error. gradwatchd starts one for "
    "each job; it needs no daemon and runs as well by hand or in a script.";

static const char statuses[] =
    "0\tDone.\n"
    "1\tAnything that is none of the following.\n"
    "2\tWrong usage.\n"
    "3\tStopped by SIGTERM or SIGINT, in order.\n"
    "4\tThe loss was not finite any more, and the spec says to stop then.\n"
    "5\tNo usable data set.\n"
    "6\tThe device has too little memory.\n"
    "7\tThe device is missing or has failed.\n"
    "8\tThe disk is full or has failed.\n"
    "9\tThe spec is wrong; the last event says where.";

static const char examples[] =
    "Train the smallest example and keep its events:\n\n"
    "    echo '{\"preset\": \"tiny\"}' | gradwatch-train >events.ndjson";

void page_train(FILE *out)
{
    mdoc_begin(out, "gradwatch-train", "1",
               "train one network and record its gradients");
    mdoc_section(out, "SYNOPSIS");
    fputs(".Nm\n.Op Ar option ...\n.Pf < Ar job.json\n", out);
    mdoc_section(out, "DESCRIPTION");
    mdoc_text(out, about);
    fputs(".Pp\nThe options are:\n", out);
    mdoc_options(out, worker_options, n_worker_options);
    mdoc_section(out, "EXIT STATUS");
    mdoc_text(out, statuses);
    mdoc_section(out, "EXAMPLES");
    mdoc_text(out, examples);
    mdoc_see_also(out, "gradwatch 1, gradwatchd 8");
}
