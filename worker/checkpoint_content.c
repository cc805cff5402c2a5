#include "worker/checkpoint_content.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static struct st_tensor *add(struct content *c, struct source from,
                             enum st_type type, const char *prefix,
                             const char *name, const char *suffix)
{
    if (c->n == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->tensors = xrealloc(c->tensors,
                              (size_t)c->room * sizeof *c->tensors);
        c->sources = xrealloc(c->sources,
                              (size_t)c->room * sizeof *c->sources);
    }
    c->sources[c->n] = from;
    c->tensors[c->n] = (struct st_tensor){
        .name = xasprintf("%s%s%s", prefix, name, suffix), .type = type };
    return &c->tensors[c->n++];
}

void content_clear(struct content *c)
{
    for (int i = 0; i < c->n; i++)
        free(c->tensors[i].name);
    free(c->tensors);
    free(c->sources);
}

static bool is_linear(const struct graph *g, val v)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].param[0] == v)
            return graph_is_linear(g, i);
    return false;
}

// Graphs have four dims everywhere; PyTorch has as many as it needs.
static void set_dims(struct st_tensor *t, const struct graph *g, val v)
{
    struct shape s = g->values[v].shape;
    int64_t dims[] = { s.n, s.c, s.h, s.w };

    t->n_dims = s.c * s.h * s.w == 1 ? 1 : is_linear(g, v) ? 2 : 4;
    if (t->n_dims == 2)                 // flattened, if it was an image
        dims[1] = (int64_t)s.c * s.h * s.w;
    memcpy(t->dims, dims, sizeof dims);
}

static void add_value(struct content *c, const struct plan *p, val v,
                      enum side side, const char *prefix, const char *suffix)
{
    const struct graph *g = p->graph;
    enum st_type type = p->backend->read_double ? ST_F64 : ST_F32;
    struct source from = { .v = v, .side = side };

    set_dims(add(c, from, type, prefix, g->values[v].name, suffix), g, v);
    if (graph_elements(g, v) > c->most)
        c->most = graph_elements(g, v);
}

static void add_count(struct content *c, const char *name, int64_t count)
{
    add(c, (struct source){ .v = BAD_VAL, .count = count }, ST_I64, "", name,
        "");
}

// PyTorch counts batches beside each pair of running statistics.
static void add_batches(struct content *c, const struct value *row,
                        int64_t steps)
{
    static const char tail[] = ".running_var";
    size_t len = strlen(row->name), n = sizeof tail - 1;

    if (len < n || strcmp(row->name + len - n, tail) != 0)
        return;
    char *name = xasprintf("%.*s.num_batches_tracked", (int)(len - n),
                           row->name);
    add_count(c, name, row->used ? steps : 0);
    free(name);
}

static void add_optim(struct content *c, const struct plan *p, val v)
{
    bool adam = p->opts.optim.kind != OPTIM_SGD;

    add_value(c, p, v, SIDE_OPTIM, "optim.",
              adam ? ".exp_avg" : ".momentum_buffer");
    if (adam)
        add_value(c, p, v, SIDE_OPTIM2, "optim.", ".exp_avg_sq");
}

static void add_rows(struct content *c, const struct rows *rows)
{
    struct st_tensor *t = add(c, (struct source){ .v = BAD_VAL, .rows = rows },
                              ST_F64, "", "run.steps", "");

    t->n_dims = 2;
    t->dims[0] = rows->n;
    t->dims[1] = rows->width;
    if (rows->n * rows->width > c->most)
        c->most = rows->n * rows->width;
}

// The 8-byte counts first, so that all numbers lie at multiples of their size.
void content_of(struct content *c, const struct plan *p, int64_t steps,
                const struct rows *rows)
{
    const struct graph *g = p->graph;

    *c = (struct content){ 0 };
    add_count(c, "optim.step", steps);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_STATE)
            add_batches(c, &g->values[v], steps);
    if (rows && rows->n)
        add_rows(c, rows);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role != ROLE_ACT)
            add_value(c, p, v, SIDE_VALUE, "", "");
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && g->values[v].used)
            add_optim(c, p, v);
}
