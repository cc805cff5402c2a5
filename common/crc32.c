#include "common/crc32.h"

#include <pthread.h>

// Eight bytes a turn, by a table for each of their places (Kounavis and Berry,
// "A systematic approach to building high performance software-based CRC
// generators", 2005): 5 times as fast as one byte a turn.
enum { PLACES = 8 };

static uint32_t table[PLACES][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? UINT32_C(0xEDB88320) ^ (c >> 1) : c >> 1;
        table[0][i] = c;
    }
    // With a byte of zeros behind it.
    for (int k = 1; k < PLACES; k++)
        for (uint32_t i = 0; i < 256; i++)
            table[k][i] = table[0][table[k - 1][i] & 255] ^
                          (table[k - 1][i] >> 8);
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;

    pthread_once(&once, fill_table);
    for (; len >= PLACES; p += PLACES, len -= PLACES)
        c = table[7][(c ^ p[0]) & 255] ^
            table[6][(c >> 8 ^ p[1]) & 255] ^
            table[5][(c >> 16 ^ p[2]) & 255] ^
            table[4][(c >> 24 ^ p[3]) & 255] ^
            table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    for (; len; p++, len--)
        c = table[0][(c ^ *p) & 255] ^ (c >> 8);
    return ~c;
}

uint32_t crc32_of(const void *data, size_t len)
{
    return crc32_add(0, data, len);
}
