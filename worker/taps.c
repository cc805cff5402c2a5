#include "worker/taps.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "model/nets.h"

static bool is_notebook_layer(const char *name)
{
    for (int i = 0; job_notebook_layers[i]; i++)
        if (!strcmp(job_notebook_layers[i], name))
            return true;
    return false;
}

static bool matches(const char *entry, const char *layer)
{
    if (!strcmp(entry, "all"))
        return true;
    if (!strcmp(entry, "notebook"))
        return is_notebook_layer(layer);
    return fnmatch(entry, layer, 0) == 0;
}

bool taps_want(const struct job *job, const char *layer)
{
    for (int e = 0; e < job->record.n_layers; e++)
        if (matches(job->record.layers[e], layer))
            return true;
    return false;
}

static json_t *problem(const struct job *job, int entry)
{
    char pointer[64] = "/record/layers";
    const char *text = job->record.layers[entry];

    if (!job->record.layers_word)
        snprintf(pointer, sizeof pointer, "/record/layers/%d", entry);
    char *message = xasprintf("matches no layer of %s; its layers are those "
        "convolutions and linear layers that run, such as conv1 or fc",
        job->model.arch);
    json_t *row = json_pack("{s:s, s:s, s:s}", "pointer", pointer,
                            "value", text, "message", message);
    free(message);
    return row;
}

// ---- what a quantity is made of ------------------------------------------

// IN is the input of a block whose skip is the identity, BRANCH what the branch
// gives to the addition: the gradient there is what goes back by the skip.
enum part_of { PART_NONE, PART_OUT, PART_WEIGHT, PART_ACT, PART_IN,
               PART_BRANCH };
struct part { enum part_of of; enum side side; enum measure measure; };

static const struct {
    enum tap_rule rule;
    struct part   a, b;
    bool          rms;                  // over the root of a's elements
} recipes[] = {
    [QUANTITY_GRAD_OUT]    = { .a = { PART_OUT, SIDE_GRAD, MEASURE_NORM } },
    [QUANTITY_GRAD_W]      = { .a = { PART_WEIGHT, SIDE_GRAD, MEASURE_NORM } },
    [QUANTITY_WEIGHT]      = { .a = { PART_WEIGHT, SIDE_VALUE, MEASURE_NORM } },
    [QUANTITY_GRAD_RMS]    = { .a = { PART_OUT, SIDE_GRAD, MEASURE_NORM },
                               .rms = true },
    [QUANTITY_UPDATE]      = { .rule = TAP_RATIO,
                               { PART_WEIGHT, SIDE_VALUE, MEASURE_CHANGE },
                               { PART_WEIGHT, SIDE_VALUE, MEASURE_NORM } },
    [QUANTITY_ACT_MEAN]    = { .a = { PART_ACT, SIDE_VALUE, MEASURE_MEAN } },
    [QUANTITY_ACT_STD]     = { .a = { PART_ACT, SIDE_VALUE, MEASURE_STD } },
    [QUANTITY_ACT_ZEROS]   = { .a = { PART_ACT, SIDE_VALUE, MEASURE_ZEROS } },
    [QUANTITY_GRAD_SAMPLE] = { .a = { PART_OUT, SIDE_GRAD, MEASURE_SAMPLES } },
    [QUANTITY_WEIGHT_GRAD] = { .rule = TAP_PRODUCT,
                               { PART_WEIGHT, SIDE_VALUE, MEASURE_NORM },
                               { PART_WEIGHT, SIDE_GRAD, MEASURE_NORM } },
    [QUANTITY_BRANCH_SHARE] = { .rule = TAP_SHARE,
                               { PART_IN, SIDE_GRAD, MEASURE_BRANCH },
                               { PART_BRANCH, SIDE_GRAD, MEASURE_NORM } },
};

static bool is_of_block(enum job_quantity quantity)
{
    return recipes[quantity].a.of == PART_IN;
}

// The node that reads v and is a norm, an addition or a relu; or -1.
static int behind(const struct graph *g, val v)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];

        if ((n->in[0] == v || n->in[1] == v) &&
            (n->op == OP_NORM || n->op == OP_ADD || n->op == OP_RELU))
            return i;
    }
    return -1;
}

// The first relu's output behind a layer, past its norm and the addition of a
// skip; BAD_VAL when there is none.
static val activation_of(const struct graph *g, val layer)
{
    val v = layer;

    for (int i = behind(g, v); i >= 0; i = behind(g, v)) {
        v = g->nodes[i].out;
        if (g->nodes[i].op == OP_RELU)
            return v;
    }
    return BAD_VAL;
}

