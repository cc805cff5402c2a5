/* model/graph.c: builders, and the checks they make.
 *
 * Builders keep the first mistake in g->err and do nothing from then on. What
 * is declared while g->unused has no rows but its parameters: its outputs are
 * ghosts, values below BAD_VAL that have a shape and can only be read by
 * further unused declarations.
 */
#include "model/graph.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

// Room for one more row; capacities are powers of two, so n tells them.
static void *grow(void *rows, int n, size_t size)
{
    if (n & (n - 1))
        return rows;
    return xrealloc(rows, (n ? 2 * (size_t)n : 1) * size);
}

// Ghost i is the val BAD_VAL - 1 - i.
static val ghost_new(struct graph *g, struct shape s)
{
    g->ghosts = grow(g->ghosts, g->n_ghosts, sizeof *g->ghosts);
    g->ghosts[g->n_ghosts++] = s;
    return BAD_VAL - g->n_ghosts;
}

static int ghost_row(val v)
{
    return BAD_VAL - 1 - v;
}

struct graph *graph_new(enum start start)
{
    struct graph *g = xcalloc(1, sizeof *g);

    g->start = start;
    g->input = g->logits = g->loss = BAD_VAL;
    return g;
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    for (int v = 0; v < g->n_values; v++)
        free(g->values[v].name);
    free(g->values);
    free(g->nodes);
    free(g->taps);
    free(g->ghosts);
    free(g);
}

void graph_prefix(struct graph *g, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(g->prefix, sizeof g->prefix, fmt, args);
    va_end(args);
}

void graph_unused(struct graph *g, bool on)
{
    g->unused = on;
}

struct shape graph_shape(const struct graph *g, val v)
{
    if (v >= 0 && v < g->n_values)
        return g->values[v].shape;
    if (v < BAD_VAL && ghost_row(v) < g->n_ghosts)
        return g->ghosts[ghost_row(v)];
    return (struct shape){ 0 };
}

int64_t graph_elements(const struct graph *g, val v)
{
    struct shape s = graph_shape(g, v);

    return (int64_t)s.n * s.c * s.h * s.w;
}

val graph_find(const struct graph *g, const char *name)
{
    for (val v = 0; v < g->n_values; v++)
        if (strcmp(g->values[v].name, name) == 0)
            return v;
    return BAD_VAL;
}

bool graph_is_layer(const struct graph *g, int node)
{
    return g->nodes[node].op == OP_CONV || g->nodes[node].op == OP_LINEAR;
}

int graph_only_reader(const struct graph *g, val v)
{
    int reader = -1, n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < MAX_IN; k++)
            if (g->nodes[i].in[k] == v) {
                reader = i;
                n++;
            }
    return n == 1 ? reader : -1;
}

bool graph_is_linear(const struct graph *g, int node)
{
    const struct node *n = &g->nodes[node];
    struct shape y = graph_shape(g, n->out);

    return n->op == OP_LINEAR ||
           (n->op == OP_CONV && n->at.conv.k > 1 && n->at.conv.pad == 0 &&
            y.h == 1 && y.w == 1);
}

void graph_tap(struct graph *g, val v, enum side side)
{
    if (g->err.code)
        return;
    assert(v >= 0 && v < g->n_values);
    assert(g->values[v].role != ROLE_STATE);
    assert(g->values[v].role == ROLE_ACT || g->values[v].used);
    assert(side == SIDE_VALUE || g->values[v].needs_grad);
    g->taps = grow(g->taps, g->n_taps, sizeof *g->taps);
    g->taps[g->n_taps++] = (struct tap){ v, side, MEASURE_NORM };
}

void graph_tap_as(struct graph *g, val v, enum measure measure)
{
    if (g->err.code)
        return;
    bool grad = measure == MEASURE_SAMPLES || measure == MEASURE_BRANCH;
    graph_tap(g, v, grad ? SIDE_GRAD : SIDE_VALUE);
    assert((measure == MEASURE_CHANGE) == (g->values[v].role == ROLE_PARAM));
    assert(measure != MEASURE_BRANCH || graph_branch(g, v) >= 0);
    g->taps[g->n_taps - 1].measure = measure;
}

