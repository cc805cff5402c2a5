#include "daemon/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/line.h"
#include "common/mem.h"

enum {
    LAST_LINE = 300,            // bytes kept of the log's last line
    NICENESS = 10,              // below the daemon, which has to answer while
                                // a worker takes all cores
};

struct runner {
    pid_t  pid;
    int    pidfd, out, err;     // -1 = closed
    int    log;
    size_t logged;              // bytes in the log file
    struct line_reader *lines;
    bool   reaped;
    int    status;
    char   last[LAST_LINE];     // newest line of stderr that is not empty
    char   partial[LAST_LINE];  // what has come of the next one
    size_t partial_len;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// In the child, between fork and exec: async-signal-safe calls only.
static void become(char *const *argv, const int fds[3], int report,
                   pid_t parent)
{
    sigset_t none;

    setpgid(0, 0);
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICENESS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)        // it died before the line above
        _exit(127);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            goto failed;
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);   // whatever else was open
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv);
failed:;
    int why = errno;
    ssize_t n = write(report, &why, sizeof why);
    (void)n;
    _exit(127);
}

// The whole input as a file without a name, at its start.
static int input_fd(const char *text, struct error *err)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    size_t len = strlen(text), done = 0;

    while (fd >= 0 && done < len) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || done < len || lseek(fd, 0, SEEK_SET) < 0) {
        fail(err, ERR_IO, "cannot prepare a worker's input: %s",
             strerror(errno));
        close_fd(&fd);
    }
    return fd;
}

static int open_log(struct runner *r, const char *path, struct error *err)
{
    struct stat st;

    if (!path)
        return 0;
    r->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (r->log < 0)
        return fail(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (fstat(r->log, &st) == 0)
        r->logged = (size_t)st.st_size;
    return 0;
}

// Forks and reports whether the program could be executed.
static int launch(struct runner *r, char *const *argv, int in, int out,
                  int err_fd, struct error *err)
{
    int report[2], why = 0;
    pid_t parent = getpid();
    const int fds[3] = { in, out, err_fd };

    if (pipe2(report, O_CLOEXEC) != 0)
        return fail(err, ERR_IO, "cannot make a pipe: %s", strerror(errno));
    r->pid = fork();
    if (r->pid == 0)
        become(argv, fds, report[1], parent);
    close(report[1]);
    if (r->pid < 0) {
        close(report[0]);
        return fail(err, ERR_IO, "cannot fork: %s", strerror(errno));
    }
    setpgid(r->pid, r->pid);        // whoever comes first
    ssize_t n = read(report[0], &why, sizeof why);
    close(report[0]);
    if (n > 0)
        return fail(err, ERR_IO, "cannot run %s: %s", argv[0], strerror(why));
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (r->pidfd < 0)
        return fail(err, ERR_IO, "cannot watch a worker: %s", strerror(errno));
    return 0;
}

int runner_start(const struct runner_opts *o, struct runner **out,
                 struct error *err)
{
    struct runner *r = xcalloc(1, sizeof *r);
    int outs[2] = { -1, -1 }, errs[2] = { -1, -1 }, in = -1, rc;

    *out = NULL;
    r->pid = r->pidfd = r->log = -1;
    if (pipe2(outs, O_CLOEXEC) != 0 || pipe2(errs, O_CLOEXEC) != 0)
        rc = fail(err, ERR_IO, "cannot make a pipe: %s", strerror(errno));
    else if ((in = input_fd(o->input ? o->input : "", err)) < 0)
        rc = ERR_IO;
    else
        rc = open_log(r, o->log, err);
    r->out = outs[0];
    r->err = errs[0];
    if (!rc) {
        fcntl(r->out, F_SETFL, O_NONBLOCK);
        fcntl(r->err, F_SETFL, O_NONBLOCK);
        r->lines = line_new(r->out, o->longest);
        rc = launch(r, o->argv, in, outs[1], errs[1], err);
    }
    close_fd(&in);
    close_fd(&outs[1]);
    close_fd(&errs[1]);
    if (rc)
        runner_free(r);
    else
        *out = r;
    return rc;
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    if (r->pid > 0 && !r->reaped) {
        kill(-r->pid, SIGKILL);
        kill(r->pid, SIGKILL);
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    line_free(r->lines);
    close_fd(&r->pidfd);
    close_fd(&r->out);
    close_fd(&r->err);
    close_fd(&r->log);
    free(r);
}

pid_t runner_pid(const struct runner *r)
{
    return r->pid;
}

int runner_out_fd(const struct runner *r)
{
    return r->out;
}

int runner_log_fd(const struct runner *r)
{
    return r->err;
}

int runner_exit_fd(const struct runner *r)
{
    return r->reaped ? -1 : r->pidfd;
}

const char *runner_line(struct runner *r, size_t *len, bool *end,
                        struct error *err)
{
    *end = true;
    if (r->out < 0)
        return NULL;
    const char *line = line_next(r->lines, len, end, err);
    if (!line && *end)
        close_fd(&r->out);
    return line;
}

// Keeps the last line for runner_describe(), in ASCII: it goes into JSON.
static void remember(struct runner *r, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '\n') {
            bool plain = text[i] >= ' ' && text[i] <= '~';
            if (r->partial_len < LAST_LINE - 1)
                r->partial[r->partial_len++] = plain ? text[i] : '?';
        } else if (r->partial_len) {
            r->partial[r->partial_len] = '\0';
            memcpy(r->last, r->partial, LAST_LINE);
            r->partial_len = 0;
        }
    }
}

static void append_log(struct runner *r, const char *text, size_t n)
{
    static const char cut[] = "\n(the rest is left out: the log is full)\n";

    if (r->log < 0 || r->logged >= RUNNER_LOG_BYTES)
        return;
    ssize_t done = write(r->log, text, n);
    r->logged += n;
    if (done > 0 && r->logged >= RUNNER_LOG_BYTES)
        done = write(r->log, cut, sizeof cut - 1);
    // A log that cannot be written is no reason to stop a job.
    (void)done;
}

void runner_read_log(struct runner *r)
{
    char text[16384];

    // A worker that never stops talking gets its share, no more.
    for (int i = 0; i < 16 && r->err >= 0; i++) {
        ssize_t n = read(r->err, text, sizeof text);
        if (n > 0) {
            remember(r, text, (size_t)n);
            append_log(r, text, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close_fd(&r->err);
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

void runner_signal(struct runner *r, int signal)
{
    if (!r->reaped)
        kill(-r->pid, signal);
}

bool runner_ended(struct runner *r, int *status)
{
    if (!r->reaped) {
        siginfo_t info = { 0 };
        // Look first: the number stays ours, and so does the group's, until
        // the child is reaped.
        if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
            info.si_pid != r->pid)
            return false;
        kill(-r->pid, SIGKILL);
        waitpid(r->pid, &r->status, 0);
        r->reaped = true;
    }
    *status = r->status;
    return true;
}

void runner_describe(const struct runner *r, int status, char *out, size_t size)
{
    const char *last = r->last[0] ? r->last : "";
    const char *name = WIFSIGNALED(status)
        ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (WIFSIGNALED(status))
        snprintf(out, size, "the worker was killed by SIG%s%s%s",
                 name ? name : "?", *last ? "; its last words: " : "", last);
    else
        snprintf(out, size, "the worker exited with %d without saying how it "
                 "ended%s%s", WEXITSTATUS(status),
                 *last ? "; its last words: " : "", last);
}
