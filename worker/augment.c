#include "worker/augment.h"

#include <string.h>

#include "common/rng.h"

// Uniform in -pad..pad.
static int shift(uint64_t bits, int pad)
{
    return (int)((bits >> 32) * (2 * (uint64_t)pad + 1) >> 32) - pad;
}

// dst pixel x is src pixel x + dx, black outside.
static void move_line(uint8_t *dst, const uint8_t *src, int side, int dx)
{
    int first = dx < 0 ? -dx : 0;
    int last = dx > 0 ? side - dx : side;

    memset(dst, 0, (size_t)side * 3);
    memcpy(dst + (size_t)first * 3, src + (size_t)(first + dx) * 3,
           (size_t)(last - first) * 3);
}

static void flip_line(uint8_t *line, int side)
{
    for (int a = 0, b = side - 1; a < b; a++, b--)
        for (int c = 0; c < 3; c++) {
            uint8_t keep = line[a * 3 + c];
            line[a * 3 + c] = line[b * 3 + c];
            line[b * 3 + c] = keep;
        }
}

struct move augment_move(int side, enum job_augment kind, uint64_t seed,
                         int epoch, int64_t image)
{
    uint64_t stream = STREAM_AUGMENT + epoch, at = 4 * (uint64_t)image;
    int pad = kind == AUGMENT_CROP_FLIP ? side / 8 : 0;

    if (kind == AUGMENT_NONE)
        return (struct move){ 0 };
    return (struct move){
        .flip = rng_bits(seed, stream, at) >> 63,
        .across = (int16_t)shift(rng_bits(seed, stream, at + 1), pad),
        .down = (int16_t)shift(rng_bits(seed, stream, at + 2), pad),
    };
}

void augment_rgb(uint8_t *dst, const uint8_t *src, int side,
                 enum job_augment kind, uint64_t seed, int epoch,
                 int64_t image)
{
    struct move m = augment_move(side, kind, seed, epoch, image);
    size_t line = (size_t)side * 3;

    if (kind == AUGMENT_NONE) {
        memcpy(dst, src, line * side);
        return;
    }
    for (int y = 0; y < side; y++, dst += line) {
        if (y + m.down < 0 || y + m.down >= side)
            memset(dst, 0, line);
        else
            move_line(dst, src + (size_t)(y + m.down) * line, side, m.across);
        if (m.flip)
            flip_line(dst, side);
    }
}
