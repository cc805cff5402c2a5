/* Landlock and seccomp, each on its own, as test_decode sees them together:
 * what one forgets, the other must hold. */
#include "worker/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Runs body in a child after seal; true when body came back with `want`.
static bool sealed(int (*seal)(void), int (*body)(void), int want)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || seal() != 0)
            _exit(255);
        _exit(body());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
        fail_msg("the child ended with status %x", status);
    return WEXITSTATUS(status) == want;
}

static int reads(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? 0 : errno;
}

static int lists(void)
{
    return open("/etc", O_RDONLY | O_DIRECTORY) >= 0 ? 0 : errno;
}

static int makes(void)
{
    return mkdir("/tmp/gradwatch-test-seal", 0700) == 0 ? 0 : errno;
}

static int connects(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static bool lacks(const char *what)
{
    const char *missing = seal_missing();

    if (!missing || !strstr(missing, what))
        return false;
    print_message("# this kernel lacks %s\n", missing);
    return true;
}

static int nothing(void)
{
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    assert_true(sealed(nothing, reads, 0));
    if (lacks("Landlock")) {
        assert_true(sealed(seal_files, reads, 0));      // goes on without
        return;
    }
    assert_true(sealed(seal_files, reads, EACCES));
    assert_true(sealed(seal_files, lists, EACCES));
    assert_true(sealed(seal_files, makes, EACCES));
}

static void test_calls(void **state)
{
    (void)state;
    assert_true(sealed(nothing, connects, 0));
    if (lacks("seccomp")) {
        assert_true(sealed(seal_calls, connects, 0));
        return;
    }
    assert_true(sealed(seal_calls, reads, EPERM));
    assert_true(sealed(seal_calls, makes, EPERM));
    assert_true(sealed(seal_calls, connects, EPERM));
}

// A kernel without Landlock, as a filter plays it.
static int without_landlock(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
                                    SCMP_SYS(landlock_create_ruleset), 0) ||
        seccomp_load(filter))
        return -1;
    seccomp_release(filter);
    const char *missing = seal_missing();
    if (!missing || strcmp(missing, "Landlock") != 0)
        return -1;
    return seal_files();
}

// Then it is named, and the rest goes on.
static void test_degrades(void **state)
{
    (void)state;
    if (lacks("seccomp"))
        skip();
    assert_true(sealed(without_landlock, reads, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_degrades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
