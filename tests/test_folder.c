// What counts as a class and as an image, in which order, and what links do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "common/folder.h"
#include "tests/scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static int start(void **state)
{
    *state = scratch_new();
    return 0;
}

static int stop(void **state)
{
    scratch_remove(*state);
    return 0;
}

static void touch(const char *dir, const char *name)
{
    scratch_write(dir, name, "x", 1);
}

static struct folder *scan(const char *root, const char *path)
{
    struct folder *f = NULL;
    struct error err = { 0 };

    if (folder_scan(root, path, &f, &err) != 0)
        fail_msg("folder_scan: %s", err.text);
    return f;
}

static void test_order(void **state)
{
    const char *d = *state;
    touch(d, "set/dog/b.png");
    touch(d, "set/dog/a.JPEG");
    touch(d, "set/dog/notes.txt");
    touch(d, "set/cat/images/deep/2.jpg");
    touch(d, "set/cat/images/10.Jpg");
    touch(d, "set/Zebra/z.jpeg");
    touch(d, "set/.hidden/x.png");
    touch(d, "set/dog/._a.png");
    touch(d, "set/loose.png");
    scratch_mkdir(d, "set/empty");

    struct folder *f = scan(d, "set");
    static const char *const classes[] = { "Zebra", "cat", "dog", "empty" };
    static const struct { const char *path; int label; } images[] = {
        { "Zebra/z.jpeg", 0 }, { "cat/images/10.Jpg", 1 },
        { "cat/images/deep/2.jpg", 1 }, { "dog/a.JPEG", 2 },
        { "dog/b.png", 2 },
    };
    assert_int_equal(f->n_classes, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(f->classes[i], classes[i]);
    assert_int_equal(f->n_images, 5);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(f->images[i].path, images[i].path);
        assert_int_equal(f->images[i].label, images[i].label);
        assert_int_equal(f->images[i].bytes, 1);
        assert_true(f->images[i].mtime_nanos > 0);
    }
    folder_free(f);
}

static void test_links(void **state)
{
    const char *d = *state;
    char *outside = scratch_new();
    char *secret = xasprintf("%s/secret.png", outside);

    touch(outside, "secret.png");
    touch(d, "data/store/1.png");
    touch(d, "data/set/a/own.png");
    scratch_link("../../store/1.png", d, "data/set/a/inside.png");
    char *stored = xasprintf("%s/data/store/1.png", d);
    scratch_link(stored, d, "data/set/a/absolute.png");
    scratch_link(secret, d, "data/set/a/leaves.png");
    scratch_link(outside, d, "data/set/b");
    scratch_link("../store", d, "data/set/c");
    scratch_link("nowhere", d, "data/set/a/dangling.png");
    scratch_link("..", d, "data/set/a/loop");
    scratch_link(".", d, "data/set/a/self");

    // "loop" is followed once, to the classes beside it, but not into itself.
    char *root = xasprintf("%s/data", d);
    struct folder *f = scan(root, "set");
    assert_int_equal(f->n_classes, 2);
    assert_string_equal(f->classes[0], "a");
    assert_string_equal(f->classes[1], "c");
    static const char *const paths[] = {
        "a/absolute.png", "a/inside.png", "a/loop/c/1.png", "a/own.png",
        "c/1.png",
    };
    assert_int_equal(f->n_images, 5);
    for (int i = 0; i < 5; i++) {
        const char *why = "";
        assert_string_equal(f->images[i].path, paths[i]);
        int fd = folder_open_file(f, paths[i], &why);
        if (fd < 0)
            fail_msg("%s: %s", paths[i], why);
        close(fd);
    }
    static const struct { const char *path, *why; } shut[] = {
        { "a/leaves.png", "a link out of" },
        { "../../../etc", "a link out of" },
        { "a/dangling.png", "No such" }, { "a", "not a regular file" },
    };
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
        const char *why = "";
        assert_int_equal(folder_open_file(f, shut[i].path, &why), -1);
        if (!strstr(why, shut[i].why))
            fail_msg("%s: %s", shut[i].path, why);
    }
    free(stored);
    folder_free(f);

    // A path that leaves the root by a link is refused as a whole.
    struct error err = { 0 };
    scratch_link(outside, d, "data/away");
    assert_int_equal(folder_scan(root, "away", &f, &err), ERR_DATA);
    assert_non_null(strstr(err.text, "leaves"));
    assert_null(f);
    free(root);
    free(secret);
    scratch_remove(outside);
}

