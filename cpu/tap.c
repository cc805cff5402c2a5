/* cpu/tap.c: lists of taps by moment. A gradient is complete when the
 * backward stage of its producer begins, a value when its forward stage
 * ends, a parameter's gradient when its reader's backward stage does, and so
 * what comes back through a branch.
 *
 * A pass over memory that a step makes anyway takes the sums along where it is
 * one of loop.c's: updates, additions with their relu, what blocks add to the
 * gradient. For everything else a tap reads its numbers once more. */
#include "cpu/tap.h"

#include <math.h>
#include <stdlib.h>
#include "common/clock.h"
#include "common/mem.h"
#include "cpu/loop.h"
#include "cpu/optim.h"

struct tap_plan {
    struct tensor **what;               // by tap; NULL: the constant 1
    struct group  **seen;               // by tap; whose watch has it, or NULL
    struct watch   *watches;            // by node
    int            *next;               // by tap; -1 ends a list
    int            *first;              // by moment
    double         *partial;
};

static bool reads(const struct cpu_plan *p, const struct group *g, val param)
{
    for (int i = 0; i < MAX_PARAM; i++)
        if (plan_node(p, g)->param[i] == param)
            return true;
    return false;
}

// Whether it is the group in which v's branch begins.
static bool begins(const struct cpu_plan *p, const struct group *g, val v)
{
    return g->first == graph_branch(p->base.graph, v);
}

// Moments: two per stage, before and after, and one behind all.
static int moment_of(const struct cpu_plan *p, struct tap tap)
{
    const struct value *v = &p->base.graph->values[tap.value];
    const struct schedule *s = &p->schedule;

    for (int i = 0; i < s->n_stages; i++) {
        bool backward = s->stages[i].phase == PHASE_BACKWARD;
        const struct group *g = &p->groups[s->stages[i].node];

        if (tap.measure == MEASURE_BRANCH) {
            if (backward && begins(p, g, tap.value))
                return 2 * i + 1;
            continue;
        }
        if (v->role == ROLE_PARAM && backward && reads(p, g, tap.value))
            return 2 * i + 1;
        if (v->role == ROLE_ACT && g->out == tap.value &&
            backward == (tap.side == SIDE_GRAD))
            return 2 * i + !backward;
    }
    return 2 * s->n_stages;             // d(loss) / d(loss) of a net without
}                                       // parameters

static struct tensor *tensor_of(struct cpu_plan *p, struct tap tap)
{
    if (tap.measure == MEASURE_BRANCH)
        for (int i = 0; i < p->base.graph->n_nodes; i++)
            if (p->groups[i].op && begins(p, &p->groups[i], tap.value))
                return p->groups[i].added;
    if (p->base.graph->values[tap.value].role == ROLE_ACT)
        return tap.side == SIDE_VALUE ? p->value[tap.value]
                                      : p->grad[tap.value];
    struct layout any = { 0 };          // it has a place by now
    return tap.side == SIDE_VALUE ? plan_param(p, tap.value, any)
                                  : plan_param_grad(p, tap.value);
}

// ---- passes that a step makes anyway -------------------------------------

// Whether this group's backward stage leaves x as it was: it does not write
// there, or hands on what is masked already.
static bool leaves(const struct cpu_plan *p, const struct group *g,
                   const struct tensor *x)
{
    enum op op = plan_node(p, g)->op;
    bool writes = false;

    for (int k = 0; k < MAX_IN; k++)
        writes |= g->in[k] != BAD_VAL && p->grad[g->in[k]] == x;
    return !writes || ((op == OP_ADD || op == OP_RELU) &&
                       p->grad[g->out] == x && p->masked[g->out]);
}

static bool adds_masked(const struct cpu_plan *p, const struct group *g)
{
    return g->added && p->masked[g->in[0]];
}

// The group that adds to the gradient x, if that makes it what the tap finds.
static struct group *last_to_add(const struct cpu_plan *p,
                                 const struct tensor *x, int moment)
{
    for (int i = moment / 2 - 1; i >= 0; i--) {
        struct group *g = &p->groups[p->schedule.stages[i].node];

        if (p->schedule.stages[i].phase != PHASE_BACKWARD)
            break;
        if (leaves(p, g, x))
            continue;
        return adds_masked(p, g) && p->grad[g->in[0]] == x ? g : NULL;
    }
    return NULL;
}

