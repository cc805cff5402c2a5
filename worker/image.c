/* worker/image.c: checks that stb_image leaves out, then stb_image.
 *
 * It reads zeros past the end of a file and knows no checksums, so a cut or
 * damaged file would become grey or coloured snow: both are noticed here.
 */
#include "worker/image.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#include <stb_image.h>

#include "common/crc32.h"
#include "worker/image_memory.h"
#include "worker/resize.h"

static int because(char *why, const char *reason)
{
    snprintf(why, IMAGE_WHY, "%s", reason);
    return -1;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static const uint8_t png_magic[8] = { 137, 'P', 'N', 'G', 13, 10, 26, 10 };

// Chunks are: length, type, data, CRC of type and data. Those that one may
// skip (lower-case first letter) may be damaged.
static int check_png(const uint8_t *file, size_t len, char *why)
{
    size_t at = sizeof png_magic;

    while (len - at >= 12) {
        size_t data = big_endian(file + at);
        const uint8_t *type = file + at + 4;
        if (data > len - at - 12)
            break;
        if (!(type[0] & 32) &&
            crc32_of(type, data + 4) != big_endian(type + 4 + data))
            return because(why, "a checksum in the PNG file is wrong");
        if (memcmp(type, "IEND", 4) == 0)
            return 0;
        at += 12 + data;
    }
    return because(why, "the PNG file is cut off");
}

// Tables of codes: class, how many of each of 16 lengths, their symbols. More
// than 256 in one overrun the table they are read into.
static bool codes_fit(const uint8_t *p, size_t len)
{
    while (len >= 17) {
        size_t n = 0;
        for (int i = 1; i <= 16; i++)
            n += p[i];
        if (n > 256 || len < 17 + n)
            return false;
        p += 17 + n;
        len -= 17 + n;
    }
    return len == 0;
}

// The next marker at or after `at`, or len: 0xFF and a byte that is neither
// padding (0xFF), data (0), nor a marker without a segment (D0..D8, 1).
static size_t next_marker(const uint8_t *file, size_t len, size_t at)
{
    for (; at + 4 <= len; at++) {
        const uint8_t *p = memchr(file + at, 0xFF, len - 3 - at);
        if (!p)
            break;
        at = (size_t)(p - file);
        if (p[1] > 1 && p[1] != 0xFF && (p[1] < 0xD0 || p[1] > 0xD8))
            return at;
    }
    return len;
}

// Segments are: 0xFF, marker, length (itself included), data. Start of frame
// holds the number of components in its byte 5 of data. Pixels stand between
// segments.
static int check_jpeg(const uint8_t *file, size_t len, char *why)
{
    size_t at = next_marker(file, len, 2);
    bool frame = false, scan = false;

    while (at < len && file[at + 1] != 0xD9) {
        uint8_t marker = file[at + 1];
        size_t size = (size_t)(file[at + 2] << 8 | file[at + 3]);
        if (size < 2 || size > len - at - 2)
            return because(why, "a part of the JPEG file is cut off");
        if (marker == 0xC4) {
            if (!codes_fit(file + at + 4, size - 2))
                return because(why, "a code table in the JPEG file is "
                               "damaged");
        } else if (marker == 0xDA) {
            scan = true;
        } else if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC8 &&
                   marker != 0xCC && size >= 8) {
            frame = true;
            if (file[at + 9] == 4)
                return because(why, "a CMYK JPEG; only grey and colour ones "
                               "are supported");
        }
        at = next_marker(file, len, at + 2 + size);
    }
    if (frame && scan)
        return 0;
    return because(why, frame ? "no pixels in the JPEG file: damaged or cut off"
                   : "no frame in the JPEG file: damaged or cut off");
}

// A file in memory as stb_image reads it; remembers that it wanted more.
struct reader {
    const uint8_t *bytes;
    size_t         len, at;
    bool           past_end;
};

static int read_some(void *user, char *to, int want)
{
    struct reader *r = user;
    size_t n = (size_t)want < r->len - r->at ? (size_t)want : r->len - r->at;

    memcpy(to, r->bytes + r->at, n);
    r->at += n;
    if (n == 0)
        r->past_end = true;
    return (int)n;
}

static void skip(void *user, int n)
{
    struct reader *r = user;

    if (n < 0) {                        // back into what was read before
        size_t back = (size_t)-(long)n;
        r->at -= back < r->at ? back : r->at;
        return;
    }
    if ((size_t)n > r->len - r->at) {
        r->past_end = true;
        n = (int)(r->len - r->at);
    }
    r->at += (size_t)n;
}

