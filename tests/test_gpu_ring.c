/* Results come out of a ring on the device, several steps at a time: they are
 * those of each step all the same, in order, whatever runs beside. On the CUDA
 * backend as test_gpu_net.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "tests/steps.h"

extern const struct backend backend_cuda;

enum { SLOTS = 7, BATCH = 4, STEPS = 12 };

static struct graph *net(void)
{
    struct graph *g = small_net(BATCH, true);

    for (int i = 0; i < g->n_nodes; i++)
        if (graph_is_layer(g, i))
            graph_tap(g, g->nodes[i].out, SIDE_GRAD);
    return g;
}

static struct plan *plan_of(const struct graph *g, int slots)
{
    struct plan_opts o = { .slots = slots,
        .optim = { .kind = OPTIM_SGD, .momentum = 0.9 } };
    struct plan *plan = NULL;
    struct error err = { 0 };

    check(backend_cuda.compile(g, &o, NULL, &plan, &err), &err);
    start(plan, 1);
    return plan;
}

// Every step has other labels, and every third one trains nothing.
static void submit(struct plan *plan, int step, int slot, const float *x)
{
    struct slot *s = backend_cuda.slot(plan, slot);
    struct error err = { 0 };

    s->values = x;
    for (int i = 0; i < BATCH; i++)
        s->labels[i] = (step + i) % 3;
    check(backend_cuda.submit(plan, slot, step % 3 == 2 ? MODE_GRAD
                              : MODE_TRAIN, 0.05, &err), &err);
}

static void collect(struct plan *plan, double *to, int n_taps)
{
    struct result r = { .taps = to + 2 };
    struct error err = { 0 };

    check(backend_cuda.collect(plan, &r, &err), &err);
    to[0] = r.loss;
    to[1] = r.correct;
    assert_true(r.millis >= 0 && n_taps > 0);
}

// All numbers of all steps, with as many as `ahead` on their way at a time.
static double *history(const struct graph *g, const float *x, int ahead)
{
    struct plan *plan = plan_of(g, SLOTS);
    size_t row = (size_t)g->n_taps + 2;
    double *all = xcalloc(STEPS * row, sizeof *all);
    int taken = 0;

    for (int given = 0; taken < STEPS;) {
        if (given < STEPS && given - taken < ahead) {
            submit(plan, given, given % SLOTS, x);
            given++;
        } else {
            collect(plan, all + (size_t)taken++ * row, g->n_taps);
        }
    }
    backend_cuda.destroy(plan);
    return all;
}

static void test_each_step_has_its_row(void **state)
{
    struct graph *g = net();
    float *x = images_of(g, 1);
    size_t row = (size_t)g->n_taps + 2;
    double *alone = history(g, x, 1);

    (void)state;
    for (int ahead = 2; ahead <= SLOTS; ahead++) {
        double *many = history(g, x, ahead);
        assert_memory_equal(alone, many, STEPS * row * sizeof *many);
        free(many);
    }
    for (size_t i = 1; i < STEPS; i++)
        assert_true(alone[i * row] != alone[(i - 1) * row]);
    free(alone), free(x);
    graph_free(g);
}

// All are handed over before one is collected, the slots in disorder, and the
// plan goes away while others are on their way.
static void test_slots_in_any_order(void **state)
{
    static const int order[SLOTS] = { 3, 0, 6, 1, 5, 2, 4 };
    struct graph *g = net();
    float *x = images_of(g, 1);
    size_t row = (size_t)g->n_taps + 2;
    double *want = history(g, x, 1), *is = xcalloc(row, sizeof *is);
    struct plan *plan = plan_of(g, SLOTS);

    (void)state;
    for (int i = 0; i < SLOTS; i++)
        submit(plan, i, order[i], x);
    for (size_t i = 0; i < SLOTS - 2; i++) {
        collect(plan, is, g->n_taps);
        assert_memory_equal(is, want + i * row, row * sizeof *is);
    }
    backend_cuda.destroy(plan);
    free(want), free(is), free(x);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_step_has_its_row),
        cmocka_unit_test(test_slots_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
