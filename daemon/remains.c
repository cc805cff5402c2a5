#include "daemon/remains.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "daemon/checkpoints.h"

enum {
    IDENTITY = 80,              // bytes of the text that tells processes apart
    GONE_MILLIS = 5000,         // after SIGKILL
};

static const char folder[] = "workers";

// Reads the first line of a file; empty when there is none.
static void read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");

    *out = '\0';
    if (f && fgets(out, (int)size, f))
        out[strcspn(out, "\n")] = '\0';
    if (f)
        fclose(f);
}

// What no other process ever is: which boot of the machine, and how many ticks
// after it this one was started. Empty when there is no such process.
static void identify(pid_t pid, char out[IDENTITY])
{
    char path[40], boot[40], stat[1024];
    unsigned long long ticks;

    *out = '\0';
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_line(path, stat, sizeof stat);
    // The name, which may hold anything, ends with the last bracket; the start
    // is the 20th number or word after it.
    const char *rest = strrchr(stat, ')');
    if (rest && sscanf(rest + 1, " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                       " %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks) == 1)
        snprintf(out, IDENTITY, "%s %llu", boot, ticks);
}

static char *note_of(const char *state, pid_t pid)
{
    return xasprintf("%s/%s/%d", state, folder, (int)pid);
}

void remains_note(const char *state, pid_t worker)
{
    char *dir = xasprintf("%s/%s", state, folder), identity[IDENTITY];
    char *path = note_of(state, worker);

    identify(worker, identity);
    mkdir(dir, 0700);
    FILE *f = fopen(path, "we");
    if (!f || fprintf(f, "%s\n", identity) < 0 || fflush(f) != 0)
        log_debug("cannot write %s: %s", path, strerror(errno));
    if (f)
        fclose(f);
    free(path);
    free(dir);
}

void remains_forget(const char *state, pid_t worker)
{
    char *path = note_of(state, worker);

    unlink(path);
    free(path);
}

// A process that is what its note says, and all of its group.
static void end_worker(const char *path, pid_t pid)
{
    char noted[IDENTITY], now[IDENTITY];
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    read_line(path, noted, sizeof noted);
    identify(pid, now);
    if (fd >= 0 && *noted && !strcmp(noted, now)) {
        struct pollfd gone = { .fd = fd, .events = POLLIN };
        log_warn("a worker of the last daemon is still there (process %d) and "
                 "is killed", (int)pid);
        kill(-pid, SIGKILL);
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        if (poll(&gone, 1, GONE_MILLIS) != 1)
            log_error("process %d does not end", (int)pid);
    }
    if (fd >= 0)
        close(fd);
}

// The whole number that a name begins with, up to `tail`; 0 of any other.
static int64_t number_of(const char *name, const char *tail)
{
    char *end;
    int64_t n = *name >= '1' && *name <= '9' ? strtoll(name, &end, 10) : 0;

    return n && !strcmp(end, tail) ? n : 0;
}

typedef void visit_function(const struct server *s, const char *path,
                            int64_t number);

// Every entry of a folder whose name is a number and `tail`.
static void visit(const struct server *s, const char *dir, const char *tail,
                  visit_function *each)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        int64_t number = number_of(e->d_name, tail);
        char *path = xasprintf("%s/%s", dir, e->d_name);
        if (number)
            each(s, path, number);
        free(path);
    }
    if (d)
        closedir(d);
}

static void visit_worker(const struct server *s, const char *path, int64_t pid)
{
    (void)s;
    if (pid > 1 && pid <= INT32_MAX)
        end_worker(path, (pid_t)pid);
    unlink(path);
}

static void visit_log(const struct server *s, const char *path, int64_t job)
{
    if (store_was_removed(s->store, job))
        unlink(path);
}

static void visit_checkpoints(const struct server *s, const char *path,
                              int64_t job)
{
    (void)path;
    if (store_was_removed(s->store, job))
        checkpoints_remove(s, job);
}

void remains_clear(const struct server *s)
{
    char *workers = xasprintf("%s/%s", s->config->state, folder);

    visit(s, workers, "", visit_worker);
    visit(s, s->logs, ".log", visit_log);
    visit(s, s->checkpoints, "", visit_checkpoints);
    free(workers);
}
