/* The reference backend: plan and step. What the ops mean is in
 * reference_ops.c and reference_conv.c. submit() does the whole step at once;
 * collect() hands over what came out. */
#include "model/reference.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "model/plan.h"
#include "model/reference_ops.h"
#include "model/ring.h"

enum { SIDES = SIDE_OPTIM2 + 1 };

struct reference {
    struct plan       plan;             // first: the seam hands out this
    struct reference *owner;            // of the weights: itself or the plan
                                        // they are shared with
    int64_t           steps;            // the owner's counts
    double          **side[SIDES];      // by val; NULL where there is none
    struct ring       ring;
};

static struct reference *of(struct plan *plan)
{
    return (struct reference *)plan;
}

static const struct reference_op *const ops[OP_COUNT] = {
#define X(tag, stem) [OP_##tag] = &reference_op_##stem,
    GRAPH_OPS(X)
#undef X
};

// ---- optimizers: PyTorch's formulas -----------------------------------------

// v = d at the first step, momentum * v + d after; w -= rate * v.
static void update_sgd(const struct reference *r, double rate, val at)
{
    const struct optim *o = &r->plan.opts.optim;
    double *w = r->side[SIDE_VALUE][at], *dw = r->side[SIDE_GRAD][at];
    double *v = r->side[SIDE_OPTIM][at];

    for (int64_t i = 0; i < graph_elements(r->plan.graph, at); i++) {
        double d = dw[i] + o->weight_decay * w[i];
        v[i] = r->owner->steps ? o->momentum * v[i] + d : d;
        w[i] -= rate * v[i];
    }
}

// m and v: running means of d and d * d, corrected for having started at 0.
static void update_adam(const struct reference *r, double rate, val at)
{
    const struct optim *o = &r->plan.opts.optim;
    double *w = r->side[SIDE_VALUE][at], *dw = r->side[SIDE_GRAD][at];
    double *m = r->side[SIDE_OPTIM][at], *v = r->side[SIDE_OPTIM2][at];
    double t = (double)r->owner->steps + 1;
    double part1 = 1 - pow(o->beta1, t), part2 = 1 - pow(o->beta2, t);

    for (int64_t i = 0; i < graph_elements(r->plan.graph, at); i++) {
        double d = dw[i];
        if (o->kind == OPTIM_ADAMW)
            w[i] -= rate * o->weight_decay * w[i];
        else
            d += o->weight_decay * w[i];
        m[i] = o->beta1 * m[i] + (1 - o->beta1) * d;
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * d * d;
        w[i] -= rate * (m[i] / part1) / (sqrt(v[i] / part2) + o->eps);
    }
}

static void update(struct reference *r, double rate)
{
    const struct graph *g = r->plan.graph;

    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && g->values[v].needs_grad) {
            if (r->plan.opts.optim.kind == OPTIM_SGD)
                update_sgd(r, rate, v);
            else
                update_adam(r, rate, v);
        }
    r->owner->steps++;
}

// ---- a step -----------------------------------------------------------------

static void forward(struct pass *p)
{
    const struct graph *g = p->graph;

    for (int i = 0; i < g->n_nodes; i++)
        ops[g->nodes[i].op]->forward(p, &g->nodes[i]);
}

// Gradients start at 0, that of the loss at 1, and every op adds its part.
static void backward(struct pass *p, double *taps)
{
    const struct graph *g = p->graph;

    for (val v = 0; v < g->n_values; v++)
        if (p->grad[v])
            memset(p->grad[v], 0, elements(shape_of(p, v)) * sizeof(double));
    if (!p->grad[g->loss])
        return;                         // a network with nothing to learn
    *p->grad[g->loss] = 1;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        double *before = reference_branch_before(p, i);

        if (p->grad[g->nodes[i].out])
            ops[g->nodes[i].op]->backward(p, &g->nodes[i]);
        reference_branch(p, i, before, taps);
    }
}

static void step(struct reference *r, struct pass *p, double rate,
                 struct result *out)
{
    double start = clock_seconds(), tap_start = start, tap_end = start;
    double **before = xcalloc((size_t)p->graph->n_taps, sizeof *before);

    forward(p);
    if (p->mode != MODE_EVAL) {
        backward(p, out->taps);
        tap_start = clock_seconds();
        reference_measure(p, before, out->taps);
        tap_end = clock_seconds();
    }
    if (p->mode == MODE_TRAIN)
        update(r, rate);
    reference_changes(p, before, out->taps);
    free(before);
    out->loss = *p->value[p->graph->loss];
    out->correct = p->correct;
    out->millis = (float)(1e3 * (clock_seconds() - start));
    out->tap_millis = (float)(1e3 * (tap_end - tap_start));
}

static int reference_submit(struct plan *plan, int slot, enum mode mode,
                            double rate, struct error *err)
{
    struct reference *r = of(plan);
    int rc = plan_check_step(plan, slot, r->ring.waiting, mode, err);

    if (rc)
        return rc;
    struct pass p = {
        .graph = plan->graph, .slot = &r->ring.slots[slot], .mode = mode,
        .value = r->side[SIDE_VALUE], .grad = r->side[SIDE_GRAD],
        .threads = plan->opts.threads,
    };
    step(r, &p, rate, ring_next(&r->ring, mode));
    ring_push(&r->ring);
    return 0;
}

static int reference_collect(struct plan *plan, struct result *out,
                             struct error *err)
{
    return ring_collect(&of(plan)->ring, out, err);
}

static struct slot *reference_slot(struct plan *plan, int i)
{
    return &of(plan)->ring.slots[i];
}

