/* Every kind of PNG and JPEG becomes the RGB that Pillow makes of it; what is
 * not whole is refused with a reason. */
#include "worker/image.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/crc32.h"
#include "common/mem.h"
#include "tests/dump.h"
#include "worker/resize.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

enum { SIDE = 24 };

// What Pillow made of it, resized: caller owns.
static uint8_t *wanted(const char *name)
{
    char *rgb = xasprintf("%s.rgb", name);
    size_t len;
    uint8_t *file = dump_load(rgb, &len);
    uint8_t *out = xmalloc(SIDE * SIDE * 3);
    int32_t size[2];

    memcpy(size, file, sizeof size);
    assert_int_equal(len, sizeof size + (size_t)size[0] * size[1] * 3);
    resize_rgb(out, SIDE, SIDE, file + sizeof size, size[0], size[1]);
    free(file);
    free(rgb);
    return out;
}

// The largest difference of a byte.
static int worst(const char *name)
{
    uint8_t got[SIDE * SIDE * 3], *want = wanted(name);
    char why[IMAGE_WHY] = "";
    size_t len;
    uint8_t *file = dump_load(name, &len);
    int most = 0;

    if (image_decode(file, len, SIDE, got, why) != 0)
        fail_msg("%s: %s", name, why);
    for (size_t i = 0; i < sizeof got; i++)
        if (abs(got[i] - want[i]) > most)
            most = abs(got[i] - want[i]);
    free(file);
    free(want);
    return most;
}

static void test_png(void **state)
{
    (void)state;
    static const char *const names[] = {
        "rgb", "rgba", "grey", "grey-alpha", "palette", "palette-alpha",
        "one-bit", "rgb16", "grey16", "rgba16",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *name = xasprintf("image_%s.png", names[i]);
        int most = worst(name);
        if (most != 0)
            fail_msg("%s differs by up to %d", name, most);
        free(name);
    }
}

// Two decoders of JPEG may round differently: in the inverse transform, in
// the change of colour space and, most, where halved colour is enlarged.
static void test_jpeg(void **state)
{
    (void)state;
    static const struct { const char *name; int most; } cases[] = {
        { "image_444.jpg", 3 }, { "image_grey.jpg", 2 },
        { "image_420.jpg", 4 }, { "image_progressive.jpg", 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int most = worst(cases[i].name);
        print_message("# %s differs by up to %d levels\n", cases[i].name,
                      most);
        assert_true(most <= cases[i].most);
    }
}

static void refused(const uint8_t *file, size_t len, const char *reason)
{
    uint8_t out[SIDE * SIDE * 3];
    char why[IMAGE_WHY] = "";

    assert_int_equal(image_decode(file, len, SIDE, out, why), -1);
    if (!strstr(why, reason))
        fail_msg("refused for \"%s\", not \"%s\"", why, reason);
}

static void test_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *file = dump_load("image_cmyk.jpg", &len);
    refused(file, len, "CMYK");
    free(file);
    refused((const uint8_t *)"", 0, "empty");
    refused((const uint8_t *)"GIF89a", 6, "neither a PNG nor a JPEG");

    // More codes of a length than there are symbols.
    file = dump_load("image_420.jpg", &len);
    size_t at = 0;
    while (file[at] != 0xFF || file[at + 1] != 0xC4)
        at++;
    file[at + 5 + 15] = 255;
    refused(file, len, "code table");
    free(file);

    // The marker of its only scan made that of a comment.
    file = dump_load("image_420.jpg", &len);
    for (at = 0; file[at] != 0xFF || file[at + 1] != 0xDA;)
        at++;
    file[at + 1] = 0xFE;
    refused(file, len, "no pixels");
    free(file);

    // A bit of its pixels, which only the checksum can tell.
    file = dump_load("image_rgb.png", &len);
    file[len / 2] ^= 4;
    refused(file, len, "checksum");
    free(file);
}

// Cut anywhere, it is refused: not a byte is missing from a whole file.
static void test_cut(void **state)
{
    (void)state;
    static const char *const names[] = { "image_rgb.png", "image_420.jpg",
                                         "image_progressive.jpg" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t len;
        uint8_t *file = dump_load(names[k], &len), out[SIDE * SIDE * 3];
        for (size_t cut = 0; cut < len; cut++) {
            char why[IMAGE_WHY] = "";
            if (image_decode(file, cut, SIDE, out, why) == 0)
                fail_msg("%s is taken with %zu of %zu bytes", names[k], cut,
                         len);
            assert_true(strlen(why) > 0);
        }
        free(file);
    }
}

