// common/token.c: the file with the secret.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/token.h"
#include "clean.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static char *dir;

static void one_is_made_once_for_its_owner_alone(void **state)
{
    (void)state;
    struct error err = { 0 };
    char *path = scratch_path(dir, "token"), *first, *second, *read;
    struct stat st;

    umask(0);
    assert_int_equal(token_read(path, &read, &err), ERR_NOT_FOUND);
    assert_int_equal(token_make(path, &first, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(strlen(first), 64);        // 256 bits in hexadecimal
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    assert_int_equal(token_make(path, &second, &err), 0);
    assert_string_equal(first, second);
    assert_int_equal(token_read(path, &read, &err), 0);
    assert_string_equal(first, read);
    unlink(path);
    free(second);
    assert_int_equal(token_make(path, &second, &err), 0);
    assert_string_not_equal(first, second);
    free(first);
    free(second);
    free(read);
    free(path);
}

static void files_without_a_token_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "\n", "short\n",
        "0123456789012345678901 2\n", "0123456789012345678901\nmore\n",
        "0123456789012345678901\"\n" };
    char *path = scratch_path(dir, "bad"), *token;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = { 0 };
        scratch_write(dir, "bad", texts[i], strlen(texts[i]));
        chmod(path, 0600);
        assert_int_equal(token_make(path, &token, &err), ERR_USAGE);
        assert_non_null(strstr(err.text, path));
        assert_null(token);
        // It might be a secret all the same.
        assert_null(strstr(err.text, "0123456789"));
    }
    free(path);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const char text[] = "0123456789012345678901\n";
    char *path = scratch_path(dir, "wide"), *token;
    struct error err = { 0 };

    scratch_write(dir, "wide", text, strlen(text));
    chmod(path, 0644);
    assert_int_equal(token_make(path, &token, &err), ERR_USAGE);
    assert_non_null(strstr(err.text, "chmod 600"));
    // The client may read what it is given.
    assert_int_equal(token_read(path, &token, &err), 0);
    free(token);
    free(path);
}

static void equal_is_equal_only(void **state)
{
    (void)state;
    assert_true(token_equal("abc", "abc"));
    assert_false(token_equal("abc", "abd"));
    assert_false(token_equal("abc", "ab"));
    assert_false(token_equal("abc", "abca"));
    assert_false(token_equal("abc", ""));
    assert_false(token_equal("", ""));
}

static void the_state_directory_is_where_xdg_says(void **state)
{
    (void)state;
    clean_environment();
    setenv("XDG_STATE_HOME", "/x", 1);
    char *place = token_state_dir();
    assert_string_equal(place, "/x/gradwatch");
    free(place);
    setenv("XDG_STATE_HOME", "relative", 1);
    place = token_state_dir();
    assert_int_equal(place[0], '/');
    assert_null(strstr(place, "relative"));
    free(place);
}

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_made_once_for_its_owner_alone),
        cmocka_unit_test(files_without_a_token_are_refused),
        cmocka_unit_test(a_file_that_others_can_read_is_refused),
        cmocka_unit_test(equal_is_equal_only),
        cmocka_unit_test(the_state_directory_is_where_xdg_says),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
