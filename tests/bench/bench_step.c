/* tests/bench/bench_step.c: images per second of training steps on the CPU
 * backend, input resident; one line of JSON.
 *
 * bench_step [--arch resnet50] [--skip] [--width 1] [--size 64] [--batch 16]
 *            [--record[=QUANTITIES]] [--paired] [--warmup 5] [--steps 30]
 *            [--threads 0]
 * --record taps the gradient at every layer's output, as a job does; or what
 * else a job may record (docs/quantities.md): --record=grad_out,update, or all.
 * --paired makes each step twice, with the taps and by a plan that shares the
 * weights and has none: record_cost is what the lower quartiles of their
 * processor times differ by, as a share of a step without. What other programs
 * do only ever adds to a time. tap_share is what the backend itself says:
 * passes for taps alone, not what others take along.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/clock.h"
#include "common/mem.h"
#include "common/rng.h"
#include "model/init.h"
#include "model/nets.h"
#include "worker/taps.h"

struct args {
    const char *arch;
    double      width;
    const char *record;                 // NULL = nothing
    int         skip, paired, size, batch, warmup, steps, threads;
};

static struct args parse(int argc, char **argv)
{
    struct args a = { .arch = "resnet50", .width = 1, .size = 64, .batch = 16,
                      .warmup = 5, .steps = 30 };
    const struct option options[] = {
        { "arch", required_argument, NULL, 'a' },
        { "skip", no_argument, &a.skip, 1 },
        { "record", optional_argument, NULL, 'r' },
        { "paired", no_argument, &a.paired, 1 },
        { "width", required_argument, NULL, 'W' },
        { "size", required_argument, NULL, 's' },
        { "batch", required_argument, NULL, 'b' },
        { "warmup", required_argument, NULL, 'w' },
        { "steps", required_argument, NULL, 'n' },
        { "threads", required_argument, NULL, 't' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
        switch (c) {
        case 'a': a.arch = optarg; break;
        case 'r': a.record = optarg ? optarg : "grad_out"; break;
        case 'W': a.width = atof(optarg); break;
        case 's': a.size = atoi(optarg); break;
        case 'b': a.batch = atoi(optarg); break;
        case 'w': a.warmup = atoi(optarg); break;
        case 'n': a.steps = atoi(optarg); break;
        case 't': a.threads = atoi(optarg); break;
        case 0: break;
        default: exit(2);
        }
    if (optind < argc || a.steps < 1 || a.size < 8 || a.batch < 1) {
        fprintf(stderr, "usage: see the head of bench_step.c\n");
        exit(2);
    }
    return a;
}

static void die(const struct error *err)
{
    fprintf(stderr, "bench_step: %s\n", err->text);
    exit(1);
}

// Taps what a job with these quantities would.
static void record(struct graph *g, const char *quantities)
{
    struct job job = { .record = { .layers = { xstrdup("all") },
                                   .n_layers = 1, .layers_word = true } };
    bool all = !strcmp(quantities, "all");
    char *list = xstrdup(quantities), *rest = list, *word;
    struct taps taps;
    json_t *problems;

    while (!all && (word = strsep(&rest, ",")))
        job.record.quantities |= job_quantity_bits(word);
    if (all)
        job.record.quantities = (1u << QUANTITY_COUNT) - 1;
    if (!job.record.quantities || taps_select(&job, g, &taps, &problems)) {
        fprintf(stderr, "bench_step: nothing to record in %s\n", quantities);
        exit(2);
    }
    free(taps_apply(&taps, g));
    taps_clear(&taps);
    free(job.record.layers[0]);
    free(list);
}

static struct graph *build(const struct args *a, const char *quantities)
{
    struct error err = { 0 };
    struct net_opts o = { .arch = a->arch, .norm = NORM_BATCH,
        .start = START_PYTORCH, .width = a->width, .classes = 200,
        .batch = a->batch, .image_size = a->size,
        .input = { .mean = { 0.485, 0.456, 0.406 },
                   .std = { 0.229, 0.224, 0.225 } } };

    for (int i = 0; i < JOB_STAGES; i++)
        o.skip[i] = a->skip;
    struct graph *g = net_build(&o, &err);
    if (!g)
        die(&err);
    if (quantities)
        record(g, quantities);
    return g;
}

static void fill(struct slot *s, const struct graph *g)
{
    int64_t bytes = graph_elements(g, g->input);

    for (int64_t i = 0; i < bytes; i++)
        s->pixels[i] = (uint8_t)rng_bits(1, 65536, (uint64_t)i);
    for (int i = 0; i < graph_shape(g, g->input).n; i++)
        s->labels[i] = (int32_t)(rng_bits(1, 131072, (uint64_t)i) % 200);
}

static struct result step(struct plan *p)
{
    struct error err = { 0 };
    struct result r = { .taps = xcalloc((size_t)p->graph->n_taps + 1,
                                        sizeof(double)) };

    // The rate keeps the loss finite: infinities would change the speed.
    if (p->backend->submit(p, 0, MODE_TRAIN, 1e-4, &err) ||
        p->backend->collect(p, &r, &err))
        die(&err);
    free(r.taps);
    return r;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// Of n numbers, which it sorts.
static double quantile(double *x, int n, double q)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[(int)(q * n)];
}

// Processor time, in seconds, of a step.
static double processor(struct plan *p)
{
    struct timespec a, b;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    step(p);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) +
           1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

// What the taps of p cost, as a share of a step without.
static double cost_of(const struct args *a, struct plan *p,
                      const struct plan_opts *o)
{
    struct graph *g = build(a, NULL);
    struct error err = { 0 };
    struct plan *plain;
    double *less = xcalloc((size_t)a->steps, sizeof *less);
    double *more = xcalloc((size_t)a->steps, sizeof *more);

    if (backend_cpu.compile(g, o, p, &plain, &err))
        die(&err);
    fill(backend_cpu.slot(plain, 0), g);
    step(plain);
    for (int i = 0; i < a->steps; i++) {
        more[i] = processor(p);
        less[i] = processor(plain);
    }
    double cost = quantile(more, a->steps, 0.25) /
                  quantile(less, a->steps, 0.25) - 1;
    backend_cpu.destroy(plain);
    graph_free(g);
    free(less), free(more);
    return cost;
}

int main(int argc, char **argv)
{
    struct args a = parse(argc, argv);
    struct error err = { 0 };
    struct graph *g = build(&a, a.record);
    struct plan_opts o = { .slots = 1, .threads = a.threads,
                           .optim = { .kind = OPTIM_SGD, .momentum = 0.9 } };
    struct plan *p;
    double *seconds = xcalloc((size_t)a.steps, sizeof *seconds), taps = 0;
    struct result r = { 0 };

    double start = clock_seconds();
    if (backend_cpu.compile(g, &o, NULL, &p, &err) || init_plan(p, 0, &err))
        die(&err);
    double compile = clock_seconds() - start;
    fill(backend_cpu.slot(p, 0), g);
    for (int i = 0; i < a.warmup; i++)
        step(p);
    double sum = 0;
    for (int i = 0; i < a.steps; i++) {
        start = clock_seconds();
        r = step(p);
        seconds[i] = clock_seconds() - start;
        sum += seconds[i];
        taps += r.tap_millis / 1e3;
    }
    double cost = a.paired ? cost_of(&a, p, &o) : 0;
    double typical = quantile(seconds, a.steps, 0.5);
    printf("{\"program\": \"gradwatch\", \"arch\": \"%s\", \"skip\": %s, "
           "\"size\": %d, \"batch\": %d, \"record\": \"%s\", \"threads\": %d, "
           "\"images_per_second\": %.2f, \"mean_images_per_second\": %.2f, "
           "\"step_millis\": %.2f, \"tap_share\": %.4f, "
           "\"record_cost\": %.4f, "
           "\"compile_seconds\": %.2f, \"bytes\": %zu, \"loss\": %.4f}\n",
           a.arch, a.skip ? "true" : "false", a.size, a.batch,
           a.record ? a.record : "", p->opts.threads, a.batch / typical,
           a.batch * a.steps / sum, 1e3 * typical, taps / sum, cost, compile,
           p->bytes, r.loss);
    backend_cpu.destroy(p);
    graph_free(g);
    free(seconds);
    return 0;
}
