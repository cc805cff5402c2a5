/* worker/decode.c: a handful of children, one image each at a time.
 *
 * The parent opens a file, beneath the root, and sends it down a socket; the
 * child reads it, decodes it into a place in shared memory and answers in a few
 * bytes. Places form a ring: image i uses place i % n_places, so the parent can
 * hand images over in order while the children finish them in any.
 */
#include "worker/decode.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/decode_child.h"
#include "worker/seal.h"

enum {
    MOST_CHILDREN = 64,
    PLACES_PER_CHILD = 4,               // how far one may fall behind
    TICK_MILLIS = 100,
    DEADLINE_S = 20,
};

struct place {                          // an image on its way
    bool             done;
    struct answer    answer;
};

struct child {
    pid_t   pid;                        // 0 = none
    int     fd;
    int64_t image;                      // -1 = idle
    double  deadline;                   // clock_seconds()
};

struct pool {
    const struct folder      *f;
    const struct decode_opts *opts;
    const struct decode_sink *sink;
    struct child  child[MOST_CHILDREN];
    int           n_children, n_places;
    struct place *place;
    uint8_t      *pixels;               // (n_places, side, side, 3), shared
    size_t        image_bytes;
    int64_t       next, handed_over;    // to start; to give to the sink
};

static int cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

static int child_start(struct pool *p, struct child *c, struct error *err)
{
    struct decode_work work = {
        .side = p->opts->side, .pixels = p->pixels,
        .n_places = p->n_places,
        .decode = p->opts->decode ? p->opts->decode : image_decode,
    };
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fail(err, ERR_IO, "cannot start an image decoder: %s",
                    strerror(errno));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        decode_child(&work, pair[1], parent);   // does not return
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return fail(err, ERR_IO, "cannot start an image decoder: %s",
                    strerror(errno));
    }
    *c = (struct child) { .pid = pid, .fd = pair[0], .image = -1 };
    return 0;
}

// Returns the exit status: its own if it ended by itself, which killing does
// not change.
static int child_stop(struct child *c)
{
    int status = 0;

    if (!c->pid)
        return 0;
    kill(c->pid, SIGKILL);
    close(c->fd);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    return status;
}

static void finish(struct pool *p, int64_t image, const struct answer *a)
{
    struct place *place = &p->place[image % p->n_places];

    place->done = true;
    place->answer = *a;
    char *c = place->answer.why;
    for (; *c && c < place->answer.why + IMAGE_WHY - 1; c++)
        if (*c < ' ' || *c > '~')       // no decoder of ours says that
            *c = '?';
    *c = '\0';
}

// The child ended in the middle of an image: that image is broken, and
// another child takes over.
static int child_lost(struct pool *p, struct child *c, struct error *err)
{
    struct answer a = { .result = ANSWER_BROKEN };
    int64_t image = c->image;
    int status = child_stop(c);

    if (WIFSIGNALED(status)) {
        snprintf(a.why, sizeof a.why, "the decoder crashed on it (%s)",
                 strsignal(WTERMSIG(status)));
        if (WTERMSIG(status) == SIGKILL)        // by the kernel, or a person
            a.result = ANSWER_PASSING;
    } else {
        snprintf(a.why, sizeof a.why, "the decoder gave up on it (status %d)",
                 WEXITSTATUS(status));
    }
    if (image >= 0)
        finish(p, image, &a);
    return child_start(p, c, err);
}

static int child_late(struct pool *p, struct child *c, double seconds,
                      struct error *err)
{
    struct answer a = { .result = ANSWER_BROKEN };
    int64_t image = c->image;

    snprintf(a.why, sizeof a.why, "not decoded after %g s", seconds);
    child_stop(c);
    finish(p, image, &a);
    return child_start(p, c, err);
}

static int child_answered(struct pool *p, struct child *c, struct error *err)
{
    struct answer a;
    ssize_t n = recv(c->fd, &a, sizeof a, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != sizeof a || a.image != c->image || a.result < ANSWER_OK ||
        a.result > ANSWER_PASSING)
        return child_lost(p, c, err);
    finish(p, c->image, &a);
    c->image = -1;
    if (a.result == ANSWER_OK)
        return 0;
    child_stop(c);                      // it ends with this answer
    return child_start(p, c, err);
}

// Opens the image and measures it: 0 when it can be sent, else a says why not.
static int open_image(const struct folder *f, int64_t image, int *fd,
                      struct question *q, struct answer *a)
{
    const char *why;
    struct stat st;

    *fd = folder_open_file(f, f->images[image].path, &why);
    if (*fd < 0) {
        a->result = ANSWER_PASSING;
        snprintf(a->why, sizeof a->why, "cannot open it: %s", why);
        return -1;
    }
    *q = (struct question) { .image = image };
    q->bytes = fstat(*fd, &st) == 0 ? st.st_size : 0;
    if (q->bytes <= IMAGE_MOST_BYTES)
        return 0;
    a->result = ANSWER_BROKEN;
    snprintf(a->why, sizeof a->why, "the file has %lld bytes; at most %d are "
             "taken", (long long)q->bytes, IMAGE_MOST_BYTES);
    close(*fd);
    return -1;
}

