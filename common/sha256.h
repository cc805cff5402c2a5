/* common/sha256.h: SHA-256 (FIPS 180-4), as sha256sum prints it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SHA256_TEXT = 65 };              // hexadecimal, with the end

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t  block[64];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, char text[SHA256_TEXT]);

void sha256_of(const void *data, size_t len, char text[SHA256_TEXT]);
