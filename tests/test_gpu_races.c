/* Whether emulate/races.cpp sees what a kernel lacks: one that lacks nothing
 * runs, each other one is stopped. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/emulate/faulty.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static void run(enum lack lack)
{
    size_t n = (size_t)FAULTY_THREADS;
    float *sums = xcalloc(n, sizeof *sums);
    float *partial = xcalloc(n * FAULTY_BLOCKS, sizeof *partial);
    unsigned *counter = xcalloc(1, sizeof *counter);

    launch_faulty(sums, partial, counter, lack);
    for (size_t i = 0; i < n; i++)
        assert_true(sums[i] == 2 * FAULTY_BLOCKS);
    free(sums);
    free(partial);
    free(counter);
}

static void test_what_lacks_nothing_runs(void **state)
{
    (void)state;
    run(LACKS_NOTHING);
    run(LACKS_NOTHING);                 // nothing is left of the first
}

static void test_each_lack_is_seen(void **state)
{
    (void)state;
    for (enum lack lack = LACKS_NOTHING + 1; lack < LACKS; lack++) {
        int status;

        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);   // no longer cmocka's
            run(lack);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("lack %d went by: %x", lack, (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_lacks_nothing_runs),
        cmocka_unit_test(test_each_lack_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
