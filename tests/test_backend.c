/* What model/backend.h promises, on every backend: modes, padding, shared
 * weights, optimizers, slots, taps. What ops compute is in test_op.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/backend.h"
#include "tests/steps.h"

static struct subject reference = REFERENCE, cpu = CPU;

static const int32_t some_labels[] = { 3, 0, 4, 1 };
static const int32_t two_classes[] = { 1, 0 };

static const struct optim sgd = { .kind = OPTIM_SGD, .momentum = 0.9 };
static const struct optim sgd_decay = { .kind = OPTIM_SGD, .momentum = 0.9,
    .weight_decay = 0.1 };
static const struct optim adam = { .kind = OPTIM_ADAM, .weight_decay = 0.1,
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };
static const struct optim adamw = { .kind = OPTIM_ADAMW, .weight_decay = 0.1,
    .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };

// ---- padding and short batches -------------------------------------------

static void test_padding_counts_for_nothing(void **state)
{
    const struct subject *s = *state;
    struct graph *two = small_net(2, false), *three = small_net(3, false);
    struct plan *a = compile(s->backend, two, (struct plan_opts){ 0 }, NULL);
    struct plan *b = compile(s->backend, three, (struct plan_opts){ 0 }, a);
    float *images = images_of(three, 1);

    start(a, 1);
    struct result ra = step(a, MODE_GRAD, 0, images, some_labels, NULL);
    float *ga = get(a, "fc.weight", SIDE_GRAD), *la = get(a, "fc", SIDE_VALUE);
    struct result rb = step(b, MODE_GRAD, 0, images, (int32_t[]){ 3, 0, -1 },
                            NULL);
    float *gb = get(b, "fc.weight", SIDE_GRAD), *lb = get(b, "fc", SIDE_VALUE);

    close_to(rb.loss, ra.loss, s->tolerance);
    assert_int_equal(ra.correct, rb.correct);
    same(gb, ga, size_of(a, "fc.weight"), s->tolerance);
    same(lb, la, 2 * 5, s->tolerance);

    rb = step(b, MODE_GRAD, 0, images, (int32_t[]){ -1, -1, -1 }, NULL);
    assert_true(rb.loss == 0 && rb.correct == 0);
    free(gb);
    gb = get(b, "fc.weight", SIDE_GRAD);
    for (int64_t i = 0; i < size_of(b, "fc.weight"); i++)
        assert_true(gb[i] == 0);
    free(ga), free(gb), free(la), free(lb), free(images);
    s->backend->destroy(b);
    s->backend->destroy(a);
    graph_free(two), graph_free(three);
}

// Copies all that training carries on: weights, statistics, moments, steps.
static void carry(struct plan *from, struct plan *to)
{
    const struct graph *g = from->graph;
    bool second = from->opts.optim.kind != OPTIM_SGD;
    struct error err = { 0 };

    for (val v = 0; v < g->n_values; v++)
        for (int side = SIDE_VALUE; side <= SIDE_OPTIM2; side++) {
            const struct value *row = &g->values[v];
            if (row->role == ROLE_ACT || side == SIDE_GRAD ||
                (side != SIDE_VALUE && (row->role != ROLE_PARAM ||
                                        !row->used)) ||
                (side == SIDE_OPTIM2 && !second))
                continue;
            float *x = get_val(from, v, side);
            check(to->backend->write(to, v, side, x, &err), &err);
            free(x);
        }
    to->backend->set_steps(to, from->backend->steps(from));
}

// Batches of 4, 2 and 4 through two plans that share all they learn, and
// through three plans that hand it on by read and write.
static void short_batch(const struct subject *s, struct optim optim)
{
    struct graph *four = small_net(4, true), *two = small_net(2, true);
    struct graph *const by_step[] = { four, two, four };
    struct plan_opts o = { .optim = optim };
    struct plan *a = compile(s->backend, four, o, NULL);
    struct plan *b = compile(s->backend, two, o, a), *alone = NULL;
    float *images = images_of(four, 2);

    start(a, 2);
    for (int t = 0; t < 3; t++) {
        struct plan *next = compile(s->backend, by_step[t], o, NULL);
        carry(alone ? alone : a, next);
        s->backend->destroy(alone);
        alone = next;
        struct result r = step(alone, MODE_TRAIN, 0.01, images, some_labels,
                               NULL);
        struct result shared = step(t == 1 ? b : a, MODE_TRAIN, 0.01, images,
                                    some_labels, NULL);
        close_to(shared.loss, r.loss, s->tolerance * r.loss);
    }
    assert_int_equal(s->backend->steps(a), 3);
    assert_int_equal(s->backend->steps(b), 3);
    assert_int_equal(s->backend->steps(alone), 3);
    static const char *const names[] = { "c1.weight", "n2.running_var",
                                         "n1.bias", "fc.bias" };
    for (int i = 0; i < 4; i++) {
        float *x = get(b, names[i], SIDE_VALUE);
        float *y = get(alone, names[i], SIDE_VALUE);
        same(x, y, size_of(b, names[i]), 10 * s->tolerance);    // three steps
        free(x), free(y);
    }
    s->backend->destroy(alone);
    s->backend->destroy(b);
    s->backend->destroy(a);
    graph_free(four), graph_free(two);
    free(images);
}

static void test_short_batch_by_sgd(void **state)
{
    short_batch(*state, sgd);
}

static void test_short_batch_by_adam(void **state)
{
    short_batch(*state, adam);
}

static void test_another_network_cannot_share(void **state)
{
    const struct subject *s = *state;
    struct graph *a = small_net(2, true), *b = small_net(2, false);
    struct plan *plan = compile(s->backend, a, (struct plan_opts){ 0 }, NULL);
    struct plan *other = NULL;
    struct error err = { 0 };
    int rc = s->backend->compile(b, &(struct plan_opts){ .slots = 1 }, plan,
                                 &other, &err);

    assert_int_equal(rc, ERR_USAGE);
    assert_null(other);
    assert_non_null(strstr(err.text, "another network"));
    s->backend->destroy(plan);
    graph_free(a), graph_free(b);
}

// ---- optimizers ----------------------------------------------------------

// One weight by the formulas of PyTorch's documentation; t counts from 1.
static double formula(const struct optim *o, double lr, int t, double w,
                      double g, double state[2])
{
    double m, v;

    if (o->kind == OPTIM_SGD) {
        g = g + o->weight_decay * w;
        state[0] = t > 1 ? o->momentum * state[0] + g : g;
        return w - lr * state[0];
    }
    if (o->kind == OPTIM_ADAMW)
        w = w - lr * o->weight_decay * w;
    else
        g = g + o->weight_decay * w;
    state[0] = o->beta1 * state[0] + (1 - o->beta1) * g;
    state[1] = o->beta2 * state[1] + (1 - o->beta2) * g * g;
    m = state[0] / (1 - pow(o->beta1, t));
    v = state[1] / (1 - pow(o->beta2, t));
    return w - lr * m / (sqrt(v) + o->eps);
}

// Three steps of fc.bias; its gradient is read, so only the update is judged:
// a few operations in float32 on numbers around 1.
static void optimizer(const struct subject *s, const struct optim *o)
{
    struct graph *g = small_net(4, true);
    struct plan *plan = compile(s->backend, g,
                                (struct plan_opts){ .optim = *o }, NULL);
    float *images = images_of(g, 3);
    double state[5][2] = { { 0 } }, rate = 0.05;

    start(plan, 3);
    float *spare = get(plan, "spare.weight", SIDE_VALUE);
    for (int t = 1; t <= 3; t++) {
        float *before = get(plan, "fc.bias", SIDE_VALUE);
        step(plan, MODE_TRAIN, rate, images, some_labels, NULL);
        float *grad = get(plan, "fc.bias", SIDE_GRAD);
        float *after = get(plan, "fc.bias", SIDE_VALUE);
        float *first = get(plan, "fc.bias", SIDE_OPTIM);
        for (int i = 0; i < 5; i++) {
            double w = formula(o, rate, t, before[i], grad[i], state[i]);
            close_to(after[i], w, 5e-7);
            close_to(first[i], state[i][0], 5e-7);
        }
        free(before), free(grad), free(after), free(first);
        rate /= 2;                      // a schedule must get through
    }
    float *now = get(plan, "spare.weight", SIDE_VALUE);
    assert_memory_equal(now, spare,
                        (size_t)size_of(plan, "spare.weight") * sizeof *now);
    free(now), free(spare), free(images);
    s->backend->destroy(plan);
    graph_free(g);
}

static void test_optimizers(void **state)
{
    optimizer(*state, &sgd);
    optimizer(*state, &sgd_decay);
    optimizer(*state, &adam);
    optimizer(*state, &adamw);
}

// ---- modes ---------------------------------------------------------------

// All that a step may change, one after the other; the caller frees.
static float *all_state(struct plan *plan, size_t *bytes)
{
    const struct graph *g = plan->graph;
    int64_t n = 0;

    for (val v = 0; v < g->n_values; v++)
        n += 2 * graph_elements(g, v);
    float *all = xcalloc((size_t)n, sizeof *all), *to = all;
    for (val v = 0; v < g->n_values; v++)
        for (int side = SIDE_VALUE; side <= SIDE_OPTIM; side += SIDE_OPTIM) {
            const struct value *row = &g->values[v];
            if (row->role == ROLE_ACT ||
                (side == SIDE_OPTIM && (row->role != ROLE_PARAM || !row->used)))
                continue;
            float *x = get_val(plan, v, side);
            memcpy(to, x, (size_t)graph_elements(g, v) * sizeof *x);
            to += graph_elements(g, v);
            free(x);
        }
    *bytes = (size_t)n * sizeof *all;
    return all;
}

static void test_only_training_changes_anything(void **state)
{
    const struct subject *s = *state;
    struct graph *g = small_net(4, true);
    struct plan *plan = compile(s->backend, g,
                                (struct plan_opts){ .optim = sgd }, NULL);
    float *images = images_of(g, 4);
    size_t bytes;

    start(plan, 4);
    step(plan, MODE_TRAIN, 0.1, images, some_labels, NULL);
    float *before = all_state(plan, &bytes);
    step(plan, MODE_GRAD, 0.1, images, some_labels, NULL);
    step(plan, MODE_EVAL, 0.1, images, some_labels, NULL);
    float *after = all_state(plan, &bytes);
    assert_memory_equal(before, after, bytes);
    assert_int_equal(s->backend->steps(plan), 1);
    free(after);
    step(plan, MODE_TRAIN, 0.1, images, some_labels, NULL);
    after = all_state(plan, &bytes);
    assert_memory_not_equal(before, after, bytes);
    assert_int_equal(s->backend->steps(plan), 2);
    free(before), free(after), free(images);
    s->backend->destroy(plan);
    graph_free(g);
}

// One channel, one weight everywhere: all can be followed by hand.
static struct graph *scalar_net(void)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 2, 1, 1, 2 }, (struct input){ 0 });

    x = graph_conv(g, x, "copy", (struct conv){ .out = 1, .k = 1 });
    x = graph_norm(g, x, "norm", (struct norm){ 0 });
    x = graph_avgpool(g, x, "mean");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 2 }));
    graph_tap(g, graph_find(g, "copy"), SIDE_VALUE);
    seal(g);
    return g;
}

static void test_running_statistics(void **state)
{
    const struct subject *s = *state;
    struct graph *g = scalar_net();
    struct plan *plan = compile(s->backend, g, (struct plan_opts){ 0 }, NULL);
    const float images[] = { 1, 2, 3, 6 };  // mean 3, unbiased variance 14/3
    double tap = -1;

    put(plan, "copy.weight", SIDE_VALUE, (float[]){ 1 });
    put(plan, "norm.weight", SIDE_VALUE, (float[]){ 3 });
    put(plan, "norm.bias", SIDE_VALUE, (float[]){ 0.5f });
    put(plan, "norm.running_mean", SIDE_VALUE, (float[]){ 1 });
    put(plan, "norm.running_var", SIDE_VALUE, (float[]){ 4 });
    put(plan, "fc.weight", SIDE_VALUE, (float[]){ 1, -1 });

    step(plan, MODE_EVAL, 0, images, two_classes, &tap);
    float *logits = get(plan, "fc", SIDE_VALUE);
    const double std = sqrt(4 + 1e-5);
    const double mean[] = { 3 * (1.5 - 1) / std + 0.5,
                            3 * (4.5 - 1) / std + 0.5 };
    for (int i = 0; i < 4; i++)
        close_to(logits[i], i % 2 ? -mean[i / 2] : mean[i / 2],
                 5 * s->tolerance);
    assert_true(tap == -1);             // evaluation leaves taps alone

    step(plan, MODE_TRAIN, 0, images, two_classes, &tap);
    close_to(tap, sqrt(1 + 4 + 9 + 36), 10 * s->tolerance);
    float *rm = get(plan, "norm.running_mean", SIDE_VALUE);
    float *rv = get(plan, "norm.running_var", SIDE_VALUE);
    close_to(*rm, 0.9 * 1 + 0.1 * 3, s->tolerance);
    close_to(*rv, 0.9 * 4 + 0.1 * 14 / 3, 5 * s->tolerance);
    free(rm), free(rv), free(logits);
    s->backend->destroy(plan);
    graph_free(g);
}

static void test_one_value_per_channel_is_refused(void **state)
{
    const struct subject *s = *state;
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 1, 1, 1, 1 }, (struct input){ 0 });

    x = graph_conv(g, x, "copy", (struct conv){ .out = 1, .k = 1 });
    x = graph_norm(g, x, "norm", (struct norm){ 0 });
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 2 }));
    seal(g);
    struct plan *plan = compile(s->backend, g, (struct plan_opts){ 0 }, NULL);
    struct error err = { 0 };
    s->backend->slot(plan, 0)->values = (float[]){ 1 };
    assert_int_equal(s->backend->submit(plan, 0, MODE_TRAIN, 0, &err),
                     ERR_SPEC);
    assert_non_null(strstr(err.text, "norm: cannot train on one value"));
    step(plan, MODE_EVAL, 0, (float[]){ 1 }, two_classes, NULL);
    s->backend->destroy(plan);
    graph_free(g);
}

// ---- slots, and values across the seam -----------------------------------

static void test_results_come_oldest_first(void **state)
{
    const struct subject *s = *state;
    struct graph *g = scalar_net();
    struct plan *plan = compile(s->backend, g,
                                (struct plan_opts){ .slots = 2 }, NULL);
    const float images[2][4] = { { 1, 1, 1, 1 }, { 2, 2, 2, 2 } };
    struct error err = { 0 };

    start(plan, 1);
    for (int i = 0; i < 2; i++) {
        struct slot *slot = s->backend->slot(plan, i);
        slot->values = images[i];
        slot->labels[0] = 0;
        slot->labels[1] = -1;
        check(s->backend->submit(plan, i, MODE_GRAD, 0, &err), &err);
    }
    assert_int_equal(s->backend->submit(plan, 0, MODE_GRAD, 0, &err),
                     ERR_STATE);
    double taps[2];
    for (int i = 0; i < 2; i++) {
        struct result r = { .taps = &taps[i] };
        check(s->backend->collect(plan, &r, &err), &err);
    }
    close_to(taps[1], 2 * taps[0], s->tolerance * taps[1]);
    struct result none = { 0 };
    assert_int_equal(s->backend->collect(plan, &none, &err), ERR_STATE);
    s->backend->destroy(plan);
    graph_free(g);
}

// Whoever computes, there are as many slots to be had.
static void test_slots_have_a_limit(void **state)
{
    static const struct { int slots; const char *text; } rows[] = {
        { 0, "slots is 0, must be 1 to 1024" },
        { 1025, "slots is 1025, must be 1 to 1024" } };
    const struct subject *s = *state;
    struct graph *g = scalar_net();
    struct plan *plan = NULL;
    struct error err = { 0 };

    for (int i = 0; i < 2; i++) {
        assert_int_equal(s->backend->compile(g, &(struct plan_opts){
            .slots = rows[i].slots }, NULL, &plan, &err), ERR_USAGE);
        assert_null(plan);
        assert_string_equal(err.text, rows[i].text);
    }
    graph_free(g);
}

static void test_mistakes_are_named(void **state)
{
    const struct subject *s = *state;
    struct graph *g = scalar_net();
    struct plan *plan = compile(s->backend, g, (struct plan_opts){ 0 }, NULL);
    struct error err = { 0 };
    float x[4] = { 0 };

    assert_int_equal(s->backend->write(plan, named(plan, "copy"), SIDE_VALUE, x,
                                       &err), ERR_USAGE);
    assert_string_equal(err.text, "copy is computed, not written");
    assert_int_equal(s->backend->read(plan, named(plan, "norm.running_var"),
                                      SIDE_GRAD, x, &err), ERR_USAGE);
    assert_string_equal(err.text, "norm.running_var has no gradient");
    assert_int_equal(s->backend->read(plan, g->n_values, SIDE_VALUE, x, &err),
                     ERR_USAGE);
    s->backend->slot(plan, 0)->values = x;
    s->backend->slot(plan, 0)->labels[1] = 2;
    assert_int_equal(s->backend->submit(plan, 0, MODE_EVAL, 0, &err),
                     ERR_USAGE);
    assert_string_equal(err.text, "label 2 of image 1, must be 0 to 1, or -1 "
                        "for padding");
    s->backend->destroy(plan);
    s->backend->destroy(NULL);
    graph_free(g);
}

#define TESTS_ON(backend)                                                      \
    TEST(test_padding_counts_for_nothing, backend),                            \
    TEST(test_short_batch_by_sgd, backend),                                    \
    TEST(test_short_batch_by_adam, backend),                                   \
    TEST(test_another_network_cannot_share, backend),                          \
    TEST(test_optimizers, backend),                                            \
    TEST(test_only_training_changes_anything, backend),                        \
    TEST(test_running_statistics, backend),                                    \
    TEST(test_one_value_per_channel_is_refused, backend),                      \
    TEST(test_results_come_oldest_first, backend),                             \
    TEST(test_slots_have_a_limit, backend),                                    \
    TEST(test_mistakes_are_named, backend)

int main(void)
{
    const struct CMUnitTest tests[] = { TESTS_ON(reference), TESTS_ON(cpu) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
