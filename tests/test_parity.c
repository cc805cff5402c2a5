/* Whole networks against PyTorch's float64: tests/dumps/parity_*.json, written
 * by tests/torch_dump.py. Worst relative errors are printed per case. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "common/mem.h"
#include "common/rng.h"
#include "model/init.h"
#include "model/nets.h"
#include "tests/parity_bounds.h"

static const char *const what_names[WHATS] = {
    "loss", "logits", "out", "grad_out", "grad_w", "project",
    "weight", "state", "project_end", "eval",
};

struct parity {                         // one case on one backend
    const char           *name;
    const struct backend *backend;
    const struct bounds  *bounds;
    json_t               *dump, *about; // about: the dump's "case"
    struct graph         *graphs[2];    // a second batch size shares weights
    struct plan          *plans[2];
    double                worst[ROWS][WHATS];
    char                  where[ROWS][WHATS][80];
};

static void note(struct parity *p, int row, enum what what, double error,
                 const char *where)
{
    if (isnan(p->worst[row][what]) || error <= p->worst[row][what])
        return;                         // a nan comes through, and stays
    p->worst[row][what] = error;
    snprintf(p->where[row][what], sizeof p->where[row][what], "%s", where);
}

static double relative(double is, double want)
{
    if (is == want)
        return 0;
    return fabs(is - want) / fmax(fabs(want), 1e-300);
}

static double element(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *list, size_t i)
{
    return json_string_value(json_array_get(list, i));
}

static const json_t *list_of(const struct parity *p, const char *key)
{
    const json_t *list = json_object_get(p->dump, key);

    assert_non_null(list);
    return list;
}

// ---- building what the dump describes -----------------------------------

static struct optim optim_of(const json_t *about)
{
    const char *name = json_string_value(json_object_get(about, "optimizer"));

    return (struct optim){
        .kind = strcmp(name, "adam") == 0 ? OPTIM_ADAM
              : strcmp(name, "adamw") == 0 ? OPTIM_ADAMW : OPTIM_SGD,
        .momentum = number(about, "momentum"),
        .weight_decay = number(about, "weight_decay"),
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8,
    };
}

// Taps: every layer's output and its gradient, every used parameter's gradient
// and the parameter: in the dump's order, two by two.
static void tap_all(struct parity *p, struct graph *g)
{
    static const char *const lists[] = { "layers", "used" };

    for (int i = 0; i < 2; i++) {
        const json_t *names = list_of(p, lists[i]);
        for (size_t k = 0; k < json_array_size(names); k++) {
            val v = graph_find(g, text(names, k));
            assert_int_not_equal(v, BAD_VAL);
            graph_tap(g, v, SIDE_VALUE);
            graph_tap(g, v, SIDE_GRAD);
        }
    }
}

static struct graph *build(struct parity *p, int batch)
{
    const json_t *about = p->about;
    struct net_opts o = {
        .arch = json_string_value(json_object_get(about, "arch")),
        .width = number(about, "width"),
        .classes = (int)number(about, "classes"),
        .image_size = (int)number(about, "image_size"),
        .batch = batch,
    };
    struct error err = { 0 };

    for (int i = 0; i < JOB_STAGES; i++)
        o.skip[i] = json_is_true(
            json_array_get(json_object_get(about, "skip"), (size_t)i));
    if (strcmp(json_string_value(json_object_get(about, "norm")), "none") == 0)
        o.norm = NORM_NONE;

    struct graph *g = net_build(&o, &err);
    if (!g)
        fail_msg("%s", err.text);
    tap_all(p, g);
    return g;
}

// The plan for step t, compiled when its batch size is new.
static struct plan *plan_of(struct parity *p, size_t t)
{
    const json_t *batches = json_object_get(p->about, "batches");
    int batch = (int)json_number_value(json_array_get(batches, t));
    struct plan_opts o = { .slots = 1, .optim = optim_of(p->about) };
    struct error err = { 0 };

    for (int i = 0; i < 2; i++) {
        if (!p->graphs[i]) {
            p->graphs[i] = build(p, batch);
            if (p->backend->compile(p->graphs[i], &o, p->plans[0],
                                    &p->plans[i], &err))
                fail_msg("%s", err.text);
            if (i == 0 && init_plan(p->plans[0],
                                    (uint64_t)number(p->about, "seed"), &err))
                fail_msg("%s", err.text);
        }
        if (graph_shape(p->graphs[i], p->graphs[i]->input).n == batch)
            return p->plans[i];
    }
    fail_msg("%s has more than two batch sizes", p->name);
    return NULL;
}

// ---- steps --------------------------------------------------------------

enum { INPUTS = 65536, LABELS = 131072, PROJECTION = 196608 };  // streams

static struct result run(struct parity *p, struct plan *plan, size_t t,
                         enum mode mode)
{
    const struct graph *g = plan->graph;
    uint64_t seed = (uint64_t)number(p->about, "seed");
    uint64_t classes = (uint64_t)number(p->about, "classes");
    uint64_t n = (uint64_t)graph_elements(g, g->input);
    float *values = xcalloc(n, sizeof *values);
    struct slot *slot = p->backend->slot(plan, 0);
    struct result r = { .taps = xcalloc((size_t)g->n_taps, sizeof(double)) };
    struct error err = { 0 };

    for (uint64_t i = 0; i < n; i++)
        values[i] = (float)(rng_unit(seed, INPUTS + t, i) * sqrt(3.0));
    for (int i = 0; i < graph_shape(g, g->input).n; i++)
        slot->labels[i] = (int32_t)(rng_bits(seed, LABELS + t, (uint64_t)i) %
                                    classes);
    slot->values = values;
    if (p->backend->submit(plan, 0, mode, number(p->about, "lr"), &err) ||
        p->backend->collect(plan, &r, &err))
        fail_msg("%s", err.text);
    free(values);
    return r;
}

static float *read_all(struct parity *p, struct plan *plan, val v,
                       enum side side)
{
    float *x = xcalloc((size_t)graph_elements(plan->graph, v), sizeof *x);
    struct error err = { 0 };

    if (p->backend->read(plan, v, side, x, &err))
        fail_msg("%s", err.text);
    return x;
}

static void compare_logits(struct parity *p, struct plan *plan, int row,
                           enum what what, const json_t *want)
{
    float *is = read_all(p, plan, plan->graph->logits, SIDE_VALUE);
    double largest = 0;

    for (size_t i = 0; i < json_array_size(want); i++)
        largest = fmax(largest, fabs(element(want, i)));
    for (size_t i = 0; i < json_array_size(want); i++)
        note(p, row, what, fabs(is[i] - element(want, i)) / largest,
             "logits");
    free(is);
}

static double norm_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

static double projection_of(const float *x, size_t n, size_t index)
{
    double dot = 0, norm = norm_of(x, n);

    for (size_t i = 0; i < n; i++)
        dot += x[i] * rng_unit(0, PROJECTION + index, i);
    return norm > 0 ? dot / norm : 0;
}

// A bias in front of a norm has no effect, and a gradient of rounding errors.
// This one's is measured by its weight's gradient, which comes before it.
static bool is_bias(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, ".bias") == 0;
}

// Values by name: their projections, and norms where norms is not NULL.
static void compare_tensors(struct parity *p, struct plan *plan, int row,
                            enum what what, enum what project,
                            const char *names_key, enum side side,
                            const json_t *norms, const json_t *projections)
{
    const json_t *names = list_of(p, names_key);

    double before = 0;

    assert_non_null(projections);
    for (size_t i = 0; i < json_array_size(names); i++) {
        val v = graph_find(plan->graph, text(names, i));
        size_t n = (size_t)graph_elements(plan->graph, v);
        float *x = read_all(p, plan, v, side);

        if (norms)
            note(p, row, what, relative(norm_of(x, n), element(norms, i)),
                 text(names, i));
        if (side == SIDE_VALUE || !is_bias(text(names, i)) ||
            norm_of(x, n) > 1e-6 * before)
            note(p, row, project,
                 fabs(projection_of(x, n, i) - element(projections, i)),
                 text(names, i));
        before = norm_of(x, n);
        free(x);
    }
}

static void compare_taps(struct parity *p, int row, enum what what,
                         const double *taps, const char *names_key,
                         const json_t *want)
{
    const json_t *names = list_of(p, names_key);

    assert_int_equal(json_array_size(names), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++) {
        double is = taps[2 * i], by = fabs(element(want, i));

        if (what == GRAD_W && is_bias(text(names, i)))
            by = fmax(by, 1e-3 * element(want, i - 1));
        note(p, row, what, fabs(is - element(want, i)) / fmax(by, 1e-300),
             text(names, i));
    }
}

static void step(struct parity *p, size_t t)
{
    const json_t *want = json_array_get(list_of(p, "steps"), t);
    size_t layers = json_array_size(list_of(p, "layers"));
    struct plan *plan = plan_of(p, t);
    struct result r = run(p, plan, t, MODE_TRAIN);
    int row = t == 0 ? FIRST : LATER;

    note(p, row, LOSS, relative(r.loss, number(want, "loss")), "loss");
    if (p->bounds->row[row][LOGITS])
        assert_int_equal(r.correct, (int)number(want, "correct"));
    compare_logits(p, plan, row, LOGITS, json_object_get(want, "logits"));
    compare_taps(p, row, OUT, r.taps, "layers", json_object_get(want, "out"));
    compare_taps(p, row, GRAD_OUT, r.taps + 1, "layers",
                 json_object_get(want, "grad_out"));
    compare_taps(p, row, GRAD_W, r.taps + 2 * layers + 1, "used",
                 json_object_get(want, "grad_w"));
    free(r.taps);
}

// Elements behind the first step's norms; the backend must keep them.
static void compare_gradients(struct parity *p)
{
    const json_t *want = json_array_get(list_of(p, "steps"), 0);

    compare_tensors(p, p->plans[0], FIRST, GRAD_OUT, PROJECT, "layers",
                    SIDE_GRAD, NULL, json_object_get(want, "project_grad_out"));
    compare_tensors(p, p->plans[0], FIRST, GRAD_W, PROJECT, "used",
                    SIDE_GRAD, NULL, json_object_get(want, "project_grad_w"));
}

// Weights' norms come in double, by the taps of a step that changes nothing.
static void compare_end(struct parity *p)
{
    const json_t *final = list_of(p, "final"), *eval = list_of(p, "eval");
    size_t layers = json_array_size(list_of(p, "layers"));
    size_t last = json_array_size(list_of(p, "steps")) - 1;
    struct plan *plan = plan_of(p, last);
    const json_t *used = list_of(p, "used"), *all = list_of(p, "weights");
    struct result r = run(p, plan, last, MODE_GRAD);

    for (size_t i = 0, k = 0; i < json_array_size(all) &&
                              k < json_array_size(used); i++)
        if (strcmp(text(all, i), text(used, k)) == 0)
            note(p, LATER, WEIGHT, relative(r.taps[2 * (layers + k++)],
                 element(json_object_get(final, "weights"), i)), text(all, i));
    free(r.taps);
    compare_tensors(p, plan, LATER, WEIGHT, PROJECT_END, "weights", SIDE_VALUE,
                    NULL, json_object_get(final, "project_weights"));
    compare_tensors(p, plan, LATER, STATE, PROJECT_END, "states", SIDE_VALUE,
                    json_object_get(final, "states"),
                    json_object_get(final, "project_states"));

    r = run(p, plan, last, MODE_EVAL);
    free(r.taps);
    note(p, LATER, EVAL, relative(r.loss, number(eval, "loss")), "loss");
    compare_logits(p, plan, LATER, EVAL, json_object_get(eval, "logits"));
}

// ---- the verdict --------------------------------------------------------

// One line per row: "quantity error (where)" for all that was compared.
static int judge_row(const struct parity *p, int row)
{
    int mistakes = 0;

    print_message("# %s, %s, %s:", p->backend->name, p->name,
                  row == FIRST ? "step 1" : "later");
    for (int i = 0; i < WHATS; i++) {
        double bound = p->bounds->row[row][i], is = p->worst[row][i];
        bool bad = bound > 0 && !(is <= bound);

        mistakes += bad;
        if (bad)
            print_message(" %s %.1e (%s) ABOVE %.0e,", what_names[i], is,
                          p->where[row][i], bound);
        else if (is > 0)
            print_message(" %s %.1e,", what_names[i], is);
    }
    print_message("\n");
    return mistakes;
}

static bool held(const struct parity *p, int row)
{
    for (int i = 0; i < WHATS; i++)
        if (p->bounds->row[row][i] > 0)
            return true;
    return false;
}

static void test_parity(void **state)
{
    struct parity *p = *state;
    int mistakes;
    char *path = xasprintf("%s/dumps/parity_%s.json", getenv("GRADWATCH_TESTS"),
                           p->name);

    p->dump = json_load_file(path, 0, NULL);
    assert_non_null(p->dump);
    p->about = json_object_get(p->dump, "case");
    step(p, 0);
    if (p->bounds->row[FIRST][PROJECT] > 0)
        compare_gradients(p);
    if (held(p, LATER)) {
        for (size_t t = 1; t < json_array_size(list_of(p, "steps")); t++)
            step(p, t);
        if (p->bounds->row[LATER][PROJECT_END] > 0)
            compare_end(p);
    }
    for (int i = 1; i >= 0; i--) {
        p->backend->destroy(p->plans[i]);
        graph_free(p->graphs[i]);
    }
    json_decref(p->dump);
    free(path);
    mistakes = judge_row(p, FIRST);
    if (held(p, LATER))
        mistakes += judge_row(p, LATER);
    assert_int_equal(mistakes, 0);
}

#define PARITY(on, case_, bounds_)                                             \
    { "parity with PyTorch: " #case_ " on " #on, test_parity, NULL, NULL,      \
      &(struct parity){ .name = #case_, .backend = &backend_##on,              \
                        .bounds = &bounds_ } }

// An argument picks cases by a pattern: test_parity '*adam*'.
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PARITY(reference, resnet50_skip, in_double),
        PARITY(reference, resnet50_plain, in_double),
        PARITY(reference, resnet18_skip, in_double),
        PARITY(reference, resnet18_plain, in_double),
        PARITY(reference, resnet18_skip_none, in_double),
        PARITY(reference, resnet18_plain_none, in_double),
        PARITY(reference, resnet18_stages, in_double),
        PARITY(reference, resnet50_width, in_double),
        PARITY(reference, adam, in_double),
        PARITY(reference, adamw, in_double),
        PARITY(reference, short, in_double),
        PARITY(reference, vgg11, in_double),
        PARITY(reference, vgg11_norm, in_double),
        PARITY(reference, vgg38, in_double),
        PARITY(cpu, first_skip, skip_in_float),
        PARITY(cpu, first_plain, plain_in_float),
        PARITY(cpu, slow_skip, slow_in_float),
        PARITY(cpu, resnet50_width, skip_in_float),
        PARITY(cpu, resnet18_skip, short_in_float),
        PARITY(cpu, resnet18_plain, short_in_float),
        PARITY(cpu, resnet18_stages, short_in_float),
        PARITY(cpu, vgg11, calm_in_float),
        PARITY(cpu, vgg11_norm, biased_in_float),
        PARITY(cpu, resnet18_skip_none, calm_in_float),
        PARITY(cpu, resnet18_plain_none, calm_in_float),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