static int at_end(void *user)
{
    struct reader *r = user;

    return r->at == r->len;
}

enum {
    HEADER_BYTES = 1 << 20,             // what stb_image needs in any case
    BYTES_A_PIXEL = 32,
    BYTES_A_BYTE = 4,                   // of the file: it is copied, in growing
                                        // pieces
    BLOCK = 32,                         // JPEG's largest unit, in pixels
};

// Enough for every whole image: 16 bit RGBA unpacked, put together from its
// interlaced parts and converted takes 27 bytes a pixel, a progressive JPEG 15.
static size_t allowance(int w, int h, size_t len)
{
    size_t columns = ((size_t)w + BLOCK - 1) / BLOCK * BLOCK;
    size_t rows = ((size_t)h + BLOCK - 1) / BLOCK * BLOCK;

    return HEADER_BYTES + BYTES_A_PIXEL * columns * rows + BYTES_A_BYTE * len;
}

// A JPEG spends a bit or more on each block of 8 x 8 pixels. What stb_image
// does not find it takes as grey.
static bool is_too_short(const uint8_t *file, int w, int h, size_t len)
{
    size_t blocks = ((size_t)w + 7) / 8 * (((size_t)h + 7) / 8);

    return file[0] == 0xFF && len < blocks / 8;
}

// Width and height from the header, within the limits; -1 says why not.
static int measure(const uint8_t *file, size_t len, int *w, int *h, char *why)
{
    int components;

    image_memory_allow(HEADER_BYTES);
    if (!stbi_info_from_memory(file, (int)len, w, h, &components)) {
        snprintf(why, IMAGE_WHY, "a damaged header, or a kind of %s that is "
                 "not supported", file[0] == 0xFF ? "JPEG" : "PNG");
        return -1;
    }
    if (*w > RESIZE_MAX_SIDE || *h > RESIZE_MAX_SIDE ||
        (int64_t)*w * *h > IMAGE_MOST_PIXELS) {
        snprintf(why, IMAGE_WHY, "%d x %d pixels; at most %d are taken", *w,
                 *h, IMAGE_MOST_PIXELS);
        return -1;
    }
    if (is_too_short(file, *w, *h, len)) {
        snprintf(why, IMAGE_WHY, "%zu bytes are too few for %d x %d pixels",
                 len, *w, *h);
        return -1;
    }
    return 0;
}

// The pixels (h, w, 3), to be given to stbi_image_free(), or NULL.
static uint8_t *load(const uint8_t *file, size_t len, int *w, int *h,
                     char *why)
{
    const stbi_io_callbacks calls = {
        .read = read_some, .skip = skip, .eof = at_end,
    };
    struct reader r = { .bytes = file, .len = len };
    int components;

    if (measure(file, len, w, h, why) != 0)
        return NULL;
    image_memory_allow(allowance(*w, *h, len));
    uint8_t *pixels = stbi_load_from_callbacks(&calls, &r, w, h, &components,
                                               3);
    if (pixels && !r.past_end)
        return pixels;
    if (image_memory_ran_out())
        snprintf(why, IMAGE_WHY, "it needs more memory than an image of %d x "
                 "%d pixels should", *w, *h);
    else if (r.past_end)
        because(why, "the file ends in the middle of the image");
    else
        snprintf(why, IMAGE_WHY, "cannot be decoded: %s",
                 stbi_failure_reason());
    stbi_image_free(pixels);
    return NULL;
}

int image_decode(const uint8_t *file, size_t len, int side, uint8_t *out,
                 char why[IMAGE_WHY])
{
    int w = 0, h = 0, rc;

    if (len == 0)
        return because(why, "the file is empty");
    if (len > IMAGE_MOST_BYTES) {
        snprintf(why, IMAGE_WHY, "the file has more than %d bytes",
                 IMAGE_MOST_BYTES);
        return -1;
    }
    if (len >= 8 && memcmp(file, png_magic, 8) == 0)
        rc = check_png(file, len, why);
    else if (len >= 3 && memcmp(file, "\xFF\xD8\xFF", 3) == 0)
        rc = check_jpeg(file, len, why);
    else
        rc = because(why, "neither a PNG nor a JPEG file");
    if (rc != 0)
        return rc;
    uint8_t *pixels = load(file, len, &w, &h, why);
    if (!pixels)
        return -1;
    resize_rgb(out, side, side, pixels, w, h);
    stbi_image_free(pixels);
    return 0;
}
