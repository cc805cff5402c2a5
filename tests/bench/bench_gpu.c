/* tests/bench/bench_gpu.c: images per second of training steps on a card, data
 * resident, as many steps on their way as gradwatch-train has (worker/rig.h);
 * one line of JSON, which names the device.
 *
 * bench_gpu --module libgradwatch-cuda.so [--arch resnet50] [--skip]
 *           [--width 1] [--size 224] [--batch 16] [--precision tf32|bf16|f32]
 *           [--record none|six|all] [--images 4096] [--warmup 20]
 *           [--steps 200] [--device 0]
 *
 * A slot's step is captured when it is first taken: warming up takes each slot
 * once at least. Exit 77: no module, or no card.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/clock.h"
#include "common/mem.h"
#include "common/rng.h"
#include "model/init.h"
#include "model/nets.h"
#include "worker/rig.h"

enum { CLASSES = 200, MOST_DEVICES = 64 };

struct args {
    const char *module, *arch, *width, *precision, *record;
    int         skip, size, batch, images, warmup, steps, device;
};

struct bench {
    struct args           a;
    const struct backend *backend;
    struct graph         *graph;
    struct plan          *plan;
    struct rig            rig;          // slots, and how many steps ahead
    char                  name[64];     // the device's
    double               *taps;
    float                *millis;       // by step
    double                last_millis, tap_millis, loss, compile_seconds;
};

static void usage(void)
{
    fprintf(stderr, "usage: see the head of bench_gpu.c\n");
    exit(2);
}

static struct args parse(int argc, char **argv)
{
    struct args a = { .arch = "resnet50", .width = "1",
        .precision = "tf32", .record = "all", .size = 224, .batch = 16,
        .images = 4096, .warmup = 20, .steps = 200 };
    struct { const char *name; const char **text; int *number; } rows[] = {
        { "module", &a.module, NULL }, { "arch", &a.arch, NULL },
        { "width", &a.width, NULL },
        { "precision", &a.precision, NULL }, { "record", &a.record, NULL },
        { "size", NULL, &a.size }, { "batch", NULL, &a.batch },
        { "images", NULL, &a.images }, { "warmup", NULL, &a.warmup },
        { "steps", NULL, &a.steps }, { "device", NULL, &a.device },
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct option options[ROWS + 2] = { { "skip", no_argument, &a.skip, 1 } };
    int row = -1;

    for (int i = 0; i < ROWS; i++)
        options[i + 1] = (struct option){ rows[i].name, required_argument,
                                          NULL, 'a' + i };
    while ((row = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (row == 0)
            continue;
        if (row == '?')
            usage();
        if (rows[row - 'a'].text)
            *rows[row - 'a'].text = optarg;
        else
            *rows[row - 'a'].number = atoi(optarg);
    }
    if (optind < argc || !a.module || a.steps < 1 || a.batch < 1 ||
        a.images < a.batch)
        usage();
    return a;
}

static void check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench_gpu: %s\n", err->text);
        exit(1);
    }
}

static void open_module(struct bench *b)
{
    struct device_info info[MOST_DEVICES];
    void *module = dlopen(b->a.module, RTLD_NOW | RTLD_LOCAL);

    b->backend = module ? dlsym(module, "backend_cuda") : NULL;
    int n = b->backend ? b->backend->probe(info, MOST_DEVICES, -1) : 0;
    if (b->a.device < 0 || b->a.device >= n || n > MOST_DEVICES) {
        fprintf(stderr, "bench_gpu: %s\n",
                b->backend ? "no such GPU answers" : dlerror());
        exit(77);
    }
    memcpy(b->name, info[b->a.device].name, sizeof b->name);
}

static enum precision precision_of(const char *name)
{
    static const char *const names[] = { "f32", "tf32", "bf16" };

    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum precision)i;
    usage();
    return PREC_F32;
}

// The notebook's layers, or all, or none.
static bool recorded(const char *what, const char *layer)
{
    static const char *const six[] = { "conv1", "layer1.0.conv1",
        "layer2.0.conv2", "layer3.5.conv3", "layer4.2.conv1", "fc" };

    for (int i = 0; i < 6; i++)
        if (strcmp(what, "six") == 0 && strcmp(six[i], layer) == 0)
            return true;
    return strcmp(what, "all") == 0;
}

static struct graph *build(const struct args *a)
{
    struct error err = { 0 };
    struct net_opts o = { .arch = a->arch, .norm = NORM_BATCH,
        .start = START_PYTORCH, .width = atof(a->width), .classes = CLASSES,
        .batch = a->batch, .image_size = a->size,
        .skip = { a->skip, a->skip, a->skip, a->skip },
        .input = { .mean = { 0.485f, 0.456f, 0.406f },
                   .std = { 0.229f, 0.224f, 0.225f } } };
    struct graph *g = net_build(&o, &err);

    check(err.code, &err);
    for (int i = 0; i < g->n_nodes; i++) {
        val v = g->nodes[i].out;
        if (graph_is_layer(g, i) && recorded(a->record, g->values[v].name))
            graph_tap(g, v, SIDE_GRAD);
    }
    return g;
}

// Random bytes: with zeros cards run faster than they do in life.
static void reside(struct bench *b)
{
    size_t bytes = (size_t)b->a.images * (size_t)b->a.size *
                   (size_t)b->a.size * 3;
    uint8_t *pixels = xmalloc(bytes);
    struct images im = { pixels, NULL, b->a.images, b->a.size, b->a.size };
    struct error err = { 0 };

    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t bits = rng_bits(1, 65536, i);
        memcpy(pixels + i, &bits, bytes - i < 8 ? bytes - i : 8);
    }
    int held = b->backend->reside(b->plan, &im, &err);
    check(held, &err);
    if (!held) {
        fprintf(stderr, "bench_gpu: %d images do not fit\n", b->a.images);
        exit(1);
    }
    free(pixels);
}

static void open_plan(struct bench *b)
{
    b->rig = (struct rig){ .backend = b->backend,
        .ahead = rig_ahead(b->backend, b->a.size, b->a.batch) };
    b->rig.slots = b->rig.ahead + 2;
    if (b->a.warmup < b->rig.slots)
        b->a.warmup = b->rig.slots;
    struct plan_opts o = { .device = b->a.device, .slots = b->rig.slots,
        .precision = precision_of(b->a.precision),
        .optim = { .kind = OPTIM_SGD, .momentum = 0.9 } };
    struct error err = { 0 };
    double start = clock_seconds();

    check(b->backend->compile(b->graph, &o, NULL, &b->plan, &err), &err);
    b->compile_seconds = clock_seconds() - start;
    check(init_plan(b->plan, 0, &err), &err);
    reside(b);
}

static void submit(struct bench *b, int64_t step)
{
    int slot = (int)(step % b->rig.slots);
    struct slot *s = b->backend->slot(b->plan, slot);
    struct error err = { 0 };

    s->by_index = true;
    for (int i = 0; i < b->a.batch; i++) {
        uint64_t at = (uint64_t)(step * b->a.batch + i);
        s->index[i] = (int32_t)(rng_bits(2, 1, at) % (uint64_t)b->a.images);
        s->labels[i] = s->index[i] % CLASSES;
    }
    // The rate keeps the loss finite: infinities would change the speed.
    check(b->backend->submit(b->plan, slot, MODE_TRAIN, 1e-4, &err), &err);
}

static void collect(struct bench *b, int64_t step)
{
    struct result r = { .taps = b->taps };
    struct error err = { 0 };

    check(b->backend->collect(b->plan, &r, &err), &err);
    b->last_millis = r.millis;
    if (step < 0)
        return;
    b->millis[step] = r.millis;
    b->tap_millis += r.tap_millis;
    b->loss = r.loss;
}

// Seconds of n steps, the first numbered `from` (below 0: warming up), handed
// over and collected as an epoch's are (worker/epoch.c).
static double run(struct bench *b, int64_t from, int64_t n)
{
    double start = clock_seconds();
    int64_t base = from + b->a.warmup;  // slots take turns from 0
    int64_t given = 0, taken = 0;

    while (taken < n) {
        int lag = rig_lag(&b->rig, b->last_millis);
        bool give = given < n && given - taken <= lag;
        bool take = !give || given - taken >= lag;

        if (give)
            submit(b, base + given);
        if (take)
            collect(b, from + taken);
        given += give;
        taken += take;
    }
    return clock_seconds() - start;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct bench b = { .a = parse(argc, argv) };

    open_module(&b);
    b.graph = build(&b.a);
    b.taps = xcalloc((size_t)b.graph->n_taps + 1, sizeof *b.taps);
    b.millis = xcalloc((size_t)b.a.steps, sizeof *b.millis);
    open_plan(&b);
    run(&b, -b.a.warmup, b.a.warmup);
    double seconds = run(&b, 0, b.a.steps);
    double tap_millis = b.tap_millis / b.a.steps;
    qsort(b.millis, (size_t)b.a.steps, sizeof *b.millis, by_size);
    float median = b.millis[b.a.steps / 2];
    printf("{\"program\": \"gradwatch\", \"device\": \"%s\", "
           "\"arch\": \"%s\", \"width\": %s, \"skip\": %s, "
           "\"size\": %d, \"batch\": %d, \"precision\": \"%s\", "
           "\"record\": \"%s\", \"slots\": %d, \"ahead\": %d, "
           "\"images_per_second\": %.1f, "
           "\"step_millis\": %.4f, \"tap_millis\": %.4f, "
           "\"compile_seconds\": %.2f, \"bytes\": %zu, \"loss\": %.4f}\n",
           b.name, b.a.arch, b.a.width, b.a.skip ? "true" : "false",
           b.a.size, b.a.batch, b.a.precision, b.a.record, b.rig.slots,
           rig_lag(&b.rig, b.last_millis), b.a.batch * b.a.steps / seconds,
           (double)median, tap_millis, b.compile_seconds, b.plan->bytes,
           b.loss);
    b.backend->destroy(b.plan);
    graph_free(b.graph);
    free(b.taps);
    free(b.millis);
    return 0;
}
