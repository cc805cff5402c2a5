#include "daemon/history_pack.h"

static uint8_t *put(uint8_t *to, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        *to++ = (uint8_t)(x | 0x80);
    *to++ = (uint8_t)x;
    return to;
}

static const uint8_t *get(const uint8_t *from, int64_t *out)
{
    uint64_t x = 0;
    int shift = 0;
    for (; *from & 0x80; shift += 7)
        x |= (uint64_t)(*from++ & 0x7f) << shift;
    *out = (int64_t)(x | (uint64_t)*from++ << shift);
    return from;
}

// 1 + bins of the run, then its first bin, the counts, underflow, overflow.
size_t pack_hist(uint8_t *to, const struct hist *h)
{
    uint8_t *start = to;
    if (!h)
        return (size_t)(put(to, 0) - start);
    int first = 0, end = grid_bins(h->grid);
    while (end > 0 && h->counts[end - 1] == 0)
        end--;
    while (first < end && h->counts[first] == 0)
        first++;
    to = put(to, (uint64_t)(end - first) + 1);
    to = put(to, (uint64_t)first);
    for (int i = first; i < end; i++)
        to = put(to, (uint64_t)h->counts[i]);
    to = put(to, (uint64_t)h->underflow);
    to = put(to, (uint64_t)h->overflow);
    return (size_t)(to - start);
}

const uint8_t *unpack_hist(const uint8_t *from, struct hist *h, int *found)
{
    int64_t n, first;
    from = get(from, &n);
    *found = n > 0;
    if (!*found)
        return from;
    from = get(from, &first);
    for (int64_t i = 0; i < n - 1; i++)
        from = get(from, &h->counts[first + i]);
    from = get(from, &h->underflow);
    return get(from, &h->overflow);
}