int graph_branch(const struct graph *g, val v)
{
    int branch = -1, sum = -1;

    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];

        if (n->in[0] != v && n->in[1] != v)
            continue;
        int *what = n->op == OP_ADD ? &sum : &branch;
        if (*what >= 0)
            return -1;                  // more than one of a kind
        *what = i;
    }
    return branch >= 0 && branch < sum ? branch : -1;
}

// ---- rows ----------------------------------------------------------------

static val value_new(struct graph *g, const char *name, const char *suffix,
                     struct value v)
{
    v.name = xasprintf("%s%s%s", g->prefix, name, suffix);
    g->values = grow(g->values, g->n_values, sizeof *g->values);
    g->values[g->n_values] = v;
    return g->n_values++;
}

static val param_new(struct graph *g, const char *name, const char *suffix,
                     struct shape s, enum fill fill, double scale)
{
    return value_new(g, name, suffix, (struct value){
        .shape = s, .role = ROLE_PARAM, .producer = -1, .param = g->n_params++,
        .used = !g->unused, .needs_grad = !g->unused,
        .fill = fill, .scale = scale });
}

static val state_new(struct graph *g, const char *name, const char *suffix,
                     struct shape s, enum fill fill)
{
    return value_new(g, name, suffix, (struct value){
        .shape = s, .role = ROLE_STATE, .producer = -1, .param = -1,
        .used = !g->unused, .fill = fill });
}

static struct node node_of(enum op op, val a, val b)
{
    struct node n = { .op = op, .in = { a, b }, .out = BAD_VAL };

    for (int i = 0; i < MAX_PARAM; i++)
        n.param[i] = BAD_VAL;
    return n;
}

// Adds the node and the value it makes, which a gradient reaches when it
// reaches an input or there is something to learn.
static val node_new(struct graph *g, const char *name, struct node n,
                    struct shape s)
{
    bool needs_grad = n.param[0] != BAD_VAL;

    if (g->unused)
        return ghost_new(g, s);
    for (int i = 0; i < MAX_IN && n.in[i] != BAD_VAL; i++) {
        g->values[n.in[i]].used = true;
        needs_grad |= g->values[n.in[i]].needs_grad;
    }
    n.out = value_new(g, name, "", (struct value){
        .shape = s, .role = ROLE_ACT, .producer = g->n_nodes, .param = -1,
        .needs_grad = needs_grad });
    g->nodes = grow(g->nodes, g->n_nodes, sizeof *g->nodes);
    g->nodes[g->n_nodes++] = n;
    return n.out;
}

// ---- checks --------------------------------------------------------------

__attribute__((format(printf, 3, 4)))
static val mistake(struct graph *g, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fail(&g->err, ERR_SPEC, "%s%s: %s", g->prefix, name, text);
    return BAD_VAL;
}

// Whether the op called name may read x; false keeps a mistake.
static bool readable(struct graph *g, val x, const char *name)
{
    if (g->err.code)
        return false;
    if (x >= 0 && x < g->n_values && g->values[x].role == ROLE_ACT)
        return true;
    if (x < BAD_VAL && ghost_row(x) < g->n_ghosts) {
        if (!g->unused)
            mistake(g, name, "reads a value of a branch that is declared "
                    "unused");
        return g->unused;
    }
    mistake(g, name, "its input is not an activation of this network");
    return false;
}

static bool at_least(struct graph *g, const char *name, const char *what,
                     int is, int least)
{
    if (is < least)
        mistake(g, name, "%s is %d, must be %d or more", what, is, least);
    return is >= least;
}

