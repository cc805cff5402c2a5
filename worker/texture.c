#include "worker/texture.h"

#include <stddef.h>

#include "common/rng.h"

// Chosen so that a ResNet-50 that can learn does so on 640 images in three
// epochs from PyTorch's start at lr 0.01 (0.70, without skips 0.13). More
// contrast, more noise, or a pattern that moves from image to image made that
// a matter of luck (0.2 to 0.7).
enum {
    CELLS = 6,                  // a side of the pattern
    DARKEST = 64,               // colours are DARKEST .. DARKEST + 127
    NOISE = 20,                 // largest change of a byte by noise
};

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
        (&cell[0][0][0])[i] =
            (uint8_t)(DARKEST + (rng_bits(seed, of_class, i) >> 57));

    size_t at = 0;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            const uint8_t *from = cell[y * CELLS / size][x * CELLS / size];
            for (int c = 0; c < 3; c++, at++, noise >>= 8) {
                if (at % 8 == 0)        // eight bytes of noise a draw
                    noise = rng_bits(seed, of_image, at / 8);
                pixels[at] = add_noise(from[c], noise & 255);
            }
        }
}
