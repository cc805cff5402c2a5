// daemon/conns.c: connections that take too long to ask.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "daemon/conns.h"

enum { SLOW, ASKED, ANSWERED, N };

static int fd[N][2];            // ours and the client's
static struct conn *conn[N];
static struct conns *c;

static bool is_shut(int i)
{
    char byte;
    return recv(fd[i][1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void only_those_that_have_not_asked_are_late(void **state)
{
    (void)state;
    double now = clock_seconds();

    conns_asked(c, conn[ASKED]);
    conns_asked(c, conn[ANSWERED]);
    conns_answered(c, conn[ANSWERED]);
    assert_int_equal(conns_sweep(c, now + CONNS_ASK_S - 1), 0);
    for (int i = 0; i < N; i++)
        assert_false(is_shut(i));
    assert_int_equal(conns_sweep(c, now + CONNS_ASK_S + 1), 2);
    assert_true(is_shut(SLOW));
    assert_false(is_shut(ASKED));
    assert_true(is_shut(ANSWERED));
}

static void those_that_are_gone_are_left_alone(void **state)
{
    (void)state;
    conns_close(c, conn[ASKED]);
    conns_close(c, conn[ANSWERED]);
    assert_int_equal(conns_sweep(c, clock_seconds() + CONNS_ASK_S + 1), 1);
    assert_true(is_shut(SLOW));
    assert_false(is_shut(ASKED));
}

static int setup(void **state)
{
    (void)state;
    c = conns_new();
    for (int i = 0; i < N; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]) != 0)
            return -1;
        conn[i] = conns_open(c, fd[i][0]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    conns_free(c);
    for (int i = 0; i < N; i++) {
        close(fd[i][0]);
        close(fd[i][1]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_those_that_have_not_asked_are_late,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(those_that_are_gone_are_left_alone,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
