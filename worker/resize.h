/* worker/resize.h: bilinear resizing, byte for byte as Pillow's.
 *
 * torchvision's Resize((s, s)) on PIL images: a triangle filter whose support
 * grows with the factor when shrinking (antialias), coefficients in fixed
 * point, the horizontal pass rounded to bytes before the vertical one.
 */
#pragma once
#include <stdint.h>

enum { RESIZE_MAX_SIDE = 65535 };       // of either image, in pixels

// src (sh, sw, 3) -> dst (dh, dw, 3), sides 1..RESIZE_MAX_SIDE. Equal sizes
// copy. The two must not overlap. Uses about dw * sh * 3 bytes of scratch.
void resize_rgb(uint8_t *dst, int dw, int dh,
                const uint8_t *src, int sw, int sh);
