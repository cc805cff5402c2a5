/* SIGHUP, and what the daemon tells the service manager that started it: a
 * socket of ours takes the manager's place, so nothing here waits by the clock.
 */
#include "daemon.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "daemon/supervisor.h"
#include "scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

struct manager {
    char *dir;                  // owned
    int   fd;
    char  said[500];            // the last message
};

static int setup(void **state)
{
    struct manager *m = xcalloc(1, sizeof *m);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 120 };

    m->dir = scratch_new();
    char *path = scratch_path(m->dir, "notify");
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    unsetenv("WATCHDOG_PID");
    free(path);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct manager *m = *state;

    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(m->fd);
    scratch_remove(m->dir);
    free(m);
    return 0;
}

// Passes messages over up to one that begins with `line`.
static void wait_for(struct manager *m, const char *line)
{
    do {
        ssize_t n = recv(m->fd, m->said, sizeof m->said - 1, 0);
        if (n < 0)
            fail_msg("%s was not said", line);
        m->said[n > 0 ? n : 0] = '\0';
    } while (strncmp(m->said, line, strlen(line)) != 0);
}

static void drain(struct manager *m)
{
    while (recv(m->fd, m->said, sizeof m->said - 1, MSG_DONTWAIT) > 0)
        ;
}

static void write_config(struct manager *m, const char *text)
{
    scratch_write(m->dir, "conf", text, strlen(text));
}

static struct daemon start(struct manager *m)
{
    char *state = scratch_path(m->dir, "state");
    char *conf = scratch_path(m->dir, "conf");
    struct daemon d = daemon_start(state, (const char *[]){
        "--config", conf, NULL });
    free(conf);
    free(state);
    wait_for(m, "READY=1");
    return d;
}

static void reload(struct manager *m, const struct daemon *d)
{
    kill(d->pid, SIGHUP);
    wait_for(m, "RELOADING=1");
    assert_non_null(strstr(m->said, "\nMONOTONIC_USEC="));
    wait_for(m, "READY=1");
}

static int status_as(const struct daemon *d, const char *host)
{
    char *header = xasprintf("Host: %s", host);
    struct answer a = ask(d, "GET", "/api/v1", NULL,
                          (const char *[]){ header, NULL });
    int status = a.status;

    answer_clear(&a);
    free(header);
    return status;
}

static int queue_limit_of(const struct daemon *d)
{
    json_t *about = get(d, "/api/v1");
    json_int_t n = json_integer_value(json_object_get(
        json_object_get(about, "limits"), "queued_jobs"));

    json_decref(about);
    return (int)n;
}

static size_t n_datasets(const struct daemon *d)
{
    json_t *answer = get(d, "/api/v1/datasets");
    size_t n = json_array_size(json_object_get(answer, "datasets"));

    json_decref(answer);
    return n;
}

static void the_manager_hears_all(void **state)
{
    struct manager *m = *state;

    write_config(m, "");
    struct daemon d = start(m);
    assert_non_null(strstr(m->said, "STATUS=listening on 127.0.0.1 port "));
    wait_for(m, "WATCHDOG=1");
    wait_for(m, "WATCHDOG=1");
    reload(m, &d);
    kill(d.pid, SIGTERM);
    wait_for(m, "STOPPING=1");
    assert_int_equal(daemon_stop(&d), 0);
}

// Asked once, the daemon waits for a worker that does not obey; asked twice, it
// does not.
static void a_second_signal_ends_all_at_once(void **state)
{
    struct manager *m = *state;

    write_config(m, "");
    struct daemon d = start(m);
    int64_t id = submit(&d, "deaf", 1, ""), seq;
    char *path = xasprintf("/api/v1/jobs/%" PRId64 "/events", id);
    struct stream s = stream_open(&d, path, -1);
    json_decref(stream_find(&s, "started", &seq));
    stream_close(&s);
    kill(d.pid, SIGTERM);
    wait_for(m, "STOPPING=1");
    double asked = clock_seconds();
    assert_int_equal(daemon_stop(&d), 0);
    assert_true(clock_seconds() - asked < SUPERVISOR_STOP_S);
    free(path);
}

static void new_values_are_in_force_after_sighup(void **state)
{
    struct manager *m = *state;

    write_config(m, "");
    struct daemon d = start(m);
    assert_int_equal(status_as(&d, "lab.example"), 421);
    assert_int_equal(queue_limit_of(&d), 64);
    assert_int_equal(n_datasets(&d), 1);
    write_config(m, "allow-host = lab.example\nqueue-limit = 3\n"
                    "data = tmp=/tmp\n");
    reload(m, &d);
    assert_int_equal(status_as(&d, "lab.example"), 200);
    assert_int_equal(queue_limit_of(&d), 3);
    assert_int_equal(n_datasets(&d), 2);
    write_config(m, "");
    reload(m, &d);
    assert_int_equal(status_as(&d, "lab.example"), 421);
    assert_int_equal(queue_limit_of(&d), 64);
    assert_int_equal(n_datasets(&d), 1);
    assert_int_equal(daemon_stop(&d), 0);
}

static void a_wrong_file_changes_nothing(void **state)
{
    struct manager *m = *state;

    write_config(m, "queue-limit = 3\n");
    struct daemon d = start(m);
    write_config(m, "queue-limit = 5\nheartbeat = soon\n");
    reload(m, &d);
    assert_int_equal(queue_limit_of(&d), 3);
    assert_int_equal(daemon_stop(&d), 0);
}

static void what_needs_a_restart_stays_as_it_was(void **state)
{
    struct manager *m = *state;
    json_t *job;

    write_config(m, "");
    struct daemon d = start(m);
    write_config(m, "web = /nowhere\nqueue-limit = 7\n");
    reload(m, &d);
    assert_int_equal(queue_limit_of(&d), 7);
    int64_t id = submit(&d, "quick", 1, "");
    assert_string_equal(run_to_end(&d, id, &job), "done");
    json_decref(job);
    assert_int_equal(daemon_stop(&d), 0);
}

static void many_reloads_under_load(void **state)
{
    struct manager *m = *state;

    write_config(m, "allow-host = lab.example\ndata = tmp=/tmp\n");
    struct daemon d = start(m);
    for (int i = 0; i < 50; i++) {
        kill(d.pid, SIGHUP);
        assert_int_equal(status_as(&d, "lab.example"), 200);
        assert_int_equal(n_datasets(&d), 2);
        drain(m);
    }
    assert_int_equal(daemon_stop(&d), 0);
}

static void a_manager_that_does_not_read_does_not_matter(void **state)
{
    struct manager *m = *state;

    // A socket holds some ten messages that nobody has read.
    write_config(m, "");
    struct daemon d = start(m);
    for (int i = 0; i < 20; i++) {
        kill(d.pid, SIGHUP);
        assert_int_equal(queue_limit_of(&d), 64);
    }
    assert_int_equal(daemon_stop(&d), 0);
}

static void a_manager_that_is_gone_does_not_matter(void **state)
{
    struct manager *m = *state;

    setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
    char *dir = scratch_path(m->dir, "state");
    struct daemon d = daemon_start(dir, NULL);
    assert_int_equal(queue_limit_of(&d), 64);
    assert_int_equal(daemon_stop(&d), 0);
    free(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_manager_hears_all),
        TEST(a_second_signal_ends_all_at_once),
        TEST(new_values_are_in_force_after_sighup),
        TEST(a_wrong_file_changes_nothing),
        TEST(what_needs_a_restart_stays_as_it_was),
        TEST(many_reloads_under_load),
        TEST(a_manager_that_does_not_read_does_not_matter),
        TEST(a_manager_that_is_gone_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
