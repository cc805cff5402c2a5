/* The kernel that makes the network's input out of bytes, run on a CPU:
 * gathered, moved, resized, normalised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/kernels.h"
#include "worker/augment.h"
#include "worker/resize.h"
#include "gpu/resident.h"

static uint8_t *bytes(size_t n, uint64_t seed)
{
    uint8_t *x = xmalloc(n);

    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)rng_bits(seed, 9, i);
    return x;
}

// y must be image `want` (h, w, 3), normalised, padded to c channels.
static void check_input(struct input_args a, const uint8_t *want)
{
    size_t pixels = (size_t)a.n * (size_t)a.h * (size_t)a.w, c = (size_t)a.c;
    struct array y = array_new(a.elem, pixels * c, 1, 1, 0);
    double *expected = doubles(pixels * c);

    for (int i = 0; i < 3; i++) {
        a.mean[i] = 0.4f + 0.1f * (float)i;
        a.std[i] = 0.2f;
    }
    a.y = y.inside;
    for (size_t i = 0; i < pixels * c; i++)
        if (i % c < 3)
            expected[i] = (want[i / c * 3 + i % c] / 255.0 - a.mean[i % c]) /
                          a.std[i % c];
    launch_input(&a, NULL);
    array_is(&y, expected, rounding(a.elem), 1, "input");
    array_free(&y);
}

static void test_images_are_gathered_and_normalised(void **state)
{
    enum { H = 5, W = 7, ONE = H * W * 3 };
    const int32_t index[] = { 3, 0, 3 };
    uint8_t *pixels = bytes(4 * ONE, 1), want[3 * ONE];

    (void)state;
    for (int i = 0; i < 3; i++)
        memcpy(want + i * ONE, pixels + index[i] * ONE, ONE);
    for (int e = 0; e < ELEMS; e++) {
        struct input_args a = { .elem = (enum elem)e, .n = 3, .h = H, .w = W,
            .c = elem_pack((enum elem)e), .pixels = pixels, .from_h = H,
            .from_w = W, .index = index };
        check_input(a, want);
        a.index = NULL;
        check_input(a, pixels);
    }
    free(pixels);
}

// As worker/augment.c moves and flips.
static void test_images_are_moved_as_on_the_cpu(void **state)
{
    enum { SIDE = 17, ONE = SIDE * SIDE * 3, N = 40 };
    uint8_t *pixels = bytes(N * ONE, 2), *want = xmalloc(N * ONE);
    struct move move[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        move[i] = augment_move(SIDE, AUGMENT_CROP_FLIP, 5, 1, i);
        augment_rgb(want + i * ONE, pixels + i * ONE, SIDE, AUGMENT_CROP_FLIP,
                    5, 1, i);
    }
    check_input((struct input_args){ .elem = ELEM_F32, .n = N, .h = SIDE,
        .w = SIDE, .c = 4, .pixels = pixels, .from_h = SIDE, .from_w = SIDE,
        .move = move }, want);
    free(pixels), free(want);
}

static void check_resize(int h, int w, int to_h, int to_w)
{
    size_t from = (size_t)h * (size_t)w * 3;
    size_t to = (size_t)to_h * (size_t)to_w * 3;
    uint8_t *pixels = bytes(2 * from, 3), *want = xmalloc(2 * to);
    struct images im = { pixels, NULL, 2, h, w };
    struct resident r = { 0 };
    struct error err = { 0 };

    for (int i = 0; i < 2; i++)
        resize_rgb(want + (size_t)i * to, to_w, to_h,
                   pixels + (size_t)i * from, w, h);
    assert_int_equal(resident_take(&r, &im, to_h, to_w, NULL, &err), 1);
    check_input((struct input_args){ .elem = ELEM_F32, .n = 2, .h = to_h,
        .w = to_w, .c = 4, .pixels = r.pixels, .from_h = h, .from_w = w,
        .down = r.down, .across = r.across }, want);
    resident_drop(&r);
    free(pixels), free(want);
}

static void test_images_are_resized_as_pillow_does(void **state)
{
    (void)state;
    check_resize(16, 16, 16, 16);
    check_resize(8, 8, 28, 28);
    check_resize(30, 41, 16, 16);
    check_resize(16, 31, 16, 9);
    check_resize(7, 16, 20, 16);
    check_resize(1, 1, 5, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_are_gathered_and_normalised),
        cmocka_unit_test(test_images_are_moved_as_on_the_cpu),
        cmocka_unit_test(test_images_are_resized_as_pillow_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