static struct group *seen_by(const struct cpu_plan *p, struct tap tap,
                             const struct tensor *x, int moment)
{
    const struct stage *stages = p->schedule.stages;
    struct group *g;

    switch (tap.measure) {
    case MEASURE_MEAN: case MEASURE_STD: case MEASURE_ZEROS:
        g = &p->groups[stages[moment / 2].node];
        return g->relu && plan_node(p, g)->op == OP_ADD ? g : NULL;
    case MEASURE_BRANCH:
        g = &p->groups[stages[moment / 2].node];
        return adds_masked(p, g) ? g : NULL;
    case MEASURE_NORM:
        if (tap.side == SIDE_VALUE || !x ||
            p->base.graph->values[tap.value].role != ROLE_ACT)
            return NULL;
        return last_to_add(p, x, moment);
    default:
        return NULL;
    }
}

static double from_watch(const struct watch *w, enum measure measure)
{
    return measure == MEASURE_BRANCH ? w->adding.added : w->adding.result;
}

// ---- the plan ------------------------------------------------------------

// Working space for every pass over x, image by image too.
static size_t partials_of(const struct graph *g, struct tap tap,
                          const struct tensor *x)
{
    size_t n = x ? x->bytes / sizeof(float) : 0;
    size_t images = (size_t)graph_shape(g, tap.value).n;

    return tap.measure == MEASURE_SAMPLES ? images * loop_partials(n / images)
                                          : loop_partials(n);
}

static void watch(struct cpu_plan *p, struct tap_plan *t, int tap, int moment)
{
    struct group *g = seen_by(p, p->base.graph->taps[tap], t->what[tap],
                              moment);

    t->seen[tap] = g;
    if (g)
        g->watch = &t->watches[g - p->groups];
}

struct tap_plan *tap_new(struct cpu_plan *p)
{
    const struct graph *g = p->base.graph;
    struct tap_plan *t = xcalloc(1, sizeof *t);
    int moments = 2 * p->schedule.n_stages + 1;
    size_t most = 0;

    t->what = xcalloc((size_t)g->n_taps, sizeof(struct tensor *));
    t->seen = xcalloc((size_t)g->n_taps, sizeof(struct group *));
    t->watches = xcalloc((size_t)g->n_nodes, sizeof *t->watches);
    t->next = xcalloc((size_t)g->n_taps, sizeof *t->next);
    t->first = xcalloc((size_t)moments, sizeof *t->first);
    for (int m = 0; m < moments; m++)
        t->first[m] = -1;
    for (int i = 0; i < g->n_taps; i++) {
        int m = moment_of(p, g->taps[i]);

        t->next[i] = t->first[m];
        t->first[m] = i;
        t->what[i] = tensor_of(p, g->taps[i]);
        watch(p, t, i, m);
        size_t partials = partials_of(g, g->taps[i], t->what[i]);
        most = partials > most ? partials : most;
    }
    t->partial = xcalloc(most, sizeof(double));
    for (int i = 0; i < g->n_nodes; i++)
        t->watches[i].partial = t->partial;
    return t;
}

void tap_free(struct tap_plan *t)
{
    if (!t)
        return;
    free(t->what);
    free(t->seen);
    free(t->watches);
    free(t->next);
    free(t->first);
    free(t->partial);
    free(t);
}

// ---- measuring -----------------------------------------------------------

static size_t length(const struct tensor *t)
{
    return t->bytes / sizeof(float);
}

// Mean, deviation or zeros of n numbers whose tensor has `padding` more, all
// zero. What is not finite stays so.
static double moment(struct loop_sums s, double n, double padding,
                     enum measure what)
{
    double mean = s.sum / n, variance = s.squares / n - mean * mean;

    switch (what) {
    case MEASURE_MEAN: return mean;
    case MEASURE_STD:  return variance < 0 ? 0 : sqrt(variance);
    default:           return (s.zeros - padding) / n;
    }
}

// Sum over the images of their norms; *all is the norm of all. Mixed images are
// put in order first.
static double samples(struct cpu_plan *p, const struct tensor *x, int n,
                      double *all)
{
    size_t one = dnn_image(x->layout);
    float *plain = NULL;
    const float *at = x->data;

    if (!one) {
        struct layout to = dnn_plain_as(x->layout);
        one = dnn_bytes(to) / sizeof(float) / (size_t)n;
        at = plain = xmalloc(dnn_bytes(to));
        dnn_copy(&p->dnn, x->layout, x->data, to, plain, &p->dnn.err);
    }
    struct loop_images sums = loop_images(at, n, one, p->taps->partial);
    *all = sqrt(sums.squares);
    free(plain);
    return sums.norms;
}

