/* model/arena.c: the largest first, each at the lowest offset that is free
 * during its life. Greedy, within a few per cent of the lower bound on ResNets.
 */
#include "model/arena.h"

#include <assert.h>
#include <stdlib.h>

#include "common/mem.h"

struct block { size_t bytes, offset; int row; struct span life; };

static int larger_first(const void *a, const void *b)
{
    const struct block *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->row - y->row;             // the same plan whatever qsort does
}

static bool meet(struct span a, struct span b)
{
    return a.first <= b.last && b.first <= a.last;
}

// placed is sorted by offset; gives the first gap between those that live at
// the same time.
static size_t lowest(struct block *const *placed, int n, const struct block *b)
{
    size_t free_from = 0;

    for (int i = 0; i < n; i++) {
        if (!meet(placed[i]->life, b->life))
            continue;
        if (placed[i]->offset >= free_from + b->bytes)
            break;
        if (placed[i]->offset + placed[i]->bytes > free_from)
            free_from = placed[i]->offset + placed[i]->bytes;
    }
    return free_from;
}

static void insert(struct block **placed, int n, struct block *b)
{
    for (; n > 0 && placed[n - 1]->offset > b->offset; n--)
        placed[n] = placed[n - 1];
    placed[n] = b;
}

size_t arena_plan(const struct span *span, const size_t *bytes, int n,
                  size_t align, size_t *offset)
{
    struct block *blocks = xcalloc((size_t)n + 1, sizeof *blocks);
    struct block **placed = xcalloc((size_t)n + 1, sizeof *placed);
    int n_blocks = 0;
    size_t top = 0;

    assert(align > 0);
    for (int i = 0; i < n; i++) {
        offset[i] = 0;
        if (span[i].first < 0 || bytes[i] == 0)
            continue;
        size_t whole = (bytes[i] + align - 1) / align * align;
        blocks[n_blocks++] = (struct block){ whole, 0, i, span[i] };
    }
    qsort(blocks, (size_t)n_blocks, sizeof *blocks, larger_first);
    for (int i = 0; i < n_blocks; i++) {
        struct block *b = &blocks[i];
        offset[b->row] = b->offset = lowest(placed, i, b);
        insert(placed, i, b);
        if (b->offset + b->bytes > top)
            top = b->offset + b->bytes;
    }
    free(placed);
    free(blocks);
    return top;
}
