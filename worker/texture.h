/* worker/texture.h: the built-in textures.
 *
 * A class is a pattern of 6 x 6 coloured cells, drawn once from its seed. An
 * image is the pattern enlarged and covered with noise. Integers only: the
 * same bytes on every machine.
 */
#pragma once
#include <stdint.h>

// Image `image` of a set of `classes` (its class is image % classes), into
// pixels (size, size, 3).
void texture_render(uint8_t *pixels, int size, int classes, uint64_t seed,
                    int64_t image);