// A child that is gone is noticed by the poll that follows.
static void ask(const struct child *c, struct question *q, int fd)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int))];
    } control = { .head = {
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
        .cmsg_len = CMSG_LEN(sizeof(int)),
    } };
    struct iovec part = { q, sizeof *q };
    const struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control,
    };

    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Gives images to idle children as far as the ring has room.
static void hand_out(struct pool *p, double seconds)
{
    for (int k = 0; k < p->n_children; k++) {
        struct child *c = &p->child[k];
        while (c->image < 0 && p->next < p->f->n_images &&
               p->next < p->handed_over + p->n_places) {
            int64_t image = p->next++;
            struct answer a = { .image = image };
            struct question q;
            int fd;
            p->place[image % p->n_places].done = false;
            if (open_image(p->f, image, &fd, &q, &a) != 0) {
                finish(p, image, &a);
                continue;
            }
            c->image = image;
            c->deadline = clock_seconds() + seconds;
            ask(c, &q, fd);
            close(fd);
        }
    }
}

static int wait_for_children(struct pool *p, double seconds,
                             struct error *err)
{
    struct pollfd fds[MOST_CHILDREN];
    bool ready = p->place[p->handed_over % p->n_places].done;
    int rc = 0;

    for (int k = 0; k < p->n_children; k++)
        fds[k] = (struct pollfd) { .fd = p->child[k].fd, .events = POLLIN };
    if (poll(fds, p->n_children, ready ? 0 : TICK_MILLIS) < 0 &&
        errno != EINTR)
        return fail(err, ERR_IO, "poll: %s", strerror(errno));
    double now = clock_seconds();
    for (int k = 0; k < p->n_children && rc == 0; k++) {
        struct child *c = &p->child[k];
        if (fds[k].revents)
            rc = child_answered(p, c, err);
        else if (c->image >= 0 && now > c->deadline)
            rc = child_late(p, c, seconds, err);
    }
    return rc;
}

// Gives the sink what is next in order, as far as that is done.
static int hand_over(struct pool *p, struct error *err)
{
    int rc = 0;

    while (rc == 0 && p->handed_over < p->next &&
           p->place[p->handed_over % p->n_places].done) {
        int64_t i = p->handed_over, at = i % p->n_places;
        const struct answer *a = &p->place[at].answer;
        struct decoded d = { .image = i };
        if (a->result == ANSWER_OK)
            d.pixels = p->pixels + p->image_bytes * (size_t)at;
        else
            d.why = a->why;
        d.passing = a->result == ANSWER_PASSING;
        rc = p->sink->image(p->sink->arg, &d, err);
        p->handed_over++;
    }
    return rc;
}

static int run(struct pool *p, struct error *err)
{
    double seconds = p->opts->deadline_seconds;
    int rc = 0;

    if (seconds <= 0)
        seconds = DEADLINE_S;
    for (int k = 0; k < p->n_children && rc == 0; k++)
        rc = child_start(p, &p->child[k], err);
    while (rc == 0 && p->handed_over < p->f->n_images) {
        hand_out(p, seconds);
        rc = wait_for_children(p, seconds, err);
        if (rc == 0)
            rc = hand_over(p, err);
        if (rc == 0 && p->sink->tick)
            rc = p->sink->tick(p->sink->arg, err);
    }
    for (int k = 0; k < p->n_children; k++)
        child_stop(&p->child[k]);
    return rc;
}

int decode_folder(const struct folder *f, const struct decode_opts *opts,
                  const struct decode_sink *sink, struct error *err)
{
    struct pool p = { .f = f, .opts = opts, .sink = sink };
    int n = opts->children > 0 ? opts->children : cores();
    const char *missing = seal_missing();

    if (missing)
        log_warn("image decoders run without %s, which this kernel lacks",
                 missing);
    p.n_children = n < MOST_CHILDREN ? n : MOST_CHILDREN;
    if (p.n_children > f->n_images)
        p.n_children = (int)f->n_images;
    p.n_places = p.n_children * PLACES_PER_CHILD;
    p.image_bytes = (size_t)opts->side * opts->side * 3;
    size_t bytes = p.image_bytes * (size_t)p.n_places;
    p.pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p.pixels == MAP_FAILED)
        return fail(err, ERR_IO, "no memory to decode images in: %s",
                    strerror(errno));
    p.place = xcalloc(p.n_places, sizeof *p.place);
    int rc = run(&p, err);
    free(p.place);
    munmap(p.pixels, bytes);
    return rc;
}
