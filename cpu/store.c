/* cpu/store.c: places in blocks. */
#include "cpu/store.h"

#include <stdint.h>
#include <stdlib.h>
#include "common/mem.h"
#include "cpu/machine.h"
#include "model/plan.h"

enum { ALIGN = 64 };                    // a cache line, a vector register

struct store *store_new(const struct graph *g, struct optim optim)
{
    struct store *s = xcalloc(1, sizeof *s);

    s->rows = xcalloc((size_t)g->n_values, sizeof *s->rows);
    s->optim = optim;
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < STORE_BLOCKS; i++)
        block_free(s->block[i], s->bytes[i]);
    free(s->rows);
    free(s);
}

static size_t aligned(struct layout a)
{
    return (dnn_bytes(a) + ALIGN - 1) / ALIGN * ALIGN;
}

const struct stored *store_place(struct store *s, const struct graph *g, val v,
                                 struct layout wanted)
{
    struct stored *row = &s->rows[v];
    bool param = g->values[v].role == ROLE_PARAM;
    size_t *end = param ? &s->weight_bytes : &s->state_bytes;

    if (row->placed)
        return row;
    *row = (struct stored){ .placed = true, .layout = wanted,
        .room = param ? ROOM_WEIGHT : ROOM_STATE, .offset = *end };
    *end += aligned(wanted);
    return row;
}

static struct layout plain_of(struct shape s)
{
    return s.c * s.h * s.w == 1 ? dnn_vector(s.n) : dnn_plain(s);
}

size_t store_close(struct store *s, const struct graph *g)
{
    size_t sum = 0;

    s->used_bytes = s->weight_bytes;
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role != ROLE_ACT)
            store_place(s, g, v, plain_of(g->values[v].shape));
    s->bytes[BLOCK_WEIGHT] = s->weight_bytes;
    s->bytes[BLOCK_GRAD] = s->used_bytes;
    s->bytes[BLOCK_OPTIM] = s->weight_bytes;
    if (s->optim.kind != OPTIM_SGD)
        s->bytes[BLOCK_OPTIM2] = s->weight_bytes;
    s->bytes[BLOCK_STATE] = s->state_bytes;
    for (int i = 0; i < STORE_BLOCKS; i++)
        sum += s->bytes[i];
    return sum;
}

int store_alloc(struct store *s, struct error *err)
{
    for (int i = 0; i < STORE_BLOCKS; i++) {
        if (!s->bytes[i])
            continue;
        s->block[i] = block_new(s->bytes[i]);
        if (!s->block[i])
            return fail(err, ERR_MEMORY, "no memory for the parameters: "
                        "%zu bytes", s->bytes[i]);
    }
    return 0;
}

size_t store_piece(const struct store *s, const struct node *n, size_t *from)
{
    size_t first = SIZE_MAX, end = 0;

    for (int i = 0; i < MAX_PARAM && n->param[i] != BAD_VAL; i++) {
        const struct stored *row = &s->rows[n->param[i]];

        if (row->room != ROOM_WEIGHT)
            continue;
        if (row->offset < first)
            first = row->offset;
        if (row->offset + aligned(row->layout) > end)
            end = row->offset + aligned(row->layout);
    }
    *from = first;
    return end ? end - first : 0;
}

int store_find(const struct store *s, const struct graph *g, val v,
               enum side side, float **out, struct error *err)
{
    static const enum store_block blocks[] = {
        [SIDE_VALUE] = BLOCK_WEIGHT, [SIDE_GRAD] = BLOCK_GRAD,
        [SIDE_OPTIM] = BLOCK_OPTIM, [SIDE_OPTIM2] = BLOCK_OPTIM2 };
    const struct stored *row = &s->rows[v];
    bool param = row->room == ROOM_WEIGHT;
    enum store_block block = param ? blocks[side] : BLOCK_STATE;

    if ((!param && side != SIDE_VALUE) || row->offset >= s->bytes[block])
        return plan_lacks(g, v, side, err);
    *out = (float *)((char *)s->block[block] + row->offset);
    return 0;
}