// The header alone says how large it is: no memory is taken for it.
static void test_huge(void **state)
{
    (void)state;
    static const struct { int w, h; const char *reason; } cases[] = {
        { 20000, 20000, "20000 x 20000 pixels; at most 67108864" },
        { 60160, 1024, "920 bytes are too few for 60160 x 1024 pixels" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len;
        uint8_t *file = dump_load("image_420.jpg", &len);
        size_t at = 0;          // of the frame header: FF C0
        while (file[at] != 0xFF || file[at + 1] != 0xC0)
            at++;
        file[at + 5] = (uint8_t)(cases[i].h >> 8);
        file[at + 6] = (uint8_t)cases[i].h;
        file[at + 7] = (uint8_t)(cases[i].w >> 8);
        file[at + 8] = (uint8_t)cases[i].w;
        refused(file, len, cases[i].reason);
        free(file);
    }
}

// Appends a PNG chunk.
static void chunk(uint8_t **file, size_t *len, const char *type,
                  const void *data, size_t n)
{
    *file = xrealloc(*file, *len + n + 12);
    uint8_t *at = *file + *len;
    const uint32_t size = htonl((uint32_t)n);
    memcpy(at, &size, 4);
    memcpy(at + 4, type, 4);
    if (n)
        memcpy(at + 8, data, n);
    const uint32_t sum = htonl(crc32_of(at + 4, n + 4));
    memcpy(at + 8 + n, &sum, 4);
    *len += n + 12;
}

// A grey or palette PNG whose pixels are the n bytes, each of which is what
// `byte` says. Caller owns.
static uint8_t *make_png(int side, int colour, size_t n, int byte, size_t *len)
{
    const uint8_t header[13] = { 0, 0, 0, (uint8_t)side, 0, 0, 0,
                                 (uint8_t)side, 8, (uint8_t)colour };
    uint8_t *file = xmalloc(8), *pixels = xmalloc(n);
    uLongf packed_len = compressBound(n);
    uint8_t *packed = xmalloc(packed_len);

    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    *len = 8;
    memset(pixels, byte, n);
    for (size_t row = 0; row < (size_t)side && row * (side + 1) < n; row++)
        pixels[row * (side + 1)] = 0;           // no filter
    assert_int_equal(compress2(packed, &packed_len, pixels, n, 9), Z_OK);
    chunk(&file, len, "IHDR", header, sizeof header);
    if (colour == 3)
        chunk(&file, len, "PLTE", "\xFF\x00\xFF", 3);
    chunk(&file, len, "IDAT", packed, packed_len);
    chunk(&file, len, "IEND", NULL, 0);
    free(pixels);
    free(packed);
    return file;
}

enum { SMALL = 16, ROWS = SMALL * (SMALL + 1) };        // a filter byte a row

// 64 MiB that fit in 64 KiB, in an image of 16 x 16 pixels.
static void test_bomb(void **state)
{
    (void)state;
    size_t len;
    uint8_t *file = make_png(SMALL, 0, 64 << 20, 0, &len);
    assert_true(len < 100000);
    refused(file, len, "more memory than an image of 16 x 16 pixels");
    free(file);

    uint8_t out[SIDE * SIDE * 3];
    char why[IMAGE_WHY];
    file = make_png(SMALL, 0, ROWS, 77, &len);          // as it should be
    assert_int_equal(image_decode(file, len, SIDE, out, why), 0);
    assert_int_equal(out[0], 77);
    free(file);
}

// Leaves other bytes on the stack and the heap than the last time.
static void dirty(int byte)
{
    enum { STACK = 1 << 16, PIECE = 1 << 12, PIECES = 64 };
    volatile char stack[STACK];
    char *piece[PIECES];

    for (size_t i = 0; i < STACK; i++)
        stack[i] = (char)byte;
    (void)stack[0];
    for (int i = 0; i < PIECES; i++)
        memset(piece[i] = xmalloc(PIECE), byte, PIECE);
    for (int i = 0; i < PIECES; i++)
        free(piece[i]);
}

// What a file does not say is black, not what lay in memory.
static void test_same_each_time(void **state)
{
    (void)state;
    size_t len[2];
    uint8_t out[SIDE * SIDE * 3];
    char why[IMAGE_WHY];
    // Colour 200 of a palette of one.
    uint8_t *file[2] = { make_png(SMALL, 3, ROWS, 200, &len[0]),
                         dump_load("image_progressive.jpg", &len[1]) };

    // A progressive JPEG whose scans but the first are gone.
    size_t scans = 0, at = 0;
    for (; at + 1 < len[1] && scans < 2; at++)
        scans += file[1][at] == 0xFF && file[1][at + 1] == 0xDA;
    memcpy(file[1] + at - 1, "\xFF\xD9", 2);
    len[1] = at + 1;

    for (int k = 0; k < 2; k++) {
        uint8_t first[sizeof out];
        dirty(0x11);
        assert_int_equal(image_decode(file[k], len[k], SIDE, first, why), 0);
        for (int byte = 0x22; byte < 0xFF; byte += 0x11) {
            dirty(byte);
            memset(out, byte, sizeof out);
            assert_int_equal(image_decode(file[k], len[k], SIDE, out, why), 0);
            assert_memory_equal(out, first, sizeof out);
        }
        if (k == 0)
            for (size_t i = 0; i < sizeof out; i++)
                assert_int_equal(out[i], 0);
        free(file[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
