/* common/crc32.h: CRC-32 of IEEE 802.3, as zlib's and gzip's, over what is on
 * disk, so that damage is noticed and not served. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *data, size_t len);
// Goes on from the checksum of what came before; 0 = nothing.
uint32_t crc32_add(uint32_t crc, const void *data, size_t len);
