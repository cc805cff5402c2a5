// SHA-256 and CRC-32 by the vectors of their standards: FIPS 180-2 appendix B,
// and the check value of CRC-32/ISO-HDLC.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32.h"
#include "common/mem.h"
#include "common/sha256.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static void test_vectors(void **state)
{
    (void)state;
    static const struct { const char *text, *sum; } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        { "abc",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    char got[SHA256_TEXT];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sha256_of(rows[i].text, strlen(rows[i].text), got);
        assert_string_equal(got, rows[i].sum);
    }
}

// A million times "a", in pieces of every size from 0 to 200.
static void test_million(void **state)
{
    (void)state;
    char piece[200], got[SHA256_TEXT];
    struct sha256 s;
    size_t left = 1000000;

    memset(piece, 'a', sizeof piece);
    sha256_begin(&s);
    for (size_t n = 0; left > 0; n = (n + 1) % (sizeof piece + 1)) {
        size_t now = n < left ? n : left;
        sha256_add(&s, piece, now);
        left -= now;
    }
    sha256_end(&s, got);
    assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e"
                        "046d39ccc7112cd0");
}

static void test_crc(void **state)
{
    (void)state;
    assert_true(crc32_of("123456789", 9) == 0xCBF43926);
    assert_true(crc32_add(crc32_of("1234", 4), "56789", 5) == 0xCBF43926);
    assert_true(crc32_of("", 0) == 0);
}

// The definition: a bit at a time, over texts of every length and alignment.
static void test_crc_by_bits(void **state)
{
    (void)state;
    uint8_t text[80];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 151 + 7);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; from + len <= sizeof text; len++) {
            uint32_t crc = ~UINT32_C(0);
            for (size_t i = 0; i < 8 * len; i++) {
                crc ^= text[from + i / 8] >> i % 8 & 1;
                crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xEDB88320) : crc >> 1;
            }
            assert_true(crc32_of(text + from, len) == ~crc);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_crc_by_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
