/* cpu/setup.c: what ops ask of the plan while it is made: tensors. */
#include "cpu/op.h"

#include "common/mem.h"
#include "cpu/store.h"

enum { ALIGN = 64 };

const struct node *plan_node(const struct cpu_plan *p, const struct group *g)
{
    return &p->base.graph->nodes[g->first];
}

bool plan_adds(const struct cpu_plan *p, const struct group *g, int k)
{
    return p->schedule.adds[g->first * MAX_IN + k];
}

static struct cpu_tensor *tensor_new(struct cpu_plan *p, struct layout at,
                                     enum room room, size_t offset)
{
    struct cpu_tensor *t = xcalloc(1, sizeof *t);

    dnn_tensor(&p->dnn, &t->t, at);
    t->room = room;
    t->offset = offset;
    t->next = p->tensors;
    p->tensors = t;
    return t;
}

// Rooms grow as tensors come; the arena's offsets come later, from life spans,
// and the stage's start again at each group.
struct tensor *plan_tensor(struct cpu_plan *p, struct layout at,
                           enum room room)
{
    size_t *end = room == ROOM_STAGE ? &p->stage_bytes : &p->room_bytes[room];
    struct cpu_tensor *t = tensor_new(p, at, room, *end);

    if (room == ROOM_ARENA)
        return &t->t;
    *end += (t->t.bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (room == ROOM_STAGE && *end > p->room_bytes[ROOM_STAGE])
        p->room_bytes[ROOM_STAGE] = *end;
    return &t->t;
}

struct tensor *plan_view(struct cpu_plan *p, struct tensor *t,
                         struct layout at)
{
    struct cpu_tensor *view = tensor_new(p, at, ROOM_ARENA, 0);

    view->view_of = (struct cpu_tensor *)t;
    return &view->t;
}

static void grad_new(struct cpu_plan *p, val v, struct layout at)
{
    struct tensor *shared = p->grad[p->grad_of[v]];

    if (shared && dnn_same(shared->layout, at))
        p->grad[v] = shared;
    else
        p->grad[v] = plan_tensor(p, at, ROOM_ARENA);
}

static void output_grad(struct cpu_plan *p, val v)
{
    // d(loss) / d(loss) is 1 and needs no memory.
    if (p->base.graph->values[v].needs_grad && v != p->base.graph->loss)
        grad_new(p, v, p->value[v]->layout);
}

struct tensor *plan_output(struct cpu_plan *p, struct group *g,
                           struct layout at)
{
    p->value[g->out] = plan_tensor(p, at, ROOM_ARENA);
    output_grad(p, g->out);
    return p->value[g->out];
}

struct tensor *plan_output_over(struct cpu_plan *p, struct group *g)
{
    const struct span *span = p->schedule.value;
    struct tensor *x = p->value[g->in[0]];

    if (span[g->in[0]].last > span[g->out].first)
        return plan_output(p, g, x->layout);
    p->value[g->out] = x;
    output_grad(p, g->out);
    return x;
}

struct tensor *plan_param(struct cpu_plan *p, val v, struct layout wanted)
{
    const struct stored *s = store_place(p->store, p->base.graph, v, wanted);

    if (!p->value[v])
        p->value[v] = &tensor_new(p, s->layout, s->room, s->offset)->t;
    return p->value[v];
}

struct tensor *plan_param_grad(struct cpu_plan *p, val v)
{
    const struct stored *s = &p->store->rows[v];

    if (!p->grad[v])
        p->grad[v] = &tensor_new(p, s->layout, ROOM_GRAD, s->offset)->t;
    return p->grad[v];
}
