/* Moves and flips against torchvision's pad(), crop() and hflip():
 * tests/dumps/augment_*.bin, written by tests/torch_augment.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/rng.h"
#include "tests/dump.h"
#include "worker/augment.h"

enum { SEED = 5, EPOCH = 3, IMAGES = 12, SIDE = 16, ONE = SIDE * SIDE * 3,
       PIXELS = 65536 };

static void compare(const char *name, enum job_augment kind)
{
    uint8_t src[ONE], got[ONE];
    size_t len;
    uint8_t *want = dump_load(name, &len);

    assert_int_equal(len, IMAGES * ONE);
    for (int i = 0; i < IMAGES; i++) {
        for (int k = 0; k < ONE; k++)
            src[k] = (uint8_t)rng_bits(0, PIXELS, (uint64_t)(i * ONE + k));
        augment_rgb(got, src, SIDE, kind, SEED, EPOCH, i);
        assert_memory_equal(got, want + i * ONE, ONE);
    }
    free(want);
}

static void flips_are_torchvisions(void **state)
{
    (void)state;
    compare("augment_flip.bin", AUGMENT_FLIP);
}

static void moves_are_torchvisions(void **state)
{
    (void)state;
    compare("augment_crop-flip.bin", AUGMENT_CROP_FLIP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_are_torchvisions),
        cmocka_unit_test(moves_are_torchvisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
