/* gpu/setup.c: what ops ask of the plan while it is made: buffers. */
#include "gpu/op.h"

#include "common/mem.h"

enum { ALIGN = 256 };                   // bytes, as cudaMalloc() gives

const struct node *plan_node(const struct gpu_plan *p, const struct group *g)
{
    return &p->base.graph->nodes[g->first];
}

bool plan_adds(const struct gpu_plan *p, const struct group *g, int k)
{
    if (k == 1 && g->add >= 0)
        return p->schedule.adds[g->add * MAX_IN + g->shortcut];
    return p->schedule.adds[g->first * MAX_IN + k];
}

struct grid plan_grid(const struct buffer *b)
{
    return (struct grid){ b->elem, b->n / (size_t)b->c, b->c };
}

// Rooms grow as buffers come; the arena's offsets come later, from life spans,
// and the stage's start again at each group.
static struct buffer *add_buffer(struct gpu_plan *p, struct buffer b)
{
    struct buffer *to = xcalloc(1, sizeof *to);
    size_t *end = b.room == ROOM_STAGE ? &p->stage_bytes
                                       : &p->room_bytes[b.room];

    *to = b;
    to->next = p->buffers;
    p->buffers = to;
    if (b.room == ROOM_ARENA)
        return to;
    to->offset = *end;
    *end += (b.bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (b.room == ROOM_STAGE && *end > p->room_bytes[ROOM_STAGE])
        p->room_bytes[ROOM_STAGE] = *end;
    return to;
}

struct buffer *plan_bytes(struct gpu_plan *p, size_t bytes, enum room room)
{
    return add_buffer(p, (struct buffer){ .bytes = bytes, .room = room });
}

// In bf16 the head of a network stays in f32: it is small, and the loss's first
// gradients are made there.
static enum elem elem_of(const struct gpu_plan *p, val v)
{
    const struct graph *g = p->base.graph;
    const struct node *n = &g->nodes[g->values[v].producer];

    if (p->store->elem == ELEM_F32 || n->op == OP_AVGPOOL ||
        n->op == OP_LINEAR)
        return ELEM_F32;
    if (n->op == OP_RELU || n->op == OP_ADD || n->op == OP_NORM)
        return p->value[n->in[0]] ? p->value[n->in[0]]->elem : p->store->elem;
    return p->store->elem;
}

static struct buffer *act_new(struct gpu_plan *p, val v, enum room room)
{
    const struct graph *g = p->base.graph;
    struct shape s = graph_shape(g, v);
    struct buffer b = { .elem = elem_of(p, v), .shape = s, .room = room };

    b.c = store_padded(g, v, p->store->elem);
    b.n = (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)b.c;
    b.bytes = b.n * elem_bytes(b.elem);
    return add_buffer(p, b);
}

struct buffer *plan_output(struct gpu_plan *p, struct group *g)
{
    p->value[g->out] = act_new(p, g->out, ROOM_ARENA);
    if (p->base.graph->values[g->out].needs_grad)
        p->grad[g->out] = act_new(p, g->out, ROOM_ARENA);
    return p->value[g->out];
}

struct buffer *plan_like(struct gpu_plan *p, val v)
{
    return act_new(p, v, ROOM_STAGE);
}

void plan_counters(struct gpu_plan *p, int n)
{
    if (n > p->n_counters)
        p->n_counters = n;
}
