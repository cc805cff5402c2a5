/* worker/image.h: the bytes of a PNG or JPEG file to RGB pixels of one size.
 *
 * Runs in the children of decode.h only: the decoder (stb_image) is not meant
 * for hostile files. Grey is tripled, palettes are looked up, alpha is
 * dropped, of 16 bit the upper 8 are kept; EXIF orientation is not applied
 * (as torchvision's ImageFolder). A pixel of a JPEG may differ by a few levels
 * from what libjpeg makes of it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    IMAGE_WHY = 120,                    // room for a reason
    IMAGE_MOST_BYTES = 64 << 20,        // of a file
    IMAGE_MOST_PIXELS = 64 << 20,       // width * height
};

// out is (side, side, 3). Returns 0, or -1 with the reason in why.
int image_decode(const uint8_t *file, size_t len, int side, uint8_t *out,
                 char why[IMAGE_WHY]);