// What several taps of a tensor have in common, kept from one to the next.
struct shared {
    const struct tensor *summed;        // whose sums these are
    struct loop_sums     sums;
    const struct tensor *sampled;       // whose norm this is
    double               norm;
};

static double measure_one(struct cpu_plan *p, int tap, struct shared *s)
{
    const struct tap_plan *t = p->taps;
    const struct graph *g = p->base.graph;
    const struct tensor *x = t->what[tap];
    val v = g->taps[tap].value;

    if (g->taps[tap].measure == MEASURE_CHANGE)
        return 0;                       // the update's; there is none
    if (!x)
        return 1;                       // d(loss) / d(loss)
    const struct watch *seen = t->seen[tap] ? t->seen[tap]->watch : NULL;
    switch (g->taps[tap].measure) {
    case MEASURE_NORM:
    case MEASURE_BRANCH:
        if (seen)
            return from_watch(seen, g->taps[tap].measure);
        return x == s->sampled ? s->norm
                               : loop_norm(x->data, length(x), t->partial);
    case MEASURE_SAMPLES:
        s->sampled = x;
        return samples(p, x, graph_shape(g, v).n, &s->norm);
    default:
        break;
    }
    double n = (double)graph_elements(g, v);
    if (seen)
        return moment(seen->out, n, (double)length(x) - n,
                      g->taps[tap].measure);
    if (x != s->summed)
        s->sums = loop_sums(x->data, length(x), t->partial);
    s->summed = x;
    return moment(s->sums, n, (double)length(x) - n, g->taps[tap].measure);
}

// Parameters that are updated are measured on that occasion.
static bool is_put_off(const struct cpu_plan *p, int tap)
{
    const struct graph *g = p->base.graph;

    return p->mode == MODE_TRAIN &&
           g->values[g->taps[tap].value].role == ROLE_PARAM;
}

static void measure(struct cpu_plan *p, int at)
{
    const struct tap_plan *t = p->taps;
    struct shared shared = { 0 };

    if (t->first[at] < 0 || p->mode == MODE_EVAL)
        return;
    double start = clock_seconds();
    for (int i = t->first[at]; i >= 0; i = t->next[i])
        if (!is_put_off(p, i))
            p->result->taps[i] = measure_one(p, i, &shared);
    p->result->tap_millis += (float)(1e3 * (clock_seconds() - start));
}

static double watched(const struct loop_watch *w, struct tap tap)
{
    if (tap.measure == MEASURE_CHANGE)
        return w->change;
    return tap.side == SIDE_GRAD ? w->grad : w->weight;
}

// The tapped parameter that lies first from there on in the blocks; BAD_VAL
// when there is none.
static val next_watched(const struct cpu_plan *p, int stage, size_t from)
{
    const struct tap_plan *t = p->taps;
    const struct stored *rows = p->store->rows;
    val found = BAD_VAL;

    for (int i = t->first[2 * stage + 1]; i >= 0; i = t->next[i]) {
        val v = p->base.graph->taps[i].value;
        if (is_put_off(p, i) && rows[v].offset >= from &&
            (found == BAD_VAL || rows[v].offset < rows[found].offset))
            found = v;
    }
    return found;
}

void tap_update(struct cpu_plan *p, int stage)
{
    const struct tap_plan *t = p->taps;
    const struct graph *g = p->base.graph;
    const struct group *group = &p->groups[p->schedule.stages[stage].node];
    size_t from = group->param_at, end = from + group->param_bytes;
    val v;

    while ((v = next_watched(p, stage, from)) != BAD_VAL) {
        const struct stored *row = &p->store->rows[v];
        struct loop_watch w = { .partial = t->partial };

        optim_update(p->store, from, row->offset - from);
        optim_watch(p->store, row->offset, dnn_bytes(row->layout), &w);
        from = row->offset + dnn_bytes(row->layout);
        for (int i = t->first[2 * stage + 1]; i >= 0; i = t->next[i])
            if (g->taps[i].value == v)
                p->result->taps[i] = watched(&w, g->taps[i]);
    }
    optim_update(p->store, from, end - from);
}

void tap_before(struct cpu_plan *p, int stage)
{
    measure(p, 2 * stage);
}

void tap_after(struct cpu_plan *p, int stage)
{
    measure(p, 2 * stage + 1);
}

void tap_end(struct cpu_plan *p)
{
    measure(p, 2 * p->schedule.n_stages);
}
