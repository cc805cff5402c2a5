/* gradwatch-manual: prints one page of the manual, the sample configuration or
 * a completion, by the name of the file that it is. Part of the build. */
#include <string.h>
#include "client/completion.h"
#include "daemon/config.h"
#include "manual/pages.h"
#include "worker/options.h"

static const struct { const char *name; void (*print)(FILE *out); } pages[] = {
    { "gradwatch.1", page_gradwatch },
    { "gradwatch-train.1", page_train },
    { "gradwatchd.8", page_gradwatchd },
    { "gradwatchd.conf.5", page_config },
    { "gradwatchd.conf", sample_config },
};

// "bash gradwatchd"
static bool print_completion(const char *shell, const char *name)
{
    int n;
    const struct opt *options = config_options(&n);
    const struct program programs[] = {
        { "gradwatch", client_globals, n_client_globals, commands, n_commands },
        { "gradwatchd", options, n, NULL, 0 },
        { "gradwatch-train", worker_options, n_worker_options, NULL, 0 },
    };

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(programs[i].name, name))
            return completion_print(stdout, shell, &programs[i]);
    return false;
}

int main(int argc, char **argv)
{
    if (argc == 3 && print_completion(argv[1], argv[2]))
        return 0;
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(pages[i].name, argv[1])) {
            pages[i].print(stdout);
            return 0;
        }
    fputs("usage: gradwatch-manual PAGE | SHELL PROGRAM\n", stderr);
    return EXIT_USAGE;
}
