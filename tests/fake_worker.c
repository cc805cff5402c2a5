/* A worker that trains nothing: it reads a spec like gradwatch-train, and says
 * what the job's name tells it to. Any other name is a run that goes well.
 *
 *   crash     dies by a signal after its first epoch
 *   exit      exits with 9, with last words on stderr
 *   garbage   prints something that is no JSON
 *   giant     prints a line longer than any line may be
 *   unknown   an event of a type that there is none
 *   disorder  begins with epoch 2
 *   stamped   says what its seq is, which is not its affair
 *   return    has a carriage return between members
 *   fail      a failed event
 *   diverge   ends as diverged
 *   hang      starts and waits for SIGTERM, which it obeys
 *   again     hangs at the first attempt, goes well at the next
 *   deaf      starts and ignores SIGTERM
 *   stubborn  the same, and does not die with its daemon
 *   flood     live events until SIGTERM
 *   family    ends well, but leaves a child that would go on
 *   open      tells on stderr which descriptors are open
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/event.h"
#include "common/hist.h"
#include "common/job.h"
#include "common/mem.h"

enum { STEPS = 4 };

static volatile sig_atomic_t stop;
static int gpu = -1;            // that it was told to use; -1 = none

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

static void say(json_t *event)
{
    if (event_write(stdout, event, NULL) != 0)
        exit(1);
}

// Numbers that a test can foresee: epoch e has the values e * 1e-3 * 1..STEPS.
static json_t *record(int epoch)
{
    json_t *samples = json_array(), *steps = json_array(), *hists;
    struct hist hist[GRID_COUNT] = { 0 };

    hists = json_object();
    for (int g = 0; g < GRID_COUNT; g++) {
        hist[g].grid = (enum grid)g;
        for (int i = 1; i <= STEPS; i++)
            hist_add(&hist[g], epoch * 1e-3 * i);
        json_object_set_new(hists, grid_name((enum grid)g),
                            hist_to_json(&hist[g]));
    }
    for (int i = 1; i <= STEPS; i++) {
        json_array_append_new(samples, json_real(epoch * 1e-3 * i));
        json_array_append_new(steps, json_integer(i - 1));
    }
    return json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f,"
        " s:o, s:o, s:o}", "count", STEPS, "nonfinite", 0, "zeros", 0,
        "min", epoch * 1e-3, "p05", epoch * 1.15e-3, "p25", epoch * 1.75e-3,
        "median", epoch * 2.5e-3, "p75", epoch * 3.25e-3,
        "p95", epoch * 3.85e-3, "max", epoch * 4e-3, "mean", epoch * 2.5e-3,
        "samples", samples, "sample_steps", steps, "hist", hists);
}

static json_t *quantities(int epoch)
{
    return json_pack("{s:{s:o, s:o}}", "grad_out", "conv1", record(epoch),
                     "fc", record(epoch));
}

static void say_started(const json_t *spec, int attempt)
{
    json_t *e = event_new("started");

    json_object_update_new(e, json_pack(
        "{s:i, s:{s:s, s:i, s:s}, s:O, s:i, s:i, s:i, s:{s:i, s:i}, s:i,"
        " s:[{s:s, s:i, s:b, s:[iiii]}, {s:s, s:i, s:b, s:[iiii]}]}",
        "attempt", attempt, "device", "backend", gpu < 0 ? "cpu" : "cuda",
        "index", gpu < 0 ? 0 : gpu, "name", "a machine", "spec", spec,
        "classes", 10, "images", 16 * STEPS,
        "steps_per_epoch", STEPS, "parameters", "held", 200, "used", 100,
        "memory_bytes", 4096, "layers",
        "name", "conv1", "depth", 1, "main", 1, "shape", 16, 8, 4, 4,
        "name", "fc", "depth", 1, "main", 0, "shape", 16, 10, 1, 1));
    say(e);
}

// Its guess of the time it takes is never the same twice.
static void say_live(int epoch, int epochs)
{
    static int n;
    json_t *e = event_new("live");

    json_object_update_new(e, json_pack(
        "{s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:o}", "epoch", epoch,
        "epochs", epochs, "step", 1, "steps_per_epoch", STEPS,
        "images_per_second", 100.0, "loss", 2.0, "accuracy", 0.25,
        "eta_seconds", 3600.0 + 20 * (n++ % 2),
        "quantities", quantities(epoch)));
    say(e);
}

static void say_epoch(int epoch)
{
    json_t *e = event_new("epoch");

    json_object_update_new(e, json_pack(
        "{s:i, s:b, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:i, s:o}",
        "epoch", epoch, "complete", 1, "steps", STEPS, "images", 16 * STEPS,
        "loss", 2.0 / epoch, "accuracy", 0.5, "images_per_second", 100.0,
        "duration_seconds", 0.5, "recording_share", 0.01,
        "nonfinite_steps", 0, "quantities", quantities(epoch)));
    say(e);
}

static void say_finished(const char *state)
{
    json_t *e = event_new("finished");

    json_object_update_new(e, json_pack("{s:s, s:i, s:f}", "state", state,
                                        "epochs", 1, "duration_seconds", 1.0));
    if (!strcmp(state, "diverged"))
        json_object_set_new(e, "reason", json_string("the loss is not finite"));
    say(e);
}

static void say_failed(void)
{
    json_t *e = event_new("failed");

    json_object_set_new(e, "error", json_pack("{s:s, s:s}", "code", "data",
                                              "message", "no images here"));
    say(e);
}

static void giant(void)
{
    static char text[1 << 20];

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 17; i++)
        fwrite(text, 1, sizeof text, stdout);
    puts("");
}

static void tell_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");

    for (struct dirent *d; (d = readdir(dir)); )
        if (d->d_name[0] != '.' && atoi(d->d_name) != dirfd(dir))
            fprintf(stderr, "open: %s\n", d->d_name);
    closedir(dir);
}

// A child that holds the pipes open for ever, if nobody ends it.
static void leave_child(void)
{
    if (fork() == 0)
        for (;;)
            pause();
}

static void wait_for_stop(void)
{
    sigset_t none;

    sigemptyset(&none);
    while (!stop)
        sigsuspend(&none);
}

// What comes after `started` and a first epoch; true if the job is over.
static bool misbehave(const char *name)
{
    static const char time[] = "\"time\":\"2026-01-01T00:00:00.000Z\"";

    if (!strcmp(name, "crash")) {
        fprintf(stderr, "about to crash\n");
        signal(SIGSEGV, SIG_DFL);       // whatever a sanitizer made of it
        raise(SIGSEGV);
    } else if (!strcmp(name, "exit")) {
        fprintf(stderr, "no space for \"quotes\" and \xff bytes\n");
        exit(9);
    } else if (!strcmp(name, "garbage")) {
        puts("Segmentation fault");
    } else if (!strcmp(name, "giant")) {
        giant();
    } else if (!strcmp(name, "unknown")) {
        printf("{\"type\":\"surprise\",%s}\n", time);
    } else if (!strcmp(name, "disorder")) {
        say_epoch(3);
    } else if (!strcmp(name, "stamped")) {
        printf("{\"seq\":1,\"type\":\"warning\",%s}\n", time);
    } else if (!strcmp(name, "return")) {
        printf("{\"type\":\"warning\",\r%s}\n", time);
    } else if (!strcmp(name, "fail")) {
        say_failed();
    } else if (!strcmp(name, "diverge")) {
        say_finished("diverged");
    } else {
        return false;
    }
    fflush(stdout);
    return true;
}

static bool is_deaf(const char *name)
{
    return !strcmp(name, "deaf") || !strcmp(name, "stubborn");
}

static void run(const char *name, int epochs, int attempt)
{
    bool again = !strcmp(name, "again");
    bool waits = !strcmp(name, "hang") || is_deaf(name) ||
                 (again && attempt == 1);

    if (again)
        fprintf(stderr, "attempt %d\n", attempt);

    if (!strcmp(name, "open"))
        tell_descriptors();
    if (!strcmp(name, "family"))
        leave_child();
    if (waits)
        wait_for_stop();
    while (!strcmp(name, "flood") && !stop)
        say_live(1, epochs);
    for (int e = 1; e <= epochs && !stop; e++) {
        say_live(e, epochs);
        say_epoch(e);
        if (misbehave(name))
            return;
    }
    if (stop)
        say(event_new("cancelled"));
    else
        say_finished("done");
}

static json_t *device(const char *backend, int i, const char *name)
{
    return json_pack("{s:s, s:i, s:s, s:i, s:i}", "backend", backend, "index",
                     i, "name", name, "bytes_total", 2 << 20, "bytes_free",
                     1 << 20);
}

// A CPU, and as many GPUs as the environment says.
static void probe(void)
{
    const char *gpus = getenv("FAKE_GPUS");
    json_t *devices = json_array();

    for (int i = 0; i < (gpus ? atoi(gpus) : 0); i++)
        json_array_append_new(devices, device("cuda", i, "a card"));
    json_array_append_new(devices, device("cpu", 0, "a machine"));
    json_t *found = json_pack("{s:o, s:[]}", "devices", devices, "notes");
    char *text = event_text(found);
    puts(text);
    free(text);
    json_decref(found);
}

int main(int argc, char **argv)
{
    static char text[1 << 20];
    int attempt = 1;
    sigset_t term;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--probe")) {
            probe();
            return 0;
        }
        if (!strcmp(argv[i], "--device") && !strncmp(argv[i + 1], "cuda:", 5))
            gpu = atoi(argv[i + 1] + 5);
        if (!strcmp(argv[i], "--attempt"))
            attempt = atoi(argv[i + 1]);
    }
    size_t n = fread(text, 1, sizeof text, stdin);
    json_t *spec = json_loadb(text, n, 0, NULL);
    const char *name = json_string_value(json_object_get(spec, "name"));
    json_t *epochs = json_object_get(json_object_get(spec, "train"), "epochs");

    // Blocked but in wait_for_stop(), so that none is missed.
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    signal(SIGTERM, is_deaf(name) ? SIG_IGN : on_term);
    if (!strcmp(name, "stubborn"))
        prctl(PR_SET_PDEATHSIG, 0);
    if (!strcmp(name, "hang") || !strcmp(name, "again"))
        sigprocmask(SIG_BLOCK, &term, NULL);
    say_started(spec, attempt);
    run(name, (int)json_integer_value(epochs), attempt);
    json_decref(spec);
    return stop ? 3 : 0;
}
