/* daemon/crc32.h: the checksum of stored lines (CRC-32 of IEEE 802.3, as zlib's
 * and gzip's), so that damage is noticed and not served. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *data, size_t len);
