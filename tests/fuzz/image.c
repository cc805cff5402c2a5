// An image file: decoded without harm, and twice to the same pixels whatever
// lay in memory before. Checksums of PNG are put right, or nothing would get
// past them.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32.h"
#include "worker/image.h"

enum { SIDE = 9, BYTES = SIDE * SIDE * 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static uint32_t get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void put(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(x >> (24 - 8 * i));
}

static void mend_checksums(uint8_t *data, size_t size)
{
    size_t at = 8;

    if (size < at || memcmp(data, "\x89PNG", 4) != 0)
        return;
    while (size - at >= 12 && get(data + at) <= size - at - 12) {
        size_t n = get(data + at);
        put(data + at + 8 + n, crc32_of(data + at + 4, n + 4));
        at += 12 + n;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
                               unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, most);
    if (seed % 8)
        mend_checksums(data, size);
    return size;
}

static void dirty(int byte)
{
    enum { STACK = 1 << 14 };
    volatile char stack[STACK];

    for (size_t i = 0; i < STACK; i++)
        stack[i] = (char)byte;
    (void)stack[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[2][IMAGE_WHY] = { "", "" };
    uint8_t out[2][BYTES];
    int rc[2];

    for (int k = 0; k < 2; k++) {
        dirty(k ? 0x3C : 0xC3);
        memset(out[k], k ? 0x3C : 0xC3, BYTES);
        rc[k] = image_decode(data, size, SIDE, out[k], why[k]);
    }
    if (rc[0] != rc[1] || strcmp(why[0], why[1]) != 0)
        abort();
    if (rc[0] == 0 && memcmp(out[0], out[1], BYTES) != 0)
        abort();
    if (rc[0] != 0 && !*why[0])
        abort();                // refused without a reason
    return 0;
}
