#include "worker/decode_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

enum {
    SOCKET_FD = 3,
    MOST_FILES = 16,                    // open at once
    CPU_S = 60,                         // for one image; the parent's deadline
                                        // comes first, but it may be stopped
};
// Beyond what the process had when it was forked; 64 megapixels of 16 bit RGBA
// and a copy fit.
static const rlim_t most_memory = (rlim_t)3 << 30;

static void limit(int what, rlim_t to)
{
    struct rlimit r;

    if (getrlimit(what, &r) != 0)
        return;
    if (r.rlim_max == RLIM_INFINITY || to < r.rlim_max)
        r.rlim_max = to;
    r.rlim_cur = r.rlim_max;
    setrlimit(what, &r);
}

// Address space in use now, in bytes.
static rlim_t memory_in_use(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (f) {
        if (fscanf(f, "%lu", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

// Keyboard signals go to the whole process group: the parent decides what
// they mean, and a child that died of one would make its image look broken.
static void reset_signals(void)
{
    static const int ignored[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE };
    static const int normal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL,
                                  SIGCHLD };
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
        signal(normal[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Leaves standard error (the log), nothing on 0 and 1, the socket as 3.
static void keep_only(int fd)
{
    int null = open("/dev/null", O_RDWR);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (fd != SOCKET_FD)
        dup2(fd, SOCKET_FD);
    close_range(SOCKET_FD + 1, UINT_MAX, 0);
}

static void lock_down(int fd, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)            // it died before that took effect
        _exit(1);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_NAME, "gw-decode");
    reset_signals();
    keep_only(fd);
    limit(RLIMIT_AS, memory_in_use() + most_memory);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_NOFILE, MOST_FILES);
}

static void allow_cpu_seconds(int seconds)
{
    struct rusage used;
    struct rlimit r;

    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &r) != 0)
        return;
    r.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 +
                          seconds);
    if (r.rlim_cur > r.rlim_max)
        r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_CPU, &r);
}

static int because(struct answer *a, int result, const char *what, int error)
{
    snprintf(a->why, sizeof a->why, "%s: %s", what, strerror(error));
    return result;
}

// Fills *bytes (caller owns) and *len, or says why not.
static int read_file(const struct folder *f, struct answer *a, uint8_t **bytes,
                     size_t *len)
{
    struct stat st;
    int fd = folder_open_image(f, a->image), rc = ANSWER_OK;

    if (fd < 0)
        return because(a, ANSWER_PASSING, "cannot open it", errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = because(a, ANSWER_PASSING, "cannot read it", EINVAL);
    } else if (st.st_size > IMAGE_MOST_BYTES) {
        snprintf(a->why, sizeof a->why, "the file has %lld bytes; at most %d "
                 "are taken", (long long)st.st_size, IMAGE_MOST_BYTES);
        rc = ANSWER_BROKEN;
    } else {
        *bytes = xmalloc((size_t)st.st_size);
        *len = 0;
        ssize_t n = 1;
        while (*len < (size_t)st.st_size && n > 0) {
            n = read(fd, *bytes + *len, (size_t)st.st_size - *len);
            *len += n > 0 ? (size_t)n : 0;
        }
        if (n < 0)
            rc = because(a, ANSWER_PASSING, "cannot read it", errno);
    }
    close(fd);
    return rc;
}

static void answer(const struct decode_work *w, struct answer *a)
{
    uint8_t *file = NULL;
    size_t len = 0, one = (size_t)w->side * w->side * 3;

    a->result = read_file(w->f, a, &file, &len);
    if (a->result == ANSWER_OK &&
        w->decode(file, len, w->side,
                  w->pixels + one * (size_t)(a->image % w->n_places),
                  a->why) != 0)
        a->result = ANSWER_BROKEN;
    free(file);
}

_Noreturn void decode_child(const struct decode_work *work, int fd,
                            pid_t parent)
{
    int64_t image;

    lock_down(fd, parent);
    while (recv(SOCKET_FD, &image, sizeof image, 0) == sizeof image) {
        struct answer a = { .image = image };
        allow_cpu_seconds(CPU_S);
        answer(work, &a);
        if (send(SOCKET_FD, &a, sizeof a, MSG_NOSIGNAL) != sizeof a ||
            a.result != ANSWER_OK)
            break;
    }
    _exit(0);
}