// Both sides of an image after a k x k window went over it; false when the
// window does not fit.
static bool slide(struct graph *g, const char *name, struct shape *s, int k,
                  int stride, int pad)
{
    if (!at_least(g, name, "window", k, 1) ||
        !at_least(g, name, "stride", stride, 1) ||
        !at_least(g, name, "padding", pad, 0))
        return false;
    if (s->h + 2 * pad < k || s->w + 2 * pad < k) {
        mistake(g, name, "a window of %d x %d with padding %d does not fit "
                "an image of %d x %d", k, k, pad, s->h, s->w);
        return false;
    }
    s->h = (s->h + 2 * pad - k) / stride + 1;
    s->w = (s->w + 2 * pad - k) / stride + 1;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Names are how taps, checkpoints and dumps find values.
static void check_names(struct graph *g)
{
    char **names = xcalloc((size_t)g->n_values + 1, sizeof *names);

    for (int v = 0; v < g->n_values; v++)
        names[v] = g->values[v].name;
    qsort(names, (size_t)g->n_values, sizeof *names, by_name);
    for (int v = 1; v < g->n_values && !g->err.code; v++)
        if (strcmp(names[v - 1], names[v]) == 0)
            fail(&g->err, ERR_SPEC, "%s: two values of this name", names[v]);
    free(names);
}

static void check_ends(struct graph *g)
{
    if (g->loss == BAD_VAL) {
        fail(&g->err, ERR_SPEC, "the network has no loss");
        return;
    }
    for (int v = 0; v < g->n_values && !g->err.code; v++)
        if (g->values[v].role == ROLE_ACT && v != g->loss && !g->values[v].used)
            fail(&g->err, ERR_SPEC, "%s: nothing reads it",
                 g->values[v].name);
}

int graph_seal(struct graph *g, struct error *err)
{
    g->prefix[0] = '\0';
    g->unused = false;
    if (!g->err.code)
        check_ends(g);
    if (!g->err.code)
        check_names(g);
    if (!g->err.code)
        return 0;
    return fail(err, g->err.code, "%s", g->err.text);
}

// ---- builders ------------------------------------------------------------

val graph_input(struct graph *g, struct shape s, struct input at)
{
    struct node n = node_of(OP_INPUT, BAD_VAL, BAD_VAL);

    n.at.input = at;
    if (g->err.code)
        return BAD_VAL;
    if (g->input != BAD_VAL)
        return mistake(g, "input", "a network has one");
    if (s.n < 1 || s.c < 1 || s.h < 1 || s.w < 1)
        return mistake(g, "input", "%d images of %d x %d x %d; each must be "
                       "1 or more", s.n, s.c, s.h, s.w);
    return g->input = node_new(g, "input", n, s);
}

val graph_conv(struct graph *g, val x, const char *name, struct conv at)
{
    struct node n = node_of(OP_CONV, x, BAD_VAL);
    struct shape s = graph_shape(g, x);
    int in = s.c;

    if (at.stride == 0)
        at.stride = 1;
    n.at.conv = at;
    if (!readable(g, x, name) ||
        !at_least(g, name, "output channels", at.out, 1) ||
        !slide(g, name, &s, at.k, at.stride, at.pad))
        return BAD_VAL;

    double area = (double)at.k * at.k;
    double bound = 1.0 / sqrt(in * area);
    bool normal = g->start == START_KAIMING;
    n.param[0] = param_new(g, name, ".weight",
                           (struct shape){ at.out, in, at.k, at.k },
                           normal ? FILL_NORMAL : FILL_UNIFORM,
                           normal ? sqrt(2.0 / (at.out * area)) : bound);
    if (at.bias)
        n.param[1] = param_new(g, name, ".bias",
                               (struct shape){ at.out, 1, 1, 1 },
                               FILL_UNIFORM, bound);
    s.c = at.out;
    return node_new(g, name, n, s);
}

val graph_norm(struct graph *g, val x, const char *name, struct norm at)
{
    struct node n = node_of(OP_NORM, x, BAD_VAL);
    struct shape s = graph_shape(g, x), vector = { s.c, 1, 1, 1 };

    if (at.eps == 0)
        at.eps = 1e-5;
    if (at.momentum == 0)
        at.momentum = 0.1;
    n.at.norm = at;
    if (!readable(g, x, name))
        return BAD_VAL;
    n.param[0] = param_new(g, name, ".weight", vector, FILL_ONE, 0);
    n.param[1] = param_new(g, name, ".bias", vector, FILL_ZERO, 0);
    n.param[2] = state_new(g, name, ".running_mean", vector, FILL_ZERO);
    n.param[3] = state_new(g, name, ".running_var", vector, FILL_ONE);
    return node_new(g, name, n, s);
}

val graph_relu(struct graph *g, val x, const char *name)
{
    if (!readable(g, x, name))
        return BAD_VAL;
    return node_new(g, name, node_of(OP_RELU, x, BAD_VAL), graph_shape(g, x));
}

val graph_add(struct graph *g, val a, val b, const char *name)
{
    struct shape s = graph_shape(g, a), t = graph_shape(g, b);

    if (!readable(g, a, name) || !readable(g, b, name))
        return BAD_VAL;
    if (s.n != t.n || s.c != t.c || s.h != t.h || s.w != t.w)
        return mistake(g, name, "cannot add %d x %d x %d and %d x %d x %d",
                       s.c, s.h, s.w, t.c, t.h, t.w);
    return node_new(g, name, node_of(OP_ADD, a, b), s);
}

val graph_maxpool(struct graph *g, val x, const char *name, struct maxpool at)
{
    struct node n = node_of(OP_MAXPOOL, x, BAD_VAL);
    struct shape s = graph_shape(g, x);

    n.at.maxpool = at;
    if (!readable(g, x, name) ||
        !slide(g, name, &s, at.k, at.stride, at.pad))
        return BAD_VAL;
    if (2 * at.pad > at.k)              // a window could see padding only
        return mistake(g, name, "padding is %d, must be at most half the "
                       "window of %d", at.pad, at.k);
    return node_new(g, name, n, s);
}

val graph_avgpool(struct graph *g, val x, const char *name)
{
    struct shape s = graph_shape(g, x);

    if (!readable(g, x, name))
        return BAD_VAL;
    s.h = s.w = 1;
    return node_new(g, name, node_of(OP_AVGPOOL, x, BAD_VAL), s);
}

val graph_linear(struct graph *g, val x, const char *name, struct linear at)
{
    struct node n = node_of(OP_LINEAR, x, BAD_VAL);
    struct shape s = graph_shape(g, x);

    n.at.linear = at;
    if (!readable(g, x, name) ||
        !at_least(g, name, "outputs", at.out, 1))
        return BAD_VAL;
    if (s.h != s.w)
        return mistake(g, name, "takes a square image, not %d x %d", s.h, s.w);
    if (s.h > 1) {
        n.op = OP_CONV;
        n.at.conv = (struct conv){ at.out, s.h, 1, 0, true };
    }

    double bound = 1.0 / sqrt((double)s.c * s.h * s.w);
    n.param[0] = param_new(g, name, ".weight",
                           (struct shape){ at.out, s.c, s.h, s.w },
                           FILL_UNIFORM, bound);
    n.param[1] = param_new(g, name, ".bias", (struct shape){ at.out, 1, 1, 1 },
                           FILL_UNIFORM, bound);
    s = (struct shape){ s.n, at.out, 1, 1 };
    return node_new(g, name, n, s);
}

val graph_xent(struct graph *g, val logits)
{
    struct shape s = graph_shape(g, logits), one = { 1, 1, 1, 1 };

    if (!readable(g, logits, "loss"))
        return BAD_VAL;
    if (g->loss != BAD_VAL)
        return mistake(g, "loss", "a network has one");
    if (s.h != 1 || s.w != 1)
        return mistake(g, "loss", "takes one number per class, not %d x %d",
                       s.h, s.w);
    g->logits = logits;
    return g->loss = node_new(g, "loss", node_of(OP_XENT, logits, BAD_VAL),
                              one);
}
