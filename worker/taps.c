#include "worker/taps.h"

#include <fnmatch.h>
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

static void add_taps(struct taps *out, const struct net_layer *layers, int n,
                     const bool *wanted, enum job_quantity quantity)
{
    for (int i = 0; i < n; i++)
        if (wanted[i])
            out->tap[out->n++] =
                (struct record_tap){ xstrdup(layers[i].name), quantity };
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
            add_taps(out, layers, n, wanted, (enum job_quantity)q);
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

// What of a layer a quantity is the norm of.
static const struct { const char *suffix; enum side side; } sources[] = {
    [QUANTITY_GRAD_OUT] = { "", SIDE_GRAD },
    [QUANTITY_GRAD_W]   = { ".weight", SIDE_GRAD },
    [QUANTITY_WEIGHT]   = { ".weight", SIDE_VALUE },
};

void taps_apply(const struct taps *t, struct graph *g)
{
    for (int i = 0; i < t->n; i++) {
        enum job_quantity q = t->tap[i].quantity;
        char *name = xasprintf("%s%s", t->tap[i].layer, sources[q].suffix);
        graph_tap(g, graph_find(g, name), sources[q].side);
        free(name);
    }
}

void taps_clear(struct taps *t)
{
    for (int i = 0; i < t->n; i++)
        free((char *)t->tap[i].layer);
    free(t->tap);
    *t = (struct taps){ 0 };
}
