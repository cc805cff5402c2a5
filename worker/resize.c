/* worker/resize.c: Pillow's resampling rule for BILINEAR (its Resample.c).
 *
 * Output pixel o of a line looks at the input around (o + 0.5) * scale. With
 * scale = in / out and support = max(scale, 1), input pixel i weighs
 * triangle((i + 0.5 - center) / support); weights are normalised to sum 1 in
 * double and then rounded to 22 bit fixed point, so that a sum of up to 255
 * times 1 stays below 2^31.
 */
#include "worker/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { PRECISION_BITS = 32 - 8 - 2 };

struct taps {                   // what each output pixel is made of
    int      most;              // weights a pixel has room for
    int     *first, *count;     // (out): the input pixels first .. + count-1
    int32_t *weight;            // (out, most), fixed point
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

// The range is rounded to the nearest pixel and then clipped, as Pillow does.
static void taps_of_pixel(struct taps *t, double *w, int o, double scale,
                          int in)
{
    double filter = scale < 1.0 ? 1.0 : scale;
    double center = (o + 0.5) * scale, sum = 0.0;
    int first = (int)(center - filter + 0.5);
    int last = (int)(center + filter + 0.5);

    if (first < 0)
        first = 0;
    if (last > in)
        last = in;
    for (int i = first; i < last; i++) {
        // Multiplied by the inverse, not divided: the last bit matters.
        w[i - first] = triangle((i - center + 0.5) * (1.0 / filter));
        sum += w[i - first];
    }
    t->first[o] = first;
    t->count[o] = last - first;
    for (int k = 0; k < last - first; k++) {
        double x = sum != 0.0 ? w[k] / sum : w[k];
        t->weight[(size_t)o * t->most + k] =
            (int32_t)(0.5 + x * (1 << PRECISION_BITS));
    }
}

static void taps_init(struct taps *t, int in, int out)
{
    double scale = (double)in / out;
    double support = scale < 1.0 ? 1.0 : scale;

    t->most = (int)ceil(support) * 2 + 1;
    t->first = xmalloc(sizeof *t->first * out);
    t->count = xmalloc(sizeof *t->count * out);
    t->weight = xmalloc(sizeof *t->weight * out * t->most);
    double *w = xmalloc(sizeof *w * t->most);
    for (int o = 0; o < out; o++)
        taps_of_pixel(t, w, o, scale, in);
    free(w);
}

static void taps_free(struct taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weight);
}

static uint8_t to_byte(int32_t sum)
{
    sum >>= PRECISION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

// Weighs `count` pixels that are `step` bytes apart.
static void mix(uint8_t *dst, const uint8_t *src, size_t step,
                const int32_t *weight, int count)
{
    int32_t r = 1 << (PRECISION_BITS - 1), g = r, b = r;

    for (int k = 0; k < count; k++, src += step) {
        r += src[0] * weight[k];
        g += src[1] * weight[k];
        b += src[2] * weight[k];
    }
    dst[0] = to_byte(r);
    dst[1] = to_byte(g);
    dst[2] = to_byte(b);
}

// (h, in, 3) -> (h, out, 3)
static void resize_width(uint8_t *dst, int out, const uint8_t *src, int in,
                         int h)
{
    struct taps t;

    taps_init(&t, in, out);
    for (int y = 0; y < h; y++) {
        const uint8_t *line = src + (size_t)y * in * 3;
        for (int o = 0; o < out; o++, dst += 3)
            mix(dst, line + (size_t)t.first[o] * 3, 3,
                t.weight + (size_t)o * t.most, t.count[o]);
    }
    taps_free(&t);
}

// (in, w, 3) -> (out, w, 3)
static void resize_height(uint8_t *dst, int out, const uint8_t *src, int in,
                          int w)
{
    struct taps t;
    size_t line = (size_t)w * 3;

    taps_init(&t, in, out);
    for (int o = 0; o < out; o++) {
        const uint8_t *top = src + (size_t)t.first[o] * line;
        for (int x = 0; x < w; x++, dst += 3, top += 3)
            mix(dst, top, line, t.weight + (size_t)o * t.most, t.count[o]);
    }
    taps_free(&t);
}

void resize_rgb(uint8_t *dst, int dw, int dh,
                const uint8_t *src, int sw, int sh)
{
    uint8_t *wide = NULL;

    if (dw != sw) {
        uint8_t *to = dh == sh ? dst : (wide = xmalloc((size_t)dw * sh * 3));
        resize_width(to, dw, src, sw, sh);
        src = to;
    }
    if (dh != sh)
        resize_height(dst, dh, src, sh, dw);
    else if (src != dst)
        memcpy(dst, src, (size_t)dw * sh * 3);
    free(wide);
}
