// common/folder_limit.c: some images of a folder, evenly over its classes.
#include <stdlib.h>

#include "common/folder.h"
#include "common/mem.h"
#include "common/rng.h"

// The largest level such that a class giving at most `level` images each
// stays within limit in all.
static int64_t level_of(const int64_t *count, int n, int64_t limit)
{
    int64_t low = 0, high = limit;

    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2, sum = 0;
        for (int c = 0; c < n && sum <= limit; c++)
            sum += count[c] < mid ? count[c] : mid;
        if (sum <= limit)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

struct draw { uint64_t bits; int64_t image; };

static int by_bits(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;

    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

// Frees the paths of all but `keep` of the images first .. first + count - 1.
static void thin_class(struct folder *f, int label, int64_t first,
                       int64_t count, int64_t keep, uint64_t seed)
{
    struct draw *draw = xmalloc(sizeof *draw * count);

    for (int64_t i = 0; i < count; i++)
        draw[i] = (struct draw) {
            .bits = rng_bits(seed, STREAM_LIMIT + label, i), .image = first + i,
        };
    qsort(draw, count, sizeof *draw, by_bits);
    for (int64_t i = keep; i < count; i++) {
        free(f->images[draw[i].image].path);
        f->images[draw[i].image].path = NULL;
    }
    free(draw);
}

void folder_limit(struct folder *f, int64_t limit, uint64_t seed)
{
    if (limit <= 0 || f->n_images <= limit)
        return;
    int64_t *count = xcalloc(f->n_classes, sizeof *count);
    for (int64_t i = 0; i < f->n_images; i++)
        count[f->images[i].label]++;

    // What the level leaves over goes to the first classes that have more.
    int64_t level = level_of(count, f->n_classes, limit), over = limit;
    for (int c = 0; c < f->n_classes; c++)
        over -= count[c] < level ? count[c] : level;
    int64_t first = 0;
    for (int c = 0; c < f->n_classes; c++) {
        int64_t keep = level;
        if (over > 0 && count[c] > level) {
            keep++;
            over--;
        }
        if (count[c] > keep)
            thin_class(f, c, first, count[c], keep, seed);
        first += count[c];
    }
    free(count);

    int64_t n = 0;
    for (int64_t i = 0; i < f->n_images; i++)
        if (f->images[i].path)
            f->images[n++] = f->images[i];
    f->n_images = n;
}
