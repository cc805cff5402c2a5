#include "worker/texture.h"

#include <stddef.h>

#include "common/rng.h"

enum {
    CELLS = 6,                  // a side of the pattern
    NOISE = 40,                 // largest change of a byte by noise
    WANDER = 32,                // moved by up to 1 / WANDER of the side;
                                // more keeps a ResNet-50 from learning 640
                                // images in three epochs
};

// Uniform in 0..n-1.
static int below(uint64_t bits, int n)
{
    return (int)((bits >> 32) * (uint64_t)n >> 32);
}

static uint8_t add_noise(int byte, int noise)
{
    int x = byte + (noise * (2 * NOISE + 1) >> 8) - NOISE;

    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

void texture_render(uint8_t *pixels, int size, int classes, uint64_t seed,
                    int64_t image)
{
    uint64_t of_class = STREAM_TEXTURE + (uint64_t)(image % classes);
    uint64_t of_image = STREAM_NOISE + (uint64_t)image, noise = 0;
    uint8_t cell[CELLS][CELLS][3];

    for (int i = 0; i < CELLS * CELLS * 3; i++)
        (&cell[0][0][0])[i] = (uint8_t)(rng_bits(seed, of_class, i) >> 56);

    int reach = size / WANDER;
    int dx = below(rng_bits(seed, of_image, 0), 2 * reach + 1) + size - reach;
    int dy = below(rng_bits(seed, of_image, 1), 2 * reach + 1) + size - reach;
    size_t at = 0;
    for (int y = 0; y < size; y++) {
        int row = (y + dy) % size * CELLS / size;
        for (int x = 0; x < size; x++) {
            const uint8_t *from = cell[row][(x + dx) % size * CELLS / size];
            for (int c = 0; c < 3; c++, at++, noise >>= 8) {
                if (at % 8 == 0)        // eight bytes of noise a draw
                    noise = rng_bits(seed, of_image, 2 + at / 8);
                pixels[at] = add_noise(from[c], noise & 255);
            }
        }
    }
}
