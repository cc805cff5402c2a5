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
#include <sys/time.h>
#include <unistd.h>

#include "common/mem.h"
#include "worker/seal.h"

enum {
    SOCKET_FD = 3,
    MOST_FILES = SOCKET_FD + 2,         // the image is the last
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
                                  SIGCHLD, SIGPROF };
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
    if (seal_files() != 0 || seal_calls() != 0) {
        perror("cannot seal an image decoder");
        _exit(1);
    }
}

// A timer, as a limit on CPU time cannot be moved from image to image for
// good.
static void allow_cpu_seconds(int seconds)
{
    const struct itimerval t = { .it_value.tv_sec = seconds };

    setitimer(ITIMER_PROF, &t, NULL);
}

// The next question and its open file, or -1 when there are no more.
static int receive(struct question *q)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { q, sizeof *q };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };
    int fd = -1;

    if (recvmsg(SOCKET_FD, &m, MSG_CMSG_CLOEXEC) != sizeof *q)
        return -1;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

// Reads *len bytes, or as many as there are. -1: a says why not.
static int read_file(int fd, struct answer *a, uint8_t *bytes, size_t *len)
{
    size_t want = *len;
    ssize_t n = 1;

    for (*len = 0; *len < want && n > 0; *len += n > 0 ? (size_t)n : 0)
        n = read(fd, bytes + *len, want - *len);
    if (n >= 0)
        return 0;
    snprintf(a->why, sizeof a->why, "cannot read it: %s", strerror(errno));
    return -1;
}

static void answer(const struct decode_work *w, const struct question *q,
                   int fd, struct answer *a)
{
    size_t len = (size_t)q->bytes, one = (size_t)w->side * w->side * 3;
    uint8_t *file = xmalloc(len ? len : 1);
    uint8_t *to = w->pixels + one * (size_t)(q->image % w->n_places);

    if (read_file(fd, a, file, &len) != 0)
        a->result = ANSWER_PASSING;
    else if (w->decode(file, len, w->side, to, a->why) != 0)
        a->result = ANSWER_BROKEN;
    free(file);
}

_Noreturn void decode_child(const struct decode_work *work, int fd,
                            pid_t parent)
{
    struct question q;
    int file;

    lock_down(fd, parent);
    while ((file = receive(&q)) >= 0) {
        struct answer a = { .image = q.image };
        allow_cpu_seconds(CPU_S);
        answer(work, &q, file, &a);
        close(file);
        if (send(SOCKET_FD, &a, sizeof a, MSG_NOSIGNAL) != sizeof a ||
            a.result != ANSWER_OK)
            break;
    }
    _exit(0);
}
