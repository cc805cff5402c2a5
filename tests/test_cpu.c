/* The CPU backend on whole small networks: fusing and shared memory change
 * nothing, runs repeat bit for bit, modes and optimizers do what the seam
 * says, norms of the smallest gradients are not lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/nets.h"
#include "tests/steps.h"

enum { CLASSES = 10, BATCH = 6 };

static const struct plan_opts SGD = { .slots = 1, .threads = 2,
    .optim = { .kind = OPTIM_SGD, .momentum = 0.9 } };

struct net { const char *arch; bool skip; enum job_norm norm; };

static struct graph *build(struct net net, int batch)
{
    struct net_opts o = { .arch = net.arch, .norm = net.norm,
        .start = START_PYTORCH, .width = 0.125, .classes = CLASSES,
        .batch = batch, .image_size = 32,
        .input = { { 0.5, 0.5, 0.5 }, { 0.25, 0.25, 0.25 } } };
    struct error err = { 0 };

    for (int i = 0; i < JOB_STAGES; i++)
        o.skip[i] = net.skip;
    struct graph *g = net_build(&o, &err);
    if (!g)
        fail_msg("%s", err.text);
    return g;
}

static void tap_layers(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (graph_is_layer(g, i))
            graph_tap(g, g->nodes[i].out, SIDE_GRAD);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && g->values[v].used)
            graph_tap(g, v, SIDE_GRAD);
}

// As it is, not with all kept, which compile() of steps.h asks for.
static struct plan *lean(const struct graph *g, struct plan_opts o,
                         struct plan *share)
{
    struct plan *p = NULL;
    struct error err = { 0 };

    check(backend_cpu.compile(g, &o, share, &p, &err), &err);
    return p;
}

struct batch { float *images; int32_t labels[64]; };

static struct batch batch_of(const struct graph *g, uint64_t seed)
{
    struct batch b = { .images = images_of(g, seed) };

    for (int i = 0; i < graph_shape(g, g->input).n; i++)
        b.labels[i] = (int32_t)(rng_bits(seed, 131072, (uint64_t)i) % CLASSES);
    return b;
}

// One step on the batch that the seed draws.
static struct result step_on(struct plan *p, enum mode mode, double lr,
                             uint64_t seed, double *taps)
{
    struct batch b = batch_of(p->graph, seed);
    struct result r = step(p, mode, lr, b.images, b.labels, taps);

    free(b.images);
    return r;
}

static double *taps_of(const struct graph *g)
{
    return xcalloc((size_t)g->n_taps + 1, sizeof(double));
}

static void same_stored_bits(struct plan *a, struct plan *b)
{
    const struct graph *g = a->graph;

    for (val v = 0; v < g->n_values; v++) {
        if (g->values[v].role == ROLE_ACT)
            continue;
        float *x = get_val(a, v, SIDE_VALUE), *y = get_val(b, v, SIDE_VALUE);
        if (memcmp(x, y, (size_t)graph_elements(g, v) * sizeof *x))
            fail_msg("%s differs", g->values[v].name);
        free(x);
        free(y);
    }
}

// ---- fusing and sharing memory change nothing ---------------------------

static const struct net nets[] = {
    { "resnet50", true, NORM_BATCH }, { "resnet50", false, NORM_BATCH },
    { "resnet18", true, NORM_BATCH }, { "resnet18", true, NORM_NONE },
    { "resnet18", false, NORM_NONE },
};
enum { NETS_TRIED = sizeof nets / sizeof *nets };

// The same sums in the same order, with and without fusing; a compiler may
// contract one of the two, and batch norm amplifies last bits: 1e-4.
static void test_fusing_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < NETS_TRIED; i++) {
        struct graph *g = build(nets[i], BATCH);
        tap_layers(g);
        struct plan *a = compile(&backend_cpu, g, SGD, NULL);
        struct plan *b = lean(g, SGD, NULL);
        double *kept = taps_of(g), *fused = taps_of(g);

        start(a, 1);
        start(b, 1);
        double want = step_on(a, MODE_GRAD, 0, 2, kept).loss;
        double loss = step_on(b, MODE_GRAD, 0, 2, fused).loss;
        assert_true(fabs(loss - want) <= 1e-6 * want);
        for (int t = 0; t < g->n_taps; t++)
            if (fabs(kept[t] - fused[t]) > 1e-4 * kept[t])
                fail_msg("%s: %s is %.9g, not %.9g", nets[i].arch,
                         g->values[g->taps[t].value].name, fused[t], kept[t]);
        assert_true(b->bytes < a->bytes);
        backend_cpu.destroy(a);
        backend_cpu.destroy(b);
        graph_free(g);
        free(kept);
        free(fused);
    }
}

// A tap where fusing would hide a value costs the fusing, not the number.
static void test_taps_everywhere(void **state)
{
    (void)state;
    struct graph *g = build(nets[0], BATCH);
    for (int i = 0; i < g->n_nodes; i++) {
        val v = g->nodes[i].out;
        graph_tap(g, v, SIDE_VALUE);
        if (g->values[v].needs_grad)
            graph_tap(g, v, SIDE_GRAD);
    }
    struct plan *kept = compile(&backend_cpu, g, SGD, NULL);
    struct plan *p = lean(g, SGD, NULL);
    double *want = taps_of(g), *taps = taps_of(g);

    start(kept, 1);
    start(p, 1);
    step_on(kept, MODE_GRAD, 0, 2, want);
    step_on(p, MODE_GRAD, 0, 2, taps);
    for (int t = 0; t < g->n_taps; t++) {
        if (!(taps[t] > 0) || fabs(taps[t] - want[t]) > 1e-4 * want[t])
            fail_msg("%s of %s is %g, not %g",
                     g->taps[t].side == SIDE_GRAD ? "gradient" : "value",
                     g->values[g->taps[t].value].name, taps[t], want[t]);
    }
    backend_cpu.destroy(kept);
    backend_cpu.destroy(p);
    graph_free(g);
    free(want);
    free(taps);
}

static void test_same_bits_twice(void **state)
{
    (void)state;
    struct graph *g = build(nets[0], BATCH);
    tap_layers(g);
    struct plan *p[2];
    double *taps[2], loss[2];

    for (int i = 0; i < 2; i++) {
        p[i] = lean(g, SGD, NULL);
        taps[i] = taps_of(g);
        start(p[i], 1);
        for (uint64_t t = 0; t < 3; t++)
            loss[i] = step_on(p[i], MODE_TRAIN, 0.05, t, taps[i]).loss;
    }
    assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
    assert_memory_equal(taps[0], taps[1], (size_t)g->n_taps * sizeof(double));
    same_stored_bits(p[0], p[1]);
    for (int i = 0; i < 2; i++) {
        backend_cpu.destroy(p[i]);
        free(taps[i]);
    }
    graph_free(g);
}

// ---- modes --------------------------------------------------------------

static void test_modes_leave_weights(void **state)
{
    (void)state;
    struct graph *g = build(nets[0], BATCH);
    tap_layers(g);
    struct plan *p = lean(g, SGD, NULL), *untouched = lean(g, SGD, NULL);
    double *taps = taps_of(g);

    start(p, 1);
    start(untouched, 1);
    step_on(p, MODE_GRAD, 0.5, 2, taps);
    assert_true(taps[0] > 0);
    taps[0] = -7;
    step_on(p, MODE_EVAL, 0.5, 2, taps);
    assert_true(taps[0] == -7);
    same_stored_bits(p, untouched);
    assert_int_equal(backend_cpu.steps(p), 0);
    step_on(p, MODE_TRAIN, 0.5, 2, taps);
    assert_int_equal(backend_cpu.steps(p), 1);
    backend_cpu.destroy(p);
    backend_cpu.destroy(untouched);
    graph_free(g);
    free(taps);
}

// Two batch sizes in turns, as at the end of an epoch, against the reference
// in double. At this rate the second step has hardly moved, so float32 and
// double stay together: 1e-3 of a weight's largest change is what fifty
// normalisations leave.
static void test_share(void **state)
{
    (void)state;
    struct graph *g[2] = { build(nets[2], BATCH), build(nets[2], 4) };
    const struct backend *backends[2] = { &backend_cpu, &backend_reference };
    struct plan *p[2][2];
    double loss[2][3];

    for (int b = 0; b < 2; b++) {
        p[b][0] = compile(backends[b], g[0], SGD, NULL);
        p[b][1] = compile(backends[b], g[1], SGD, p[b][0]);
        start(p[b][0], 1);
        loss[b][0] = step_on(p[b][0], MODE_TRAIN, 1e-4, 2, NULL).loss;
        loss[b][1] = step_on(p[b][1], MODE_TRAIN, 1e-4, 3, NULL).loss;
        loss[b][2] = step_on(p[b][0], MODE_EVAL, 0, 4, NULL).loss;
        assert_int_equal(p[b][0]->backend->steps(p[b][0]), 2);
        assert_int_equal(p[b][1]->backend->steps(p[b][1]), 2);
    }
    for (int i = 0; i < 3; i++)
        if (fabs(loss[0][i] - loss[1][i]) > 1e-4 * loss[1][i])
            fail_msg("loss %d is %.8g, not %.8g", i, loss[0][i], loss[1][i]);
    same_stored_bits(p[0][0], p[0][1]);
    const char *watched[] = { "bn1.running_mean", "layer4.1.bn2.running_var",
                              "layer1.0.conv1.weight", "fc.weight" };
    for (int i = 0; i < 4; i++) {
        val v = named(p[0][0], watched[i]);
        float *is = get_val(p[0][0], v, SIDE_VALUE);
        float *want = get_val(p[1][0], v, SIDE_VALUE);
        for (int64_t k = 0; k < graph_elements(g[0], v); k++)
            if (fabs((double)is[k] - want[k]) > 1e-5 * (1 + fabs(want[k])))
                fail_msg("%s is %g, not %g", watched[i], is[k], want[k]);
        free(is);
        free(want);
    }
    for (int b = 0; b < 2; b++)
        for (int i = 1; i >= 0; i--)
            p[b][i]->backend->destroy(p[b][i]);
    graph_free(g[0]);
    graph_free(g[1]);
}

// ---- optimizers ---------------------------------------------------------

// Without ReLU or norm nothing is chaotic; fc2 is held but never runs.
static struct graph *smooth(void)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 5, 3, 4, 4 },
                        (struct input){ { 0 }, { 1, 1, 1 } });

    x = graph_conv(g, x, "conv", (struct conv){ .out = 19, .k = 3,
                                                .bias = true });
    x = graph_avgpool(g, x, "pool");
    graph_unused(g, true);
    graph_linear(g, x, "fc2", (struct linear){ 4 });
    graph_unused(g, false);
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ CLASSES }));
    seal(g);
    return g;
}

static void check_optimizer(struct optim optim, double lr)
{
    struct graph *g = smooth();
    struct plan_opts o = { .slots = 1, .optim = optim };
    struct plan *is = lean(g, o, NULL);
    struct plan *want = compile(&backend_reference, g, o, NULL);
    int sides = optim.kind == OPTIM_SGD ? SIDE_OPTIM : SIDE_OPTIM2;

    start(is, 1);
    start(want, 1);
    for (uint64_t t = 0; t < 4; t++) {
        step_on(is, MODE_TRAIN, lr, t, NULL);
        step_on(want, MODE_TRAIN, lr, t, NULL);
    }
    // Weights of some 0.1, moved by some lr a step: float32 leaves 1e-6 of it.
    for (val v = 0; v < g->n_values; v++)
        for (int side = 0; side <= sides; side++) {
            if (g->values[v].role != ROLE_PARAM || side == SIDE_GRAD)
                continue;
            float *a = get_val(is, v, side), *b = get_val(want, v, side);
            double most = 1e-12;
            for (int64_t i = 0; i < graph_elements(g, v); i++)
                most = fmax(most, fabs(b[i]));
            for (int64_t i = 0; i < graph_elements(g, v); i++)
                if (fabs((double)a[i] - b[i]) > 2e-5 * most)
                    fail_msg("%s, side %d: %g, not %g", g->values[v].name,
                             side, a[i], b[i]);
            free(a);
            free(b);
        }
    backend_cpu.destroy(is);
    backend_reference.destroy(want);
    graph_free(g);
}

static void test_optimizers(void **state)
{
    (void)state;
    check_optimizer((struct optim){ .kind = OPTIM_SGD }, 0.1);
    check_optimizer((struct optim){ .kind = OPTIM_SGD, .momentum = 0.9,
                                    .weight_decay = 0.01 }, 0.1);
    check_optimizer((struct optim){ .kind = OPTIM_ADAM, .beta1 = 0.9,
                                    .beta2 = 0.999, .eps = 1e-8,
                                    .weight_decay = 0.1 }, 0.01);
    check_optimizer((struct optim){ .kind = OPTIM_ADAMW, .beta1 = 0.9,
                                    .beta2 = 0.999, .eps = 1e-8,
                                    .weight_decay = 0.1 }, 0.01);
}

static void copy_stored(struct plan *to, struct plan *from)
{
    const struct graph *g = to->graph;
    struct error err = { 0 };

    for (val v = 0; v < g->n_values; v++)
        for (int side = SIDE_VALUE; side <= SIDE_OPTIM2; side++) {
            if (g->values[v].role == ROLE_ACT || side == SIDE_GRAD ||
                (side != SIDE_VALUE && g->values[v].role != ROLE_PARAM))
                continue;
            float *x = get_val(from, v, side);
            check(backend_cpu.write(to, v, side, x, &err), &err);
            free(x);
        }
    backend_cpu.set_steps(to, backend_cpu.steps(from));
}

static void test_resume_is_exact(void **state)
{
    (void)state;
    struct graph *g = build(nets[2], BATCH);
    struct plan_opts o = { .slots = 1, .threads = 2,
        .optim = { .kind = OPTIM_ADAM, .beta1 = 0.9, .beta2 = 0.999,
                   .eps = 1e-8 } };
    struct plan *whole = lean(g, o, NULL), *resumed = lean(g, o, NULL);

    start(whole, 1);
    step_on(whole, MODE_TRAIN, 0.01, 0, NULL);
    step_on(whole, MODE_TRAIN, 0.01, 1, NULL);
    copy_stored(resumed, whole);
    step_on(whole, MODE_TRAIN, 0.01, 2, NULL);
    step_on(resumed, MODE_TRAIN, 0.01, 2, NULL);
    same_stored_bits(whole, resumed);
    backend_cpu.destroy(whole);
    backend_cpu.destroy(resumed);
    graph_free(g);
}

// ---- norms --------------------------------------------------------------

// Squares of 1e-22 and less are not float32 numbers any more.
static void test_tiny_gradients(void **state)
{
    (void)state;
    const double scales[] = { 1e-22, 1e-30 };

    for (int i = 0; i < 2; i++) {
        struct graph *g = smooth();
        graph_tap(g, graph_find(g, "conv"), SIDE_GRAD);
        graph_tap(g, graph_find(g, "conv.weight"), SIDE_GRAD);
        struct plan *p[2] = { lean(g, SGD, NULL),
                              compile(&backend_reference, g, SGD, NULL) };
        double taps[2][2];

        for (int b = 0; b < 2; b++) {
            start(p[b], 1);
            float *w = get(p[b], "fc.weight", SIDE_VALUE);
            val v = named(p[b], "fc.weight");
            for (int64_t k = 0; k < graph_elements(g, v); k++)
                w[k] *= (float)scales[i];
            put(p[b], "fc.weight", SIDE_VALUE, w);
            step_on(p[b], MODE_GRAD, 0, 2, taps[b]);
            free(w);
        }
        for (int t = 0; t < 2; t++)
            if (!(taps[0][t] > 0) ||
                fabs(taps[0][t] - taps[1][t]) > 1e-5 * taps[1][t])
                fail_msg("norm %d at %g is %g, not %g", t, scales[i],
                         taps[0][t], taps[1][t]);
        backend_cpu.destroy(p[0]);
        backend_reference.destroy(p[1]);
        graph_free(g);
    }
}

// Of numbers that both have exactly: only the sum can differ, and it is taken
// in double. However many threads share the work, the bits are the same.
static void test_norms_are_exact(void **state)
{
    (void)state;
    struct graph *g = build(nets[3], 40);
    graph_tap(g, g->input, SIDE_VALUE);
    graph_tap(g, graph_find(g, "fc.weight"), SIDE_VALUE);
    struct plan_opts one = SGD;
    one.threads = 1;
    struct plan *p[2] = { lean(g, SGD, NULL), lean(g, one, NULL) };
    double taps[2][2], sum = 0;

    for (int i = 0; i < 2; i++) {
        start(p[i], 1);
        step_on(p[i], MODE_GRAD, 0, 2, taps[i]);
    }
    float *x = images_of(g, 2);
    for (int64_t i = 0; i < graph_elements(g, g->input); i++)
        sum += (double)x[i] * x[i];
    assert_true(fabs(taps[0][0] - sqrt(sum)) <= 1e-12 * sqrt(sum));
    assert_memory_equal(taps[0], taps[1], sizeof taps[0]);
    for (int i = 0; i < 2; i++)
        backend_cpu.destroy(p[i]);
    graph_free(g);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fusing_changes_nothing),
        cmocka_unit_test(test_taps_everywhere),
        cmocka_unit_test(test_same_bits_twice),
        cmocka_unit_test(test_modes_leave_weights),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_resume_is_exact),
        cmocka_unit_test(test_tiny_gradients),
        cmocka_unit_test(test_norms_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