static int reference_reside(struct plan *plan, const struct images *im,
                            struct error *err)
{
    (void)plan, (void)im, (void)err;
    return 0;                           // the main memory is the device's
}

// ---- values across the seam -------------------------------------------------

static int find_side(struct plan *plan, val v, enum side side, double **out,
                     struct error *err)
{
    int rc = plan_check_value(plan, v, err);

    if (rc)
        return rc;
    *out = of(plan)->side[side][v];
    return *out ? 0 : plan_lacks(plan->graph, v, side, err);
}

// As find_side(), of what a caller may write.
static int find_writable(struct plan *plan, val v, enum side side,
                         double **out, struct error *err)
{
    int rc = plan_check_write(plan, v, side, err);

    return rc ? rc : find_side(plan, v, side, out, err);
}

static int reference_write(struct plan *plan, val v, enum side side,
                           const float *src, struct error *err)
{
    double *x;
    int rc = find_writable(plan, v, side, &x, err);

    for (int64_t i = 0; !rc && i < graph_elements(plan->graph, v); i++)
        x[i] = src[i];
    return rc;
}

static int reference_read(struct plan *plan, val v, enum side side, float *dst,
                          struct error *err)
{
    double *x;
    int rc = find_side(plan, v, side, &x, err);

    for (int64_t i = 0; !rc && i < graph_elements(plan->graph, v); i++)
        dst[i] = (float)x[i];
    return rc;
}

static int reference_write_double(struct plan *plan, val v, enum side side,
                                  const double *src, struct error *err)
{
    double *x;
    int rc = find_writable(plan, v, side, &x, err);

    if (!rc)
        memcpy(x, src, (size_t)graph_elements(plan->graph, v) * sizeof *x);
    return rc;
}

static int reference_read_double(struct plan *plan, val v, enum side side,
                                 double *dst, struct error *err)
{
    double *x;
    int rc = find_side(plan, v, side, &x, err);

    if (!rc)
        memcpy(dst, x, (size_t)graph_elements(plan->graph, v) * sizeof *x);
    return rc;
}

static int64_t reference_steps(const struct plan *plan)
{
    return ((const struct reference *)plan)->owner->steps;
}

static void reference_set_steps(struct plan *plan, int64_t n)
{
    of(plan)->owner->steps = n;
}

// ---- plans ------------------------------------------------------------------

static void reference_destroy(struct plan *plan)
{
    struct reference *r = of(plan);

    if (!r)
        return;
    for (int side = 0; side < SIDES; side++) {
        for (val v = 0; v < plan->graph->n_values; v++)
            if (r->owner == r || plan->graph->values[v].role == ROLE_ACT)
                free(r->side[side][v]);
        free(r->side[side]);
    }
    ring_close(&r->ring);
    free(r);
}

static bool has_side(const struct value *v, enum side side)
{
    switch (side) {
    case SIDE_VALUE:  return true;
    case SIDE_GRAD:   return v->needs_grad;
    default:          return v->role == ROLE_PARAM;
    }
}

// Gives v room on every side it has, zeroes, or the room the owner has.
static int lay_value(struct reference *r, val v, struct error *err)
{
    const struct value *row = &r->plan.graph->values[v];
    size_t bytes = (size_t)graph_elements(r->plan.graph, v) * sizeof(double);

    for (int side = 0; side < SIDES; side++) {
        double **x = &r->side[side][v];
        if (r->owner != r && row->role != ROLE_ACT) {
            *x = r->owner->side[side][v];
        } else if (has_side(row, side)) {
            *x = calloc(1, bytes);
            if (!*x)
                return fail(err, ERR_MEMORY, "no memory for %s: %zu bytes",
                            row->name, bytes);
            r->plan.bytes += bytes;
        }
    }
    return 0;
}

static int reference_compile(const struct graph *g, const struct plan_opts *o,
                             struct plan *share, struct plan **out,
                             struct error *err)
{
    int rc = plan_check_slots(o, err);

    *out = NULL;
    if (!rc)
        rc = plan_check_share(&backend_reference, g, share, err);
    if (rc)
        return rc;
    struct reference *r = xcalloc(1, sizeof *r);
    r->plan = (struct plan){ &backend_reference, g, *o, 0 };
    if (o->threads < 1)
        r->plan.opts.threads = omp_get_num_procs();
    r->owner = share ? of(share)->owner : r;
    for (int side = 0; side < SIDES; side++)
        r->side[side] = xcalloc((size_t)g->n_values, sizeof(double *));
    ring_open(&r->ring, &r->plan);
    for (val v = 0; v < g->n_values && !rc; v++)
        rc = lay_value(r, v, err);
    if (rc)
        reference_destroy(&r->plan);
    else
        *out = &r->plan;
    return rc;
}

static int reference_probe(struct device_info *out, int max, int mine)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)mine;
    if (max > 0)
        *out = (struct device_info){
            .name = "plain loops in double",
            .bytes_total = page * (size_t)sysconf(_SC_PHYS_PAGES),
            .bytes_free = page * (size_t)sysconf(_SC_AVPHYS_PAGES),
        };
    return 1;
}

const struct backend backend_reference = {
    .name = "reference",
    .probe = reference_probe,
    .compile = reference_compile,
    .destroy = reference_destroy,
    .reside = reference_reside,
    .slot = reference_slot,
    .submit = reference_submit,
    .collect = reference_collect,
    .write = reference_write,
    .read = reference_read,
    .write_double = reference_write_double,
    .read_double = reference_read_double,
    .steps = reference_steps,
    .set_steps = reference_set_steps,
};
