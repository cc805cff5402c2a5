/* model/nets.c: the table of networks, and what people ask about one. */
#include "model/nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "model/arena.h"
#include "model/schedule.h"

static const struct {
    const char *name;
    val       (*build)(struct graph *g, val x, const struct net_opts *o);
} TABLE[] = {
#define X(name) { #name, net_##name },
    NETS(X)
#undef X
};

const char *const net_names[] = {
#define X(name) #name,
    NETS(X)
#undef X
    NULL
};

static int row_of(const char *arch)
{
    for (int i = 0; net_names[i]; i++)
        if (strcmp(net_names[i], arch) == 0)
            return i;
    return -1;
}

static int unknown(const char *arch, struct error *err)
{
    char names[128] = "";

    for (int i = 0; net_names[i]; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, " %s", net_names[i]);
    }
    return fail(err, ERR_SPEC, "no network is called %.32s; there are%s", arch,
                names);
}

static bool net_skips(const struct net_opts *o)
{
    for (int s = 0; s < JOB_STAGES; s++)
        if (o->skip[s])
            return true;
    return false;
}

struct graph *net_build(const struct net_opts *o, struct error *err)
{
    int row = row_of(o->arch);

    if (row < 0) {
        unknown(o->arch, err);
        return NULL;
    }
    if (job_arch_has_no_skip(o->arch) && net_skips(o)) {
        fail(err, ERR_SPEC, "%s has no skip connections", o->arch);
        return NULL;
    }
    if (!(o->width > 0 && o->width <= NET_MAX_WIDTH)) {
        fail(err, ERR_SPEC, "the width of %s is %g, must be above 0 and at "
             "most %d", o->arch, o->width, NET_MAX_WIDTH);
        return NULL;
    }

    struct graph *g = graph_new(o->start);
    struct shape s = { o->batch, 3, o->image_size, o->image_size };
    graph_xent(g, TABLE[row].build(g, graph_input(g, s, o->input), o));
    if (graph_seal(g, err) == 0)
        return g;
    graph_free(g);
    return NULL;
}

struct net_opts net_opts_of(const struct job *job, int classes, int batch)
{
    struct net_opts o = {
        .arch = job->model.arch,
        .norm = job->model.norm,
        .start = job->model.init == INIT_KAIMING ? START_KAIMING
                                                 : START_PYTORCH,
        .width = job->model.width,
        .classes = job->model.classes ? job->model.classes : classes,
        .batch = batch,
        .image_size = job->data.image_size };

    memcpy(o.skip, job->model.skip, sizeof o.skip);
    for (int c = 0; c < 3; c++) {
        o.input.mean[c] = (float)job->data.mean[c];
        o.input.std[c] = (float)job->data.std[c];
    }
    return o;
}

int net_layers(const struct graph *g, struct net_layer **out)
{
    struct net_layer *layers = xcalloc((size_t)g->n_nodes, sizeof *layers);
    int n = 0, depth = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        val v = g->nodes[i].out;
        const char *name = g->values[v].name;

        if (!graph_is_layer(g, i))
            continue;
        bool main = !graph_is_linear(g, i) && !strstr(name, "downsample");
        depth += main;
        layers[n++] = (struct net_layer){ name, i, depth, main,
                                          graph_shape(g, v) };
    }
    *out = layers;
    return n;
}

int64_t net_parameters(const struct graph *g, bool used_only)
{
    int64_t n = 0;

    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM &&
            (g->values[v].used || !used_only))
            n += graph_elements(g, v);
    return n;
}

// Bytes of one block for all activations and their gradients, `one` a number.
static size_t planned(const struct graph *g, size_t one)
{
    int n = g->n_values;
    struct lowering *lo = schedule_plain(g);
    struct span *span = xcalloc(2 * (size_t)n, sizeof *span);
    size_t *bytes = xcalloc(2 * (size_t)n, sizeof *bytes);
    size_t *offset = xcalloc(2 * (size_t)n, sizeof *offset);
    struct schedule s;

    schedule_build(g, lo, false, &s);
    for (val v = 0; v < n; v++) {
        span[v] = s.value[v];
        span[n + v] = s.grad[v];
        bytes[v] = bytes[n + v] =
            (size_t)graph_elements(g, v) * one;
    }
    size_t total = arena_plan(span, bytes, 2 * n, 64, offset);
    schedule_clear(&s);
    free(offset);
    free(bytes);
    free(span);
    free(lo);
    return total;
}

// Numbers that the optimizer keeps for each parameter it updates.
static int optimizer_state(const struct job *job)
{
    if (job->train.optimizer != OPTIMIZER_SGD)
        return 2;
    return job->train.momentum != 0 ? 1 : 0;
}

int64_t net_memory(const struct graph *g, const struct job *job)
{
    int64_t held = net_parameters(g, false), used = net_parameters(g, true);
    int64_t states = 0;
    size_t one = job->train.precision == PRECISION_BF16 ? 2 : sizeof(float);

    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_STATE)
            states += graph_elements(g, v);
    return (held + states + used * (1 + optimizer_state(job))) *
               (int64_t)sizeof(float) +
           (int64_t)planned(g, one);
}
