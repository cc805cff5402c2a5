/* Taps that are taken within passes which a step of the CPU backend makes
 * anyway: the numbers are those of passes of their own, and no weight is
 * another for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/nets.h"
#include "tests/steps.h"

enum { CLASSES = 10, BATCH = 6, STEPS = 2 };

// The first has blocks whose skip is the identity, and whose is not; the second
// no norm; the third no skips.
static const struct net { const char *arch; bool skip; enum job_norm norm; }
nets[] = {
    { "resnet50", true, NORM_BATCH }, { "resnet18", true, NORM_NONE },
    { "resnet18", false, NORM_BATCH },
};
enum { NETS = sizeof nets / sizeof *nets };

static struct graph *build(struct net net)
{
    struct net_opts o = { .arch = net.arch, .norm = net.norm, .width = 0.125,
        .start = START_PYTORCH, .classes = CLASSES, .batch = BATCH,
        .image_size = 32, .input = { .std = { 1, 1, 1 } } };
    struct error err = { 0 };

    for (int i = 0; i < JOB_STAGES; i++)
        o.skip[i] = net.skip;
    struct graph *g = net_build(&o, &err);
    check(g ? 0 : err.code, &err);
    return g;
}

// All that quantities are made of (worker/taps.c).
static void tap_all(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];

        if (graph_is_layer(g, i)) {
            graph_tap(g, n->out, SIDE_GRAD);
            graph_tap_as(g, n->out, MEASURE_SAMPLES);
        }
        for (int m = MEASURE_MEAN; n->op == OP_RELU && m <= MEASURE_ZEROS; m++)
            graph_tap_as(g, n->out, (enum measure)m);
        if (n->op == OP_ADD && graph_branch(g, n->in[1]) >= 0) {
            graph_tap_as(g, n->in[1], MEASURE_BRANCH);
            graph_tap(g, n->in[0], SIDE_GRAD);
        }
    }
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && g->values[v].used) {
            graph_tap(g, v, SIDE_VALUE);
            graph_tap(g, v, SIDE_GRAD);
            graph_tap_as(g, v, MEASURE_CHANGE);
        }
}

// As the worker compiles it, or with nothing fused: then every tap has a pass
// of its own. The caller destroys it.
static struct plan *plan_of(const struct graph *g, struct optim optim,
                            bool keep_all)
{
    struct plan_opts o = { .slots = 1, .threads = 1, .keep_all = keep_all,
                           .optim = optim };
    struct error err = { 0 };
    struct plan *p = NULL;

    check(backend_cpu.compile(g, &o, NULL, &p, &err), &err);
    start(p, 1);
    return p;
}

// Steps of a rate so small that rounding is not amplified from one to the next.
static void run(struct plan *p, double *taps)
{
    int32_t labels[BATCH];

    for (uint64_t t = 0; t < STEPS; t++) {
        float *images = images_of(p->graph, t);
        for (int i = 0; i < BATCH; i++)
            labels[i] = (int32_t)(rng_bits(t, 131072, (uint64_t)i) % CLASSES);
        step(p, MODE_TRAIN, 1e-4, images, labels, taps);
        free(images);
    }
}

static const struct optim optims[] = {
    { .kind = OPTIM_SGD, .momentum = 0.9, .weight_decay = 1e-3 },
    { .kind = OPTIM_ADAMW, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.999,
      .eps = 1e-8 },
};

// A compiler may contract one of two ways to add, norms amplify last bits, and
// an element of a relu may change sides: 1e-3.
static void test_the_numbers_of_a_pass_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < NETS; i++) {
        struct graph *g = build(nets[i]);
        tap_all(g);
        double *taps[2];

        for (int k = 0; k < 2; k++) {
            struct plan *p = plan_of(g, optims[0], k);
            taps[k] = xcalloc((size_t)g->n_taps, sizeof **taps);
            run(p, taps[k]);
            backend_cpu.destroy(p);
        }
        for (int t = 0; t < g->n_taps; t++)
            if (!(fabs(taps[0][t] - taps[1][t]) <= 1e-3 * fabs(taps[1][t])))
                fail_msg("%s: measure %d of %s, side %d, is %.9g, not %.9g",
                         nets[i].arch, g->taps[t].measure,
                         g->values[g->taps[t].value].name, g->taps[t].side,
                         taps[0][t], taps[1][t]);
        graph_free(g);
        free(taps[0]), free(taps[1]);
    }
}

static void same_bits(struct plan *a, struct plan *b)
{
    const struct graph *g = a->graph;

    for (val v = 0; v < g->n_values; v++) {
        if (g->values[v].role == ROLE_ACT)
            continue;
        float *x = get_val(a, v, SIDE_VALUE), *y = get_val(b, v, SIDE_VALUE);
        if (memcmp(x, y, (size_t)graph_elements(g, v) * sizeof *x))
            fail_msg("%s differs", g->values[v].name);
        free(x), free(y);
    }
}

static void test_no_weight_is_another(void **state)
{
    (void)state;
    for (int i = 0; i < NETS; i++)
        for (int k = 0; k < 2; k++) {
            struct graph *all = build(nets[i]), *none = build(nets[i]);
            tap_all(all);
            struct plan *a = plan_of(all, optims[k], false);
            struct plan *b = plan_of(none, optims[k], false);
            double *taps = xcalloc((size_t)all->n_taps, sizeof *taps);

            run(a, taps);
            run(b, NULL);
            same_bits(a, b);
            backend_cpu.destroy(a);
            backend_cpu.destroy(b);
            graph_free(all);
            graph_free(none);
            free(taps);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_numbers_of_a_pass_of_their_own),
        cmocka_unit_test(test_no_weight_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
