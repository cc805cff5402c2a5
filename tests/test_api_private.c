/* What other users of the machine get of a daemon: not its files, not its
 * memory, nothing by the other loopback, and of a login link one use. */
#include <arpa/inet.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "daemon.h"
#include "scratch.h"

static char *dir;

// How many files there are below a folder that others could read or write.
static int n_wide;

static int look(const char *path, const struct stat *st, int type,
                struct FTW *at)
{
    (void)path, (void)type;
    n_wide += at->level > 0 && (st->st_mode & 077) != 0;
    return 0;
}

// The folder was made by hand, without much thought.
static void what_it_keeps_is_for_its_owner_alone(void **state)
{
    char *own = scratch_path(dir, "by-hand");
    mode_t old = umask(0);

    (void)state;
    mkdir(own, 0755);
    struct daemon d = daemon_start(own, NULL);
    umask(old);
    assert_string_equal(run_to_end(&d, submit(&d, "well", 2, ""), NULL),
                        "done");
    n_wide = 0;
    assert_int_equal(nftw(own, look, 8, FTW_PHYS), 0);
    assert_int_equal(n_wide, 0);
    assert_int_equal(daemon_stop(&d), 0);
    free(own);
}

static void a_core_dump_does_not_have_the_token(void **state)
{
    char *own = scratch_path(dir, "core");
    struct rlimit most;
    int status = 0;

    (void)state;
    getrlimit(RLIMIT_CORE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_CORE, &most);
    struct daemon other = daemon_start_closed(own, NULL);
    kill(other.pid, SIGABRT);
    waitpid(other.pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_false(WCOREDUMP(status));
    free(other.state);
    free(own);
}

// A link that several open at once lets one of them in.
enum { RACERS = 8, LINKS = 20 };

struct race {
    struct daemon    *d;
    const char       *path;
    pthread_barrier_t start;
};

static void *open_link(void *cls)
{
    struct race *r = cls;
    char *request = xasprintf("GET %s HTTP/1.1\r\nHost: localhost:%d\r\n\r\n",
                              r->path, r->d->port);

    pthread_barrier_wait(&r->start);
    intptr_t status = status_of(r->d, request);
    free(request);
    return (void *)status;
}

static void a_link_that_is_raced_for_lets_one_in(void **state)
{
    char *own = scratch_path(dir, "race"), *file = scratch_path(own, "token");
    struct daemon d = daemon_start_closed(own, NULL);
    char token[100] = "", *right;
    FILE *f = fopen(file, "r");

    (void)state;
    assert_non_null(fgets(token, sizeof token, f));
    fclose(f);
    token[strcspn(token, "\n")] = '\0';
    right = xasprintf("Authorization: Bearer %s", token);
    for (int i = 0; i < LINKS; i++) {
        struct answer a = ask(&d, "POST", "/api/v1/login", NULL,
                              (const char *[]){ right, NULL });
        struct race r = { &d, json_string_value(json_object_get(a.json,
                          "path")), { { 0 } } };
        pthread_t threads[RACERS];
        int n_in = 0;
        pthread_barrier_init(&r.start, NULL, RACERS);
        for (int k = 0; k < RACERS; k++)
            pthread_create(&threads[k], NULL, open_link, &r);
        for (int k = 0; k < RACERS; k++) {
            void *status;
            pthread_join(threads[k], &status);
            n_in += (intptr_t)status == 303;
            assert_true((intptr_t)status == 303 || (intptr_t)status == 403);
        }
        assert_int_equal(n_in, 1);
        pthread_barrier_destroy(&r.start);
        answer_clear(&a);
    }
    free(right);
    free(file);
    free(own);
    assert_int_equal(daemon_stop(&d), 0);
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
        cmocka_unit_test(what_it_keeps_is_for_its_owner_alone),
        cmocka_unit_test(a_core_dump_does_not_have_the_token),
        cmocka_unit_test(a_link_that_is_raced_for_lets_one_in),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
