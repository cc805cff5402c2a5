/* The synthetic textures: the same everywhere, alike within a class, apart
 * between classes; and what augmentation does to an image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/augment.h"
#include "worker/resize.h"
#include "worker/texture.h"
#include "worker/data.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

// Mean distance of two images' bytes.
static double apart(const uint8_t *a, const uint8_t *b, size_t len)
{
    int64_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += abs(a[i] - b[i]);
    return (double)sum / (double)len;
}

static struct job job_with(int classes, int images, int size, int side)
{
    struct job job = { 0 };
    job.data.source = SOURCE_SYNTHETIC;
    job.data.image_size = side;
    job.data.synthetic.classes = classes;
    job.data.synthetic.images = images;
    job.data.synthetic.size = size;
    return job;
}

static struct data *open_data(const struct job *job)
{
    struct data *d = NULL;
    struct error err = { 0 };

    if (data_open(job, NULL, NULL, NULL, &d, &err) != 0)
        fail_msg("data_open: %s", err.text);
    return d;
}

static void test_shape(void **state)
{
    (void)state;
    struct job job = job_with(7, 30, 16, 20);
    struct data *d = open_data(&job);
    uint8_t full[16 * 16 * 3], small[20 * 20 * 3];

    assert_int_equal(d->n, 30);
    assert_int_equal(d->side, 20);
    assert_int_equal(d->n_classes, 7);
    assert_string_equal(d->classes[6], "texture-006");
    for (int i = 0; i < 30; i++) {
        assert_int_equal(d->labels[i], i % 7);
        texture_render(full, 16, 7, 0, i);
        resize_rgb(small, 20, 20, full, 16, 16);
        assert_memory_equal(d->pixels + i * sizeof small, small,
                            sizeof small);
    }
    data_close(d);

    job.data.limit = 12;
    d = open_data(&job);
    assert_int_equal(d->n, 12);
    data_close(d);
}

// A class is to be told by its colours: images of one class differ by noise
// alone, two draws of -20..20, which are 13.7 apart on average.
static void test_learnable(void **state)
{
    (void)state;
    enum { SIZE = 64, CLASSES = 10, LEN = SIZE * SIZE * 3 };
    static uint8_t image[CLASSES * 2][LEN];

    for (int i = 0; i < CLASSES * 2; i++)
        texture_render(image[i], SIZE, CLASSES, 3, i);
    for (int a = 0; a < CLASSES; a++) {
        double same = apart(image[a], image[a + CLASSES], LEN);
        assert_true(same > 13 && same < 14.4);
        for (int b = 0; b < CLASSES; b++)
            if (a != b)
                assert_true(apart(image[a], image[b + CLASSES], LEN) >
                            1.25 * same);
    }
}

static void test_seed(void **state)
{
    (void)state;
    uint8_t a[8 * 8 * 3], b[8 * 8 * 3];

    texture_render(a, 8, 2, 1, 5);
    texture_render(b, 8, 2, 1, 5);
    assert_memory_equal(a, b, sizeof a);
    texture_render(b, 8, 2, 2, 5);
    assert_memory_not_equal(a, b, sizeof a);
}

// Too large to keep in memory: images are made when a batch wants them.
static void test_large(void **state)
{
    (void)state;
    struct job job = job_with(10, 1000000, 8, 64);
    struct data *d = open_data(&job);
    static uint8_t got[2 * 64 * 64 * 3];
    uint8_t full[8 * 8 * 3], want[64 * 64 * 3];
    const int32_t index[2] = { 7, 999999 };
    int32_t labels[2];

    assert_int_equal(d->n, 1000000);
    assert_null(d->pixels);
    data_batch(d, 1, index, 2, got, labels);
    assert_int_equal(labels[0], 7);
    assert_int_equal(labels[1], 9);
    for (int k = 0; k < 2; k++) {
        texture_render(full, 8, 10, 0, index[k]);
        resize_rgb(want, 64, 64, full, 8, 8);
        assert_memory_equal(got + k * sizeof want, want, sizeof want);
    }
    data_close(d);
}

enum { SIDE = 16, LINE = SIDE * 3, PAD = SIDE / 8 };

// Every pixel its own colour, none black.
static void paint(uint8_t *pixels)
{
    for (int i = 0; i < SIDE * SIDE; i++) {
        pixels[i * 3] = (uint8_t)(i + 1);
        pixels[i * 3 + 1] = (uint8_t)(i / 255 + 1);
        pixels[i * 3 + 2] = 9;
    }
}

// dst as src moved by dx, dy with black edges, flipped if so.
static bool is_moved(const uint8_t *dst, const uint8_t *src, int dx, int dy,
                     bool flip)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            static const uint8_t black[3];
            int sx = (flip ? SIDE - 1 - x : x) + dx, sy = y + dy;
            bool in = sx >= 0 && sx < SIDE && sy >= 0 && sy < SIDE;
            const uint8_t *want = in ? src + sy * LINE + sx * 3 : black;
            if (memcmp(dst + y * LINE + x * 3, want, 3) != 0)
                return false;
        }
    return true;
}

// Every result is one of the moves it may be, and all of those happen.
static void test_augment(void **state)
{
    (void)state;
    uint8_t src[SIDE * LINE], dst[SIDE * LINE];
    int seen[2][2 * PAD + 1][2 * PAD + 1] = { 0 }, flips = 0;
    enum { TRIES = 2000 };

    paint(src);
    for (int i = 0; i < TRIES; i++) {
        augment_rgb(dst, src, SIDE, AUGMENT_CROP_FLIP, 4, 1 + i % 3, i);
        int found = 0;
        for (int f = 0; f < 2; f++)
            for (int dx = -PAD; dx <= PAD; dx++)
                for (int dy = -PAD; dy <= PAD; dy++)
                    if (is_moved(dst, src, dx, dy, f)) {
                        found++;
                        seen[f][dx + PAD][dy + PAD]++;
                    }
        assert_int_equal(found, 1);

        augment_rgb(dst, src, SIDE, AUGMENT_FLIP, 4, 1, i);
        bool flipped = is_moved(dst, src, 0, 0, true);
        assert_true(flipped || is_moved(dst, src, 0, 0, false));
        flips += flipped;
    }
    for (int f = 0; f < 2; f++)
        for (int dx = 0; dx <= 2 * PAD; dx++)
            for (int dy = 0; dy <= 2 * PAD; dy++)
                assert_true(seen[f][dx][dy] > 0);
    // Half, within five standard deviations (22 each).
    assert_in_range(flips, TRIES / 2 - 112, TRIES / 2 + 112);
    augment_rgb(dst, src, SIDE, AUGMENT_NONE, 4, 1, 0);
    assert_memory_equal(dst, src, sizeof src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_learnable),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_augment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
