/* gradwatch doctor: what it finds with and without a daemon, as JSON. */
#include "daemon.h"

#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"
#include "clean.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

// Its answer to `words`; the exit status in *status. Caller owns.
static json_t *doctor(const char *server, const char *token, int *status)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = '\0';
    char *command = xasprintf("%s/../client/gradwatch --json %s%s %s%s "
                              "doctor", dirname(self),
                              server ? "--server " : "", server ? server : "",
                              token ? "--token-file " : "",
                              token ? token : "");
    FILE *f = popen(command, "r");
    json_t *answer = json_loadf(f, 0, NULL);
    *status = WEXITSTATUS(pclose(f));
    free(command);
    assert_non_null(answer);
    return answer;
}

// The first check of that name; NULL without one. Borrowed.
static const char *member(const json_t *answer, const char *name,
                          const char *key)
{
    json_t *check;
    size_t i;

    json_array_foreach(json_object_get(answer, "checks"), i, check)
        if (!strcmp(json_string_value(json_object_get(check, "name")), name))
            return json_string_value(json_object_get(check, key));
    return NULL;
}

static char *address(const struct daemon *d)
{
    return xasprintf("http://127.0.0.1:%d", d->port);
}

static void all_is_well(void **state)
{
    char *data = xasprintf("data=%s", (char *)*state), *server;
    char *dir = scratch_path(*state, "state");
    struct daemon d = daemon_start(dir, (const char *[]){
        "--data", data, NULL });
    int status;

    server = address(&d);
    json_t *answer = doctor(server, NULL, &status);
    assert_int_equal(status, 0);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_string_equal(member(answer, "daemon", "state"), "ok");
    assert_string_equal(member(answer, "device", "state"), "ok");
    assert_string_equal(member(answer, "data", "found"), "data");
    assert_null(member(answer, "data", "hint"));
    json_decref(answer);
    assert_int_equal(daemon_stop(&d), 0);
    free(server);
    free(data);
    free(dir);
}

// The daemon's own configuration leads to it: address and token.
static void the_configuration_is_found(void **state)
{
    char *dir = scratch_path(*state, "state"), *home, *conf;
    struct daemon d = daemon_start_closed(dir, NULL);
    int status;

    conf = xasprintf("listen = 127.0.0.1:%d\nstate = %s\n", d.port, dir);
    scratch_write(*state, "gradwatch/gradwatchd.conf", conf, strlen(conf));
    home = xstrdup(*state);
    setenv("XDG_CONFIG_HOME", home, 1);
    json_t *answer = doctor(NULL, NULL, &status);
    unsetenv("XDG_CONFIG_HOME");
    assert_string_equal(member(answer, "daemon", "state"), "ok");
    assert_int_equal(status, 0);
    json_decref(answer);
    assert_int_equal(daemon_stop(&d), 0);
    free(home);
    free(conf);
    free(dir);
}

static void without_a_daemon_it_says_how_to_start_one(void **state)
{
    int status;

    (void)state;
    // Port 1 is nobody's.
    json_t *answer = doctor("http://127.0.0.1:1", NULL, &status);
    assert_int_equal(status, 1);
    assert_true(json_is_false(json_object_get(answer, "ok")));
    assert_string_equal(member(answer, "daemon", "state"), "missing");
    assert_non_null(strstr(member(answer, "daemon", "hint"), "gradwatchd"));
    // What needs a daemon is not guessed.
    assert_null(member(answer, "data", "state"));
    json_decref(answer);
}

static void a_wrong_token_is_told_apart(void **state)
{
    char *dir = scratch_path(*state, "state"), *wrong, *server;
    struct daemon d = daemon_start_closed(dir, NULL);
    int status;

    scratch_write(*state, "wrong", "0123456789012345678901234567\n", 29);
    wrong = scratch_path(*state, "wrong");
    server = address(&d);
    json_t *answer = doctor(server, wrong, &status);
    assert_int_equal(status, 1);
    assert_non_null(strstr(member(answer, "daemon", "found"), "token"));
    assert_non_null(strstr(member(answer, "daemon", "hint"), "--token-file"));
    json_decref(answer);
    assert_int_equal(daemon_stop(&d), 0);
    free(server);
    free(wrong);
    free(dir);
}

static int setup(void **state)
{
    *state = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_is_well),
        TEST(the_configuration_is_found),
        TEST(without_a_daemon_it_says_how_to_start_one),
        TEST(a_wrong_token_is_told_apart),
    };
    clean_environment();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
