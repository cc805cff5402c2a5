/* model/move.h: how an image is moved on its way into a batch: output pixel
 * (y, x) is pixel (y + down, x + across), black outside, then left and right
 * are swapped if flip. All 0: it stays as it is. */
#pragma once
#include <stdint.h>

struct move { int16_t down, across; int32_t flip; };
