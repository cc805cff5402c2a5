#include "common/crc32.h"

#include <pthread.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? UINT32_C(0xEDB88320) ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;

    pthread_once(&once, fill_table);
    for (size_t i = 0; i < len; i++)
        c = table[(c ^ p[i]) & 255] ^ (c >> 8);
    return ~c;
}

uint32_t crc32_of(const void *data, size_t len)
{
    return crc32_add(0, data, len);
}
