#include "worker/select.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rng.h"

struct draw { int32_t label; uint64_t bits; int64_t image; };

static int by_class_and_bits(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

void select_count(const int32_t *labels, int64_t n, int n_classes,
                  int64_t *count)
{
    memset(count, 0, sizeof *count * (size_t)n_classes);
    for (int64_t i = 0; i < n; i++)
        count[labels[i]]++;
}

void select_images(const int32_t *labels, int64_t n, int n_classes,
                   const int64_t *want, uint64_t seed, uint64_t stream,
                   bool *chosen)
{
    struct draw *draw = xcalloc((size_t)n + 1, sizeof *draw);
    int64_t *seen = xcalloc((size_t)n_classes, sizeof *seen);
    int64_t *taken = xcalloc((size_t)n_classes, sizeof *taken);

    for (int64_t i = 0; i < n; i++) {
        int32_t c = labels[i];
        draw[i] = (struct draw){ c, rng_bits(seed, stream + (uint64_t)c,
                                             (uint64_t)seen[c]++), i };
    }
    qsort(draw, (size_t)n, sizeof *draw, by_class_and_bits);
    for (int64_t i = 0; i < n; i++)
        chosen[draw[i].image] = taken[draw[i].label]++ < want[draw[i].label];
    free(taken);
    free(seen);
    free(draw);
}
