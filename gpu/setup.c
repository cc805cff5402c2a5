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

static struct buffer *act_new(struct gpu_plan *p, val v, enum room room,
                              struct span life)
{
    const struct graph *g = p->base.graph;
    struct shape s = graph_shape(g, v);
    struct buffer b = { .elem = elem_of(p, v), .shape = s, .room = room,
                        .life = life };

    b.c = store_padded(g, v, p->store->elem);
    b.n = (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)b.c;
    b.bytes = b.n * elem_bytes(b.elem);
    return add_buffer(p, b);
}

struct buffer *plan_output(struct gpu_plan *p, struct group *g)
{
    p->value[g->out] = act_new(p, g->out, ROOM_ARENA,
                               p->schedule.value[g->out]);
    if (p->base.graph->values[g->out].needs_grad)
        p->grad[g->out] = act_new(p, g->out, ROOM_ARENA,
                                  p->schedule.grad[g->out]);
    return p->value[g->out];
}

struct buffer *plan_like(struct gpu_plan *p, val v)
{
    return act_new(p, v, ROOM_STAGE, (struct span){ -1, -1 });
}

// Whether g is the last to write the gradient of v: backward goes in reverse,
// so nobody that reads v may stand before it.
static bool last_writer(const struct gpu_plan *p, const struct group *g, val v)
{
    for (int i = 0; i < g->last; i++) {
        const struct group *other = &p->groups[i];

        if (other->op && (other->in[0] == v || other->in[1] == v))
            return false;
    }
    return true;
}

static int backward_stage(const struct gpu_plan *p, int leader)
{
    for (int i = 0; i < p->schedule.n_stages; i++)
        if (p->schedule.stages[i].node == leader &&
            p->schedule.stages[i].phase == PHASE_BACKWARD)
            return i;
    return -1;
}

static bool tapped(const struct graph *g, val v)
{
    for (int i = 0; i < g->n_taps; i++)
        if (g->taps[i].value == v && g->taps[i].side == SIDE_GRAD)
            return true;
    return false;
}

// A norm with a shortcut writes the sum of both terms for that anyway.
struct buffer *plan_late(struct gpu_plan *p, const struct group *g)
{
    const struct graph *graph = p->base.graph;
    val v = g->in[0];
    int leader = graph->values[v].producer;
    const struct group *from = &p->groups[leader];

    if (from->op != &gpu_op_norm || from->add < 0 || !p->grad[from->in[1]] ||
        plan_adds(p, from, 1) || from->in[0] == from->in[1] ||
        tapped(graph, v) || !last_writer(p, g, v))
        return NULL;
    p->late[v] = act_new(p, v, ROOM_ARENA, (struct span){
        backward_stage(p, g->last), backward_stage(p, leader) });
    return p->late[v];
}

void plan_counters(struct gpu_plan *p, int n)
{
    if (n > p->n_counters)
        p->n_counters = n;
}
