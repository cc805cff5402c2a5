// Equal to Pillow, byte for byte, on the files tests/pil_dump.py wrote.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/dump.h"
#include "worker/resize.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static void check_file(const char *path)
{
    size_t len;
    uint8_t *file = dump_load(strrchr(path, '/') + 1, &len);
    int32_t at[4];

    memcpy(at, file, sizeof at);
    size_t src = (size_t)at[0] * at[1] * 3, dst = (size_t)at[2] * at[3] * 3;
    assert_int_equal(len, sizeof at + src + dst);
    uint8_t *got = xmalloc(dst);
    resize_rgb(got, at[2], at[3], file + sizeof at, at[0], at[1]);
    const uint8_t *want = file + sizeof at + src;
    for (size_t i = 0; i < dst; i++)
        if (got[i] != want[i])
            fail_msg("%s: byte %zu is %d, Pillow has %d", path, i, got[i],
                     want[i]);
    free(got);
    free(file);
}

static void test_like_pillow(void **state)
{
    (void)state;
    char *pattern = dump_path("resize_*.bin");
    glob_t files;

    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 14);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check_file(files.gl_pathv[i]);
    globfree(&files);
    free(pattern);
}

// Weights sum to one: a flat image stays flat at any size.
static void test_flat(void **state)
{
    (void)state;
    uint8_t src[33 * 7 * 3], dst[90 * 90 * 3];

    memset(src, 201, sizeof src);
    for (int side = 1; side <= 90; side++) {
        resize_rgb(dst, side, side, src, 33, 7);
        for (int i = 0; i < side * side * 3; i++)
            assert_int_equal(dst[i], 201);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_pillow),
        cmocka_unit_test(test_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
