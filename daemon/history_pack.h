/* daemon/history_pack.h: the histograms of a record in few bytes. Bins that
 * people look at span a few decades, so runs of small numbers in LEB128 take
 * about 80 bytes where three struct hist take 13 KiB.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "common/hist.h"

enum { PACK_MAX = (HIST_MAX_BINS + 4) * 10 };   // bytes, for one grid

// Writes one histogram, or that there is none (h NULL). Returns the bytes.
size_t         pack_hist(uint8_t *to, const struct hist *h);
// Reads what pack_hist() wrote into *h, whose grid is set and the rest zero.
// Returns the byte after it; *found tells whether there was one.
const uint8_t *unpack_hist(const uint8_t *from, struct hist *h, int *found);