// "layer1.1" of the layer whose output, or its norm's, is what the branch of
// that block gives, where the skip is the identity; NULL of others. The caller
// frees.
static char *block_of(const struct graph *g, const char *layer)
{
    val v = graph_find(g, layer);
    int i = behind(g, v);

    if (i >= 0 && g->nodes[i].op == OP_NORM)
        i = behind(g, v = g->nodes[i].out);
    if (i < 0 || g->nodes[i].op != OP_ADD || g->nodes[i].in[0] != v ||
        graph_branch(g, g->nodes[i].in[1]) < 0)
        return NULL;
    char *name = xstrdup(g->values[g->nodes[i].out].name);
    *strrchr(name, '.') = '\0';
    return name;
}

// The addition at a block's end.
static const struct node *block_end(const struct graph *g, const char *block)
{
    char *name = xasprintf("%s.add", block);
    val v = graph_find(g, name);

    free(name);
    return &g->nodes[g->values[v].producer];
}

// layer is a block's name for the parts IN and BRANCH.
static val part_value(const struct graph *g, const char *layer,
                      enum part_of part)
{
    if (part == PART_IN || part == PART_BRANCH)
        return block_end(g, layer)->in[part == PART_IN];
    val v = graph_find(g, layer);

    if (part == PART_ACT)
        return activation_of(g, v);
    return part == PART_OUT ? v
                            : g->nodes[g->values[v].producer].param[0];
}

// ---- choosing ------------------------------------------------------------

// Layers without the part that the quantity is about have no row.
static void add_taps(struct taps *out, const struct graph *g,
                     const struct net_layer *layers, int n,
                     const bool *wanted, enum job_quantity quantity)
{
    for (int i = 0; i < n; i++) {
        const char *layer = layers[i].name;
        char *name = NULL;

        if (wanted[i] && is_of_block(quantity))
            name = block_of(g, layer);
        else if (wanted[i] && part_value(g, layer, recipes[quantity].a.of) !=
                 BAD_VAL)
            name = xstrdup(layer);
        if (name)
            out->tap[out->n++] = (struct record_tap){ name, quantity };
    }
}

int taps_select(const struct job *job, const struct graph *g,
                struct taps *out, json_t **problems)
{
    struct net_layer *layers = NULL;
    int n = net_layers(g, &layers);
    bool *wanted = xcalloc((size_t)n, sizeof *wanted);
    json_t *bad = json_array();

    for (int e = 0; e < job->record.n_layers; e++) {
        bool any = false;
        for (int i = 0; i < n; i++)
            if (matches(job->record.layers[e], layers[i].name))
                any = wanted[i] = true;
        if (!any)
            json_array_append_new(bad, problem(job, e));
    }
    *out = (struct taps){
        .tap = xcalloc((size_t)n * QUANTITY_COUNT, sizeof *out->tap),
    };
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (job->record.quantities & (1u << q))
            add_taps(out, g, layers, n, wanted, (enum job_quantity)q);
    free(wanted);
    free(layers);
    if (json_array_size(bad) == 0) {
        json_decref(bad);
        return 0;
    }
    taps_clear(out);
    *problems = bad;
    return ERR_SPEC;
}

// ---- measuring -----------------------------------------------------------

// The number of the graph's tap for a part, made when new. Several quantities
// may want the same one.
static int tap_of(struct graph *g, const char *layer, struct part part)
{
    val v = part_value(g, layer, part.of);

    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].value == v && g->taps[i].side == part.side &&
            g->taps[i].measure == part.measure)
            return i;
    if (part.measure == MEASURE_NORM)
        graph_tap(g, v, part.side);
    else
        graph_tap_as(g, v, part.measure);
    return g->n_taps - 1;
}

struct tap_source *taps_apply(const struct taps *t, struct graph *g)
{
    struct tap_source *out = xcalloc((size_t)t->n, sizeof *out);

    for (int i = 0; i < t->n; i++) {
        const struct record_tap *tap = &t->tap[i];
        int q = tap->quantity;
        val v = part_value(g, tap->layer, recipes[q].a.of);

        out[i] = (struct tap_source){ .rule = recipes[q].rule,
            .a = tap_of(g, tap->layer, recipes[q].a), .scale = 1 };
        if (recipes[q].b.of != PART_NONE)
            out[i].b = tap_of(g, tap->layer, recipes[q].b);
        if (recipes[q].rms)
            out[i].scale = 1 / sqrt((double)graph_elements(g, v));
    }
    return out;
}

void taps_values(const struct taps *t, const struct tap_source *sources,
                 const double *measured, double *out)
{
    for (int i = 0; i < t->n; i++) {
        const struct tap_source *s = &sources[i];
        double a = measured[s->a], b = measured[s->b];

        if (s->rule == TAP_PRODUCT)
            a *= b;
        else if (s->rule == TAP_SHARE)              // of nothing: not a number
            a /= a + b;
        else if (s->rule == TAP_RATIO && a != 0)    // 0 when nothing moves
            a /= b;
        out[i] = a * s->scale;
    }
}

void taps_clear(struct taps *t)
{
    for (int i = 0; i < t->n; i++)
        free((char *)t->tap[i].layer);
    free(t->tap);
    *t = (struct taps){ 0 };
}
