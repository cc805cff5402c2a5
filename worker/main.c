/* gradwatch-train: one training run. A job spec on stdin, one event a line on
 * stdout, a log on stderr. Needs no daemon. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/event.h"
#include "common/job.h"
#include "common/mem.h"
#include "common/opts.h"
#include "common/standard.h"
#include "version.h"
#include "worker/backends.h"
#include "worker/data.h"
#include "worker/options.h"
#include "worker/tell.h"
#include "worker/train.h"

enum {
    SPEC_MOST = 1 << 20,                // bytes
    CACHE_GIB = 64, MOST_GIB = 1000000,
};

static const char program[] = "gradwatch-train";

static const char intro[] =
    "usage: gradwatch-train [OPTION]... < JOB.json\n\n"
    "Reads a job spec, trains, and prints one event a line. Ends with\n"
    "0 done, 3 cancelled, 4 diverged, 5 no usable data set, 6 out of device\n"
    "memory, 7 device missing or failed, 8 disk, 9 bad spec, 1 anything "
    "else.\n\n";

static volatile sig_atomic_t stop;

static void on_stop(int sig)
{
    (void)sig;
    stop = 1;
}

// The first signal ends the run in order, a second SIGINT at once.
static void catch_signals(void)
{
    struct sigaction term = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
    struct sigaction interrupt = {
        .sa_handler = on_stop, .sa_flags = SA_RESTART | SA_RESETHAND,
    };

    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &interrupt, NULL);
    signal(SIGPIPE, SIG_IGN);           // a reader that left is an error code
}

// All of stdin, up to SPEC_MOST bytes and one more. Caller owns.
static char *read_spec(size_t *len)
{
    char *text = xmalloc(SPEC_MOST + 1);
    *len = fread(text, 1, SPEC_MOST + 1, stdin);
    return text;
}

// NULL after a failed event.
static struct job *read_job(struct tell *t)
{
    struct error err = { 0 };
    json_t *spec = NULL, *problems = NULL;
    struct job *job = NULL;
    size_t len;
    char *text = read_spec(&len);

    if (len > SPEC_MOST)
        fail(&err, ERR_LIMIT, "the spec is longer than %d bytes", SPEC_MOST);
    else
        spec = job_load_text(text, len, &err);
    if (!spec)
        tell_failed(t, "spec", err.text);
    else if (!(job = job_parse(spec, &problems)))
        tell_bad_spec(t, problems);
    json_decref(problems);
    json_decref(spec);
    free(text);
    return job;
}

// The absolute directory of a data root, or NULL when there is no such root.
// ERR_USAGE for a --data that cannot be. Caller owns *dir.
static int find_root(const struct opts *o, const char *root, char **dir,
                     struct error *err)
{
    const char *text, *path;
    int at = 0;

    *dir = NULL;
    while ((text = opts_next(o, "data", &at))) {
        char *name, full[PATH_MAX];
        int rc = opts_pair("data", text, &name, &path, err);
        if (rc)
            return rc;
        if (!strcmp(name, root)) {
            free(*dir);
            *dir = xstrdup(realpath(path, full) ? full : path);
        }
        free(name);
    }
    return 0;
}

// Caller owns. NULL when there is no place for it.
static char *cache_dir(const struct opts *o)
{
    const char *given = opts_value(o, "cache");
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (given)
        return xstrdup(given);
    if (xdg && *xdg == '/')
        return xasprintf("%s/gradwatch", xdg);
    return home && *home ? xasprintf("%s/.cache/gradwatch", home) : NULL;
}

static int probe(void)
{
    json_t *found = backends_probe();
    char *text = event_text(found);
    int rc = puts(text) < 0 || fflush(stdout) != 0;

    free(text);
    json_decref(found);
    return rc;
}

// The --sha256 options. ERR_USAGE for one that cannot be. The caller owns
// *sums and the files in it.
static int read_sums(const struct opts *o, struct sum **sums, int *n,
                     struct error *err)
{
    const char *text;
    int at = 0, rc = 0;

    *sums = xcalloc((size_t)o->n_items + 1, sizeof **sums);
    for (*n = 0; !rc && (text = opts_next(o, "sha256", &at)); *n += !rc)
        rc = opts_pair("sha256", text, &(*sums)[*n].file, &(*sums)[*n].sha256,
                       err);
    return rc;
}

// What the options say in numbers.
struct numbers { double attempt, recorded, cache_gib; };

static int read_numbers(const struct opts *o, struct numbers *n,
                        struct error *err)
{
    *n = (struct numbers){ 1, INT_MAX, CACHE_GIB };
    int rc = opts_number(o, "attempt", 1, INT_MAX, &n->attempt, err);

    if (!rc)
        rc = opts_number(o, "recorded", 0, INT_MAX, &n->recorded, err);
    if (!rc)
        rc = opts_number(o, "cache-limit", 0, MOST_GIB, &n->cache_gib, err);
    return rc;
}

static int train(const struct opts *o, const struct numbers *n)
{
    struct tell t = { .out = stdout };
    struct error err = { 0 };
    struct sum *sums;
    int n_sums, rc = TRAIN_SPEC;
    int wrong = read_sums(o, &sums, &n_sums, &err);
    struct job *job = wrong ? NULL : read_job(&t);
    char *root = NULL, *dir = cache_dir(o);
    const struct data_cache cache = {
        .dir = dir, .most_bytes = (uint64_t)(n->cache_gib * (1 << 30)),
    };

    if (wrong || (job && find_root(o, job->data.root, &root, &err) != 0))
        rc = opts_refuse(program, &err);
    else if (job)
        rc = train_run(&(struct train_opts){
            .init = opts_value(o, "init"), .device = opts_value(o, "device"),
            .sums = sums, .n_sums = n_sums,
            .job = job, .root_dir = root, .cache = dir ? &cache : NULL,
            .attempt = (int)n->attempt, .out = stdout, .stop = &stop,
            .checkpoints = opts_value(o, "checkpoints"),
            .resume = opts_value(o, "resume"), .recorded = (int)n->recorded,
        });
    while (n_sums > 0)
        free(sums[--n_sums].file);
    free(sums);
    job_free(job);
    free(root);
    free(dir);
    return rc;
}

// Threads that wait for each other must not spin for long: on a machine that
// does other work too they would take their own partner's core (measured with
// two cores and six busy programs: 3 images/s by libgomp's own rule, 22 when
// they sleep at once). 10000 turns, some tenths of a millisecond, cost little
// there and bring 10 % on two free cores. libgomp reads its policy before
// main(), hence the second exec; by the program's path, since top would show
// "exe" otherwise.
static void wait_without_spinning(char **argv)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0 || getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    path[n] = 0;
    setenv("GOMP_SPINCOUNT", "10000", 1);
    execv(path, argv);                  // on failure: go on, only slower
}

int main(int argc, char **argv)
{
    wait_without_spinning(argv);

    struct opts o;
    struct error err = { 0 };
    struct numbers n;
    int rc;

    standard_hold();
    rc = opts_parse(&o, worker_options, n_worker_options, argc, argv, &err);

    if (!rc)
        rc = read_numbers(&o, &n, &err);
    if (!rc && o.n_words)
        rc = fail(&err, ERR_USAGE, "unexpected \"%s\": the job spec is read "
                  "from standard input", o.words[0]);
    catch_signals();
    if (rc) {
        rc = opts_refuse(program, &err);
    } else if (opts_given(&o, "help")) {
        fputs(intro, stdout);
        opts_help(stdout, worker_options, n_worker_options);
    } else if (opts_given(&o, "version")) {
        printf("%s %s\n", program, GRADWATCH_VERSION);
    } else if (opts_given(&o, "probe")) {
        rc = probe();
    } else {
        // The signal comes when the thread that started us ends, not only
        // when its process does.
        if (opts_given(&o, "die-with-parent"))
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        rc = train(&o, &n);
    }
    opts_free(&o);
    return rc;
}
