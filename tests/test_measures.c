/* Activations, updates and skips against PyTorch's float64:
 * tests/dumps/measures_*, written by tests/torch_measures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "model/nets.h"
#include "tests/dump.h"
#include "tests/steps.h"

enum { INPUTS = 65536, LABELS = 131072 };       // streams, as torch_dump.py's

struct subject_case {
    const char           *name;
    const struct backend *backend;
    int                   steps;                // that are held to the bounds
    double                act, zeros, change;   // relative; absolute; relative
    double                part;                 // of gradients; relative
};

static double number(const json_t *about, const char *key)
{
    const json_t *v = json_object_get(about, key);

    assert_true(json_is_number(v));
    return json_number_value(v);
}

static const char *word(const json_t *about, const char *key)
{
    return json_string_value(json_object_get(about, key));
}

// Taps: three for every relu, one for every used parameter, then two for every
// block with an identity skip: its branch's part and its skip's; at last one
// for every layer: its images' gradients.
static struct graph *build(const json_t *about, int batch)
{
    struct net_opts o = {
        .arch = word(about, "arch"), .width = number(about, "width"),
        .classes = (int)number(about, "classes"), .batch = batch,
        .image_size = (int)number(about, "image_size"),
        .norm = strcmp(word(about, "norm"), "none") ? NORM_BATCH : NORM_NONE,
    };
    struct error err = { 0 };

    for (size_t i = 0; i < JOB_STAGES; i++)
        o.skip[i] = json_is_true(json_array_get(json_object_get(about, "skip"),
                                                i));
    struct graph *g = net_build(&o, &err);
    check(g ? 0 : err.code, &err);
    for (int i = 0; i < g->n_nodes; i++)
        for (int m = MEASURE_MEAN; m <= MEASURE_ZEROS; m++)
            if (g->nodes[i].op == OP_RELU)
                graph_tap_as(g, g->nodes[i].out, (enum measure)m);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && g->values[v].used)
            graph_tap_as(g, v, MEASURE_CHANGE);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        if (n->op != OP_ADD || graph_branch(g, n->in[1]) < 0)
            continue;
        graph_tap_as(g, n->in[1], MEASURE_BRANCH);
        graph_tap(g, n->in[0], SIDE_GRAD);
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (graph_is_layer(g, i))
            graph_tap_as(g, g->nodes[i].out, MEASURE_SAMPLES);
    return g;
}

static struct optim optim_of(const json_t *about)
{
    bool sgd = !strcmp(word(about, "optimizer"), "sgd");

    return (struct optim){ .kind = sgd ? OPTIM_SGD : OPTIM_ADAMW,
        .momentum = number(about, "momentum"), .eps = 1e-8,
        .weight_decay = number(about, "weight_decay"),
        .beta1 = 0.9, .beta2 = 0.999 };
}

static void run_step(struct plan *plan, const json_t *about, int t,
                     double *taps)
{
    const struct graph *g = plan->graph;
    uint64_t seed = (uint64_t)number(about, "seed");
    int64_t n = graph_elements(g, g->input);
    float *x = xcalloc((size_t)n, sizeof *x);
    int32_t labels[16];

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(rng_unit(seed, INPUTS + (uint64_t)t, (uint64_t)i) *
                       sqrt(3.0));
    for (int i = 0; i < graph_shape(g, g->input).n; i++)
        labels[i] = (int32_t)(
            rng_bits(seed, LABELS + (uint64_t)t, (uint64_t)i) %
            (uint64_t)number(about, "classes"));
    step(plan, MODE_TRAIN, number(about, "lr"), x, labels, taps);
    free(x);
}

static void relative(double is, double want, double bound, const char *what)
{
    if (!(fabs(is - want) <= bound * fabs(want)))
        fail_msg("%s is %.12g, not %.12g", what, is, want);
}

// A bias in front of a norm is moved by rounding errors, which Adam makes as
// large as everything else.
static bool is_noise(const struct graph *g, val v)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == OP_NORM) {
            const struct value *x = &g->values[g->nodes[i].in[0]];
            if (g->nodes[x->producer].param[1] == v)
                return true;
        }
    return false;
}

static void compare(const struct subject_case *c, const struct graph *g,
                    const json_t *want, const double *taps)
{
    const json_t *act = json_object_get(want, "act");
    const json_t *change = json_object_get(want, "change");
    const json_t *branch = json_object_get(want, "branch");
    const json_t *samples = json_object_get(want, "samples");
    size_t n = json_array_size(act), changes = json_array_size(change);
    const char *block;
    json_t *ways;

    assert_int_equal(g->n_taps, 3 * n + changes + 2 * json_object_size(branch) +
                     json_array_size(samples));
    for (size_t i = 0; i < n; i++, taps += 3) {
        const json_t *row = json_array_get(act, i);
        const char *name = g->values[g->taps[3 * i].value].name;
        double at[3];

        for (size_t k = 0; k < 3; k++)
            at[k] = json_number_value(json_array_get(row, k));
        relative(taps[0], at[0], c->act, name);
        relative(taps[1], at[1], c->act, name);
        close_to(taps[2], at[2], c->zeros);
    }
    for (size_t i = 0; i < changes; i++) {
        val v = g->taps[3 * n + i].value;
        if (!is_noise(g, v))
            relative(taps[i], json_number_value(json_array_get(change, i)),
                     c->change, g->values[v].name);
    }
    taps += changes;
    json_object_foreach((json_t *)branch, block, ways)
        for (size_t k = 0; k < 2; k++)
            relative(*taps++, json_number_value(json_array_get(ways, k)),
                     c->part, block);
    for (size_t i = 0; i < json_array_size(samples); i++)
        relative(*taps++, json_number_value(json_array_get(samples, i)),
                 c->part, "an image's gradient");
}

static void test_measures(void **state)
{
    const struct subject_case *c = *state;
    char *file = xasprintf("measures_%s.json", c->name);
    char *path = dump_path(file);
    json_t *dump = json_load_file(path, 0, NULL);
    const json_t *about = json_object_get(dump, "case");
    const json_t *batches = json_object_get(about, "batches");
    struct graph *graphs[2] = { 0 };
    struct plan *plans[2] = { 0 };
    int parts = 0;

    assert_non_null(dump);
    for (int t = 0; t < c->steps; t++) {
        int batch = (int)json_integer_value(json_array_get(batches, (size_t)t));
        if (!parts || graph_shape(graphs[parts - 1], 0).n != batch) {
            struct plan_opts o = { .slots = 1, .threads = 2,
                                   .optim = optim_of(about) };
            struct error err = { 0 };
            graphs[parts] = build(about, batch);
            check(c->backend->compile(graphs[parts], &o, plans[0],
                                      &plans[parts], &err), &err);
            if (!parts++)
                check(init_plan(plans[0], (uint64_t)number(about, "seed"),
                                &err), &err);
        }
        const struct graph *g = graphs[parts - 1];
        double *taps = xcalloc((size_t)g->n_taps, sizeof *taps);
        run_step(plans[parts - 1], about, t, taps);
        compare(c, g, json_array_get(json_object_get(dump, "steps"),
                                     (size_t)t), taps);
        free(taps);
    }
    for (int i = parts - 1; i >= 0; i--) {
        c->backend->destroy(plans[i]);
        graph_free(graphs[i]);
    }
    json_decref(dump);
    free(path);
    free(file);
}

#define CASE(on, case_, ...)                                                   \
    { "measures of " #case_ " on " #on, test_measures, NULL, NULL,             \
      &(struct subject_case){ #case_, &backend_##on, __VA_ARGS__ } }

int main(void)
{
    // In double sums differ by their order, fifty batch norms amplify that, and
    // Adam more so: its first steps are signs of gradients. In float32 the
    // first step is off by 1e-7 a layer, and an element near 0 may change
    // sides, one of the smallest layer's 64. An update as small as a vgg's is
    // rounded with the weight it is added to: a few 1e-2 of it; the bottleneck
    // net's without norms is lost in it.
    const struct CMUnitTest tests[] = {
        CASE(reference, sgd, 3, 1e-9, 1e-9, 1e-6, 1e-6),
        CASE(reference, adamw, 2, 1e-6, 1e-6, 1e-4, 1e-3),
        CASE(reference, bottleneck, 3, 1e-9, 1e-9, 1e-9, 1e-9),
        CASE(reference, vgg, 3, 1e-9, 1e-9, 1e-9, 1e-9),
        CASE(cpu, sgd, 1, 1e-4, 0.02, 1e-3, 1e-3),
        CASE(cpu, bottleneck, 3, 1e-4, 0.02, INFINITY, 1e-3),
        CASE(cpu, vgg, 3, 1e-4, 0.02, 5e-2, 1e-3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
