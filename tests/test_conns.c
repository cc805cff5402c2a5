// daemon/conns.c: how long a connection may take, whatever it sends.
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

static struct conns *all;
static struct conn *one;
static int fd[2];

static bool is_shut(void)
{
    char c;
    return recv(fd[1], &c, 1, MSG_DONTWAIT) == 0;
}

// The clock is read by conns.c as well; this is more than a test takes.
static const double slack = 5;

static int sweep_after(double seconds)
{
    return conns_sweep(all, clock_seconds() + seconds);
}

static void the_first_headers_have_ten_seconds(void **state)
{
    (void)state;
    assert_int_equal(sweep_after(CONNS_HEAD_S - slack), 0);
    assert_false(is_shut());
    assert_int_equal(sweep_after(CONNS_HEAD_S), 1);
    assert_true(is_shut());
}

static void a_body_has_thirty_from_there(void **state)
{
    (void)state;
    conns_headed(all, one);
    assert_int_equal(sweep_after(CONNS_BODY_S - slack), 0);
    assert_int_equal(sweep_after(CONNS_BODY_S), 1);
    assert_true(is_shut());
}

static void an_answer_may_take_for_ever(void **state)
{
    (void)state;
    conns_headed(all, one);
    conns_asked(all, one);
    assert_int_equal(sweep_after(1e9), 0);
    conns_answered(all, one);
    assert_int_equal(sweep_after(CONNS_IDLE_S - slack), 0);
    assert_int_equal(sweep_after(CONNS_IDLE_S), 1);
    assert_true(is_shut());
}

static void one_that_is_gone_is_left_alone(void **state)
{
    (void)state;
    conns_close(all, one);
    assert_int_equal(sweep_after(1e9), 0);
    assert_false(is_shut());
}

static int setup(void **state)
{
    (void)state;
    all = conns_new();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
        return -1;
    one = conns_open(all, fd[0]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    conns_free(all);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

#define fresh(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fresh(the_first_headers_have_ten_seconds),
        fresh(a_body_has_thirty_from_there),
        fresh(an_answer_may_take_for_ever),
        fresh(one_that_is_gone_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
