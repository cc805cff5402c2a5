/* Probes: against PyTorch (tests/dumps/probe_*, written by
 * tests/torch_probe.py), and that a run does not notice them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "common/event.h"
#include "model/nets.h"
#include "program.h"
#include "tests/dump.h"
#include "tests/steps.h"
#include "worker/probe.h"

#ifndef DEVICE
#define DEVICE "cpu"
#define SIDE "32"
#else
#define SIDE "16"                       // where threads are fibers
#endif

enum { INPUTS = 65536, LABELS = 131072, MOST = 8 };   // as torch_dump.py's

struct subject_case {
    const char           *name;
    const struct backend *backend;
    double                bound;        // of cosines; of snr, relative
};

static double number(const json_t *about, const char *key)
{
    return json_number_value(json_object_get(about, key));
}

static struct graph *build(const json_t *about, int batch)
{
    const char *norm = json_string_value(json_object_get(about, "norm"));
    struct net_opts o = {
        .arch = json_string_value(json_object_get(about, "arch")),
        .width = number(about, "width"),
        .classes = (int)number(about, "classes"), .batch = batch,
        .image_size = (int)number(about, "image_size"),
        .norm = strcmp(norm, "none") ? NORM_BATCH : NORM_NONE,
    };
    struct error err = { 0 };

    for (size_t i = 0; i < JOB_STAGES; i++)
        o.skip[i] = json_is_true(json_array_get(json_object_get(about, "skip"),
                                                i));
    struct graph *g = net_build(&o, &err);
    check(g ? 0 : err.code, &err);
    return g;
}

static void test_against_torch(void **state)
{
    const struct subject_case *c = *state;
    char *file = xasprintf("probe_%s.json", c->name), *path = dump_path(file);
    json_t *dump = json_load_file(path, 0, NULL), *about, *layers, *want;
    about = json_object_get(dump, "case");
    layers = json_object_get(dump, "layers");
    int n = (int)json_integer_value(json_array_get(
        json_object_get(about, "batches"), 0));
    struct graph *g = build(about, n);
    struct plan_opts o = { .slots = 1, .threads = 1,
                           .optim = { .kind = OPTIM_SGD } };
    struct plan *plan = NULL;
    struct error err = { 0 };
    check(c->backend->compile(g, &o, NULL, &plan, &err), &err);
    check(init_plan(plan, (uint64_t)number(about, "seed"), &err), &err);

    int64_t size = graph_elements(g, g->input);
    float *x = xcalloc((size_t)size, sizeof *x);
    int32_t labels[MOST];
    for (int64_t i = 0; i < size; i++)
        x[i] = (float)(rng_unit(0, INPUTS, (uint64_t)i) * sqrt(3.0));
    for (int i = 0; i < n; i++)
        labels[i] = (int32_t)(rng_bits(0, LABELS, (uint64_t)i) %
                              (uint64_t)number(about, "classes"));
    c->backend->slot(plan, 0)->values = x;

    size_t n_layers = json_object_size(layers);
    val *weights = xcalloc(n_layers, sizeof *weights);
    struct probe_numbers *got = xcalloc(n_layers, sizeof *got);
    const char *name;
    double loss;
    int i = 0;
    json_object_foreach(layers, name, want)
        weights[i++] = named(plan, name);
    struct probe *p = probe_new(plan, labels, weights, i);
    check(probe_take(p, NULL, NULL, got, &loss, &err), &err);
    close_to(loss, number(dump, "loss"), c->bound);
    i = 0;
    json_object_foreach(layers, name, want) {
        double at[3];
        for (size_t k = 0; k < 3; k++)
            at[k] = json_number_value(json_array_get(want, k));
        close_to(got[i].cosine, at[0], c->bound);
        close_to(got[i].confusion, at[1], c->bound);
        close_to(got[i].snr, at[2], c->bound * (1 + fabs(at[2])));
        i++;
    }
    probe_free(p);
    c->backend->destroy(plan);
    graph_free(g);
    free(got), free(weights), free(x);
    json_decref(dump);
    free(path), free(file);
}

// ---- a run ---------------------------------------------------------------

// 12 images in batches of 4, four of them held out: running statistics show in
// the validation loss. All in float32 by one thread, so that numbers repeat.
#define SPEC(probe)                                                            \
    "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625,\"skip\":true},"       \
    "\"data\":{\"image_size\":" SIDE ",\"augment\":\"crop-flip\","             \
    "\"validation\":0.25,\"synthetic\":{\"classes\":4,\"images\":16,"          \
    "\"size\":" SIDE "}},\"device\":\"" DEVICE "\",\"train\":{\"epochs\":2,"   \
    "\"batch\":4},"                                                            \
    "\"record\":{\"layers\":[\"conv1\",\"fc\"]" probe "}}"

static json_t *run(const char *spec)
{
    json_t *events;

    assert_int_equal(program_run(spec, NULL, &events), 0);
    return events;
}

static const char *type_of(const json_t *event)
{
    return json_string_value(json_object_get(event, "type"));
}

// The epoch's event without what depends on the clock. Caller owns.
static char *epoch_text(const json_t *events, int epoch)
{
    static const char *const timed[] = { "time", "images_per_second",
        "duration_seconds", "recording_share", "probe_seconds" };
    size_t i;
    json_t *e;

    json_array_foreach(events, i, e) {
        if (strcmp(type_of(e), "epoch") ||
            json_integer_value(json_object_get(e, "epoch")) != epoch)
            continue;
        json_t *copy = json_deep_copy(e);
        for (size_t k = 0; k < sizeof timed / sizeof *timed; k++)
            json_object_del(copy, timed[k]);
        char *text = event_text(copy);
        json_decref(copy);
        return text;
    }
    fail_msg("no epoch %d", epoch);
    return NULL;
}

static void a_run_does_not_notice_probes(void **state)
{
    (void)state;
    json_t *without = run(SPEC("")), *with = run(SPEC(",\"probe\":[0,1,4],"
                                                      "\"probe_images\":3"));

    for (int epoch = 1; epoch <= 2; epoch++) {
        char *a = epoch_text(without, epoch), *b = epoch_text(with, epoch);
        assert_non_null(strstr(a, "\"validation\""));
        assert_string_equal(a, b);
        free(a), free(b);
    }
    json_decref(without);
    json_decref(with);
}

static void probes_come_when_they_were_asked_for(void **state)
{
    (void)state;
    static const struct { const char *spec; int steps[4], n; } rows[] = {
        { SPEC(",\"probe\":[4,1]"), { 1, 4 }, 2 },
        { SPEC(",\"probe\":\"epochs\""), { 0, 3 }, 2 },
        { SPEC(",\"probe\":[99]"), { 0 }, 0 },
    };

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        json_t *events = run(rows[r].spec), *e, *costly = NULL;
        int n = 0;
        size_t i;

        json_array_foreach(events, i, e) {
            if (!strcmp(type_of(e), "epoch"))
                costly = json_object_get(e, "probe_seconds");
            if (strcmp(type_of(e), "probe"))
                continue;
            assert_true(n < rows[r].n);
            assert_int_equal(number(e, "step"), rows[r].steps[n++]);
            assert_int_equal(number(e, "epoch"), number(e, "step") < 3 ? 1 : 2);
            assert_int_equal(json_object_size(json_object_get(e, "layers")), 2);
            assert_true(number(e, "seconds") > 0);
        }
        assert_int_equal(n, rows[r].n);
        assert_true(!costly == !n);
        json_decref(events);
    }
}

#define CASE(on, case_, bound)                                                 \
    { "probe of " #case_ " on " #on, test_against_torch, NULL, NULL,           \
      &(struct subject_case){ #case_, &backend_##on, bound } }

int main(void)
{
    // Gradients are read as float32; the CPU's sums in float32 are off by 1e-5
    // behind eighteen norms, of gradients that nearly cancel.
    const struct CMUnitTest tests[] = {
        CASE(reference, norm, 1e-6),
        CASE(reference, plain, 1e-6),
        CASE(cpu, norm, 2e-3),
        CASE(cpu, plain, 1e-4),
        cmocka_unit_test(a_run_does_not_notice_probes),
        cmocka_unit_test(probes_come_when_they_were_asked_for),
    };
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
