/* tests/steps.h: short hands for tests that run plans of small networks. What
 * fails in them fails the running test. Include after cmocka.h. */
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/mem.h"
#include "common/rng.h"
#include "model/init.h"

static inline void check(int rc, const struct error *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static inline void seal(struct graph *g)
{
    struct error err = { 0 };

    check(graph_seal(g, &err), &err);
}

// Everything is kept, one slot, one thread unless o says otherwise.
static inline struct plan *compile(const struct backend *b,
                                   const struct graph *g, struct plan_opts o,
                                   struct plan *share)
{
    struct plan *plan = NULL;
    struct error err = { 0 };

    o.keep_all = true;
    o.slots = o.slots ? o.slots : 1;
    o.threads = o.threads ? o.threads : 1;
    check(b->compile(g, &o, share, &plan, &err), &err);
    return plan;
}

static inline val named(const struct plan *plan, const char *name)
{
    val v = graph_find(plan->graph, name);

    if (v == BAD_VAL)
        fail_msg("no value is called %s", name);
    return v;
}

static inline void put(struct plan *plan, const char *name, enum side side,
                       const float *src)
{
    struct error err = { 0 };

    check(plan->backend->write(plan, named(plan, name), side, src, &err), &err);
}

static inline float *get_val(struct plan *plan, val v, enum side side)
{
    float *x = xcalloc((size_t)graph_elements(plan->graph, v), sizeof *x);
    struct error err = { 0 };

    check(plan->backend->read(plan, v, side, x, &err), &err);
    return x;
}

// The caller frees.
static inline float *get(struct plan *plan, const char *name, enum side side)
{
    return get_val(plan, named(plan, name), side);
}

// First weights by seed; norms get a weight around 1 and a bias around 0, so
// that no gradient is 0 by symmetry.
static inline void start(struct plan *plan, uint64_t seed)
{
    const struct graph *g = plan->graph;
    struct error err = { 0 };

    check(init_plan(plan, seed, &err), &err);
    for (val v = 0; v < g->n_values; v++) {
        const struct value *row = &g->values[v];
        if (row->role != ROLE_PARAM ||
            (row->fill != FILL_ONE && row->fill != FILL_ZERO))
            continue;
        float *x = get_val(plan, v, SIDE_VALUE);
        for (int64_t i = 0; i < graph_elements(g, v); i++)
            x[i] += (float)(0.3 * rng_unit(seed, 1000 + (uint64_t)v,
                                           (uint64_t)i));
        check(plan->backend->write(plan, v, SIDE_VALUE, x, &err), &err);
        free(x);
    }
}

// Input values of variance 1, by seed; the caller frees.
static inline float *images_of(const struct graph *g, uint64_t seed)
{
    int64_t n = graph_elements(g, g->input);
    float *x = xcalloc((size_t)n, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(rng_unit(seed, 65536, (uint64_t)i) * 1.7320508);
    return x;
}

// One step in slot 0; taps may be NULL.
static inline struct result step(struct plan *plan, enum mode mode, double rate,
                                 const float *values, const int32_t *labels,
                                 double *taps)
{
    struct slot *slot = plan->backend->slot(plan, 0);
    struct result r = { .taps = taps };
    struct error err = { 0 };
    int n = graph_shape(plan->graph, plan->graph->input).n;

    for (int i = 0; i < n; i++)
        slot->labels[i] = labels[i];
    slot->values = values;
    check(plan->backend->submit(plan, 0, mode, rate, &err), &err);
    check(plan->backend->collect(plan, &r, &err), &err);
    return r;
}

// A residual net of a few hundred weights; one branch is held but not used.
static inline struct graph *small_net(int batch, bool norm)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ batch, 3, 8, 8 },
                        (struct input){ 0 });

    x = graph_conv(g, x, "c1", (struct conv){ .out = 8, .k = 3, .pad = 1,
                                              .bias = !norm });
    if (norm)
        x = graph_norm(g, x, "n1", (struct norm){ 0 });
    x = graph_relu(g, x, "r1");
    val y = graph_conv(g, x, "c2", (struct conv){ .out = 8, .k = 3, .pad = 1,
                                                  .bias = !norm });
    if (norm)
        y = graph_norm(g, y, "n2", (struct norm){ 0 });
    graph_unused(g, true);
    graph_conv(g, x, "spare", (struct conv){ .out = 8, .k = 1 });
    graph_unused(g, false);
    x = graph_relu(g, graph_add(g, y, x, "add"), "r2");
    x = graph_avgpool(g, x, "mean");
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 5 }));
    seal(g);
    return g;
}

static inline void close_to(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance))
        fail_msg("%.9g is not %.9g within %.1e", is, want, tolerance);
}

// Element by element, relative to the largest of want.
static inline void same(const float *is, const float *want, int64_t n,
                        double tolerance)
{
    double largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++)
        close_to(is[i], want[i], tolerance * largest);
}

static inline int64_t size_of(const struct plan *plan, const char *name)
{
    return graph_elements(plan->graph, named(plan, name));
}

// The same tests on every backend: they get one as their state. Values cross
// the seam as float32, which alone is 6e-8; a float backend's sums of a few
// hundred products add some 1e-6.
struct subject { const struct backend *backend; double tolerance; };
#define REFERENCE { &backend_reference, 2e-7 }
#define CPU       { &backend_cpu, 1e-5 }
#define TEST(f, subject) { #f " on " #subject, f, NULL, NULL, &subject }