static void test_nothing(void **state)
{
    const char *d = *state;
    struct folder *f = NULL;
    struct error err = { 0 };

    assert_int_equal(folder_scan(d, "none", &f, &err), ERR_DATA);
    assert_non_null(strstr(err.text, "none"));
    assert_int_equal(folder_scan(d, "", &f, &err), ERR_DATA);
    assert_non_null(strstr(err.text, "has no folders"));
    touch(d, "a/readme.txt");
    assert_int_equal(folder_scan(d, "", &f, &err), ERR_DATA);
    assert_non_null(strstr(err.text, "no .jpg, .jpeg or .png"));
    folder_free(NULL);
}

// Who must not wait for long says how long.
static void test_within(void **state)
{
    struct folder *f = NULL;
    struct error err = { 0 };

    touch(*state, "a/1.png");
    assert_int_equal(folder_scan_within(60, *state, "", &f, &err), 0);
    assert_int_equal(f->n_images, 1);
    folder_free(f);
    assert_int_equal(folder_scan_within(-1, *state, "", &f, &err), ERR_LIMIT);
    assert_null(f);
    assert_non_null(strstr(err.text, "longer than -1 s"));
    // Of a listed set, too.
    scratch_write(*state, "val_annotations.txt", "1.png\ta\n", 8);
    touch(*state, "images/1.png");
    assert_int_equal(folder_scan_within(60, *state, "", &f, &err), 0);
    folder_free(f);
    assert_int_equal(folder_scan_within(-1, *state, "", &f, &err), ERR_LIMIT);
}

// Small classes give all they have, large ones share the rest evenly.
static void test_limit(void **state)
{
    const char *d = *state;
    static const int sizes[] = { 10, 2, 7 };
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < sizes[c]; i++) {
            char name[32];
            snprintf(name, sizeof name, "%c/%02d.png", 'a' + c, i);
            touch(d, name);
        }
    static const struct { int64_t limit; int want[3]; } cases[] = {
        { 1, { 1, 0, 0 } }, { 3, { 1, 1, 1 } }, { 9, { 4, 2, 3 } },
        { 15, { 7, 2, 6 } }, { 19, { 10, 2, 7 } }, { 100, { 10, 2, 7 } },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct folder *f = scan(d, "");
        int got[3] = { 0 };
        folder_limit(f, cases[k].limit, 5);
        for (int64_t i = 0; i < f->n_images; i++) {
            got[f->images[i].label]++;
            if (i)
                assert_true(strcmp(f->images[i - 1].path,
                                   f->images[i].path) < 0);
        }
        assert_memory_equal(got, cases[k].want, sizeof got);
        folder_free(f);
    }
}

// Another seed keeps others, the same seed the same.
static void test_limit_seed(void **state)
{
    const char *d = *state;
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/%02d.png", i);
        touch(d, name);
    }
    char kept[3][40 * 16] = { { 0 } };
    static const uint64_t seeds[3] = { 1, 1, 2 };
    for (int k = 0; k < 3; k++) {
        struct folder *f = scan(d, "");
        folder_limit(f, 10, seeds[k]);
        for (int64_t i = 0; i < f->n_images; i++)
            strcat(kept[k], f->images[i].path);
        folder_free(f);
    }
    assert_string_equal(kept[0], kept[1]);
    assert_string_not_equal(kept[0], kept[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, start, stop),
        cmocka_unit_test_setup_teardown(test_links, start, stop),
        cmocka_unit_test_setup_teardown(test_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_within, start, stop),
        cmocka_unit_test_setup_teardown(test_limit, start, stop),
        cmocka_unit_test_setup_teardown(test_limit_seed, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
