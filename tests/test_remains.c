// daemon/remains.c: what the daemon before left behind.
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/log.h"
#include "daemon/config.h"
#include "daemon/remains.h"
#include "scratch.h"

static struct config config;
static struct server server;
static char *dir;
static struct error err;

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    config = (struct config){ .state = dir };
    server = (struct server){ .config = &config,
                              .logs = scratch_path(dir, "logs"),
                              .checkpoints = scratch_path(dir, "checkpoints") };
    mkdir(server.logs, 0700);
    mkdir(server.checkpoints, 0700);
    assert_int_equal(store_open(dir, &server.store, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(server.store);
    free(server.logs);
    free(server.checkpoints);
    scratch_remove(dir);
    return 0;
}

// The leader of a group of its own, as workers are.
static pid_t start_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    setpgid(pid, pid);
    return pid;
}

// The signal that ended it.
static int ended_by(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool is_there(const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

static char *note_name(pid_t pid)
{
    return xasprintf("workers/%d", (int)pid);
}

static void a_worker_that_is_still_there_is_ended(void **state)
{
    (void)state;
    pid_t pid = start_process();
    char *note = note_name(pid);

    remains_note(dir, pid);
    assert_true(is_there(note));
    remains_clear(&server);
    assert_int_equal(ended_by(pid), SIGKILL);
    assert_false(is_there(note));
    free(note);
}

static void one_that_was_forgotten_is_left_alone(void **state)
{
    (void)state;
    pid_t pid = start_process();

    remains_note(dir, pid);
    remains_forget(dir, pid);
    remains_clear(&server);
    kill(pid, SIGTERM);
    assert_int_equal(ended_by(pid), SIGTERM);
}

// The number of a worker, but not its moment; and what nobody wrote.
static void another_process_is_left_alone(void **state)
{
    (void)state;
    pid_t old = start_process(), pid = start_process();
    char *was = note_name(old), *now = note_name(pid);
    char *from = xasprintf("%s/%s", dir, was);
    char *to = xasprintf("%s/%s", dir, now);

    remains_note(dir, old);
    assert_int_equal(rename(from, to), 0);
    // Both may have begun within one tick: another one.
    char text[100] = "";
    FILE *f = fopen(to, "r");
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    char *ticks = strrchr(text, ' ');
    assert_non_null(ticks);
    ticks[1] = ticks[1] == '9' ? '8' : '9';
    scratch_write(dir, now, text, strlen(text));
    scratch_write(dir, "workers/1", "x\n", 2);
    scratch_write(dir, "workers/none", "x\n", 2);
    scratch_write(dir, was, "", 0);
    remains_clear(&server);
    assert_false(is_there(now));
    kill(pid, SIGTERM);
    kill(old, SIGTERM);
    assert_int_equal(ended_by(pid), SIGTERM);
    assert_int_equal(ended_by(old), SIGTERM);
    free(from);
    free(to);
    free(was);
    free(now);
}

static int64_t add_job(void)
{
    struct job_row row = { .name = (char *)"a", .state = (char *)"done",
        .spec = (char *)"{}", .summary = (char *)"{}", .wish = (char *)"",
        .attempt = 1, .created = 1 };

    assert_int_equal(store_begin(server.store, &err), 0);
    assert_int_equal(store_add_job(server.store, &row, &err), 0);
    assert_int_equal(store_commit(server.store, &err), 0);
    return row.id;
}

static void files_of_removed_jobs_go(void **state)
{
    (void)state;
    static const char *const stay[] = {
        "logs/1.log", "checkpoints/1/epoch-000001.safetensors",
        "logs/3.log", "checkpoints/3/epoch-000001.safetensors",     // no id yet
        "logs/2.log.old", "logs/02.log", "checkpoints/x2/a",
    };
    static const char *const go[] = {
        "logs/2.log", "checkpoints/2/epoch-000001.safetensors",
        "checkpoints/2/epoch-000002.safetensors.tmp",
    };

    assert_int_equal(add_job(), 1);
    assert_int_equal(add_job(), 2);
    assert_int_equal(store_begin(server.store, &err), 0);
    assert_int_equal(store_delete_job(server.store, 2, &err), 0);
    assert_int_equal(store_commit(server.store, &err), 0);
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        scratch_write(dir, stay[i], "x", 1);
    for (size_t i = 0; i < sizeof go / sizeof *go; i++)
        scratch_write(dir, go[i], "x", 1);
    remains_clear(&server);
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        if (!is_there(stay[i]))
            fail_msg("%s is gone", stay[i]);
    for (size_t i = 0; i < sizeof go / sizeof *go; i++)
        if (is_there(go[i]))
            fail_msg("%s is still there", go[i]);
    assert_false(is_there("checkpoints/2"));
}

#define with_state(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_state(a_worker_that_is_still_there_is_ended),
        with_state(one_that_was_forgotten_is_left_alone),
        with_state(another_process_is_left_alone),
        with_state(files_of_removed_jobs_go),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
