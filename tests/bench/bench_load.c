/* Requests at a fixed rate, whether the answers come or not, and how long they
 * take. tests/bench/load runs it; nothing here is a test.
 *
 *     bench_load PORT PATH RATE SECONDS CONNECTIONS [HEADER]
 *
 * A request's time begins when it was due, not when a connection was free for
 * it: a server that stops for a while is charged for all who had to wait.
 * Prints a line of JSON: answers a second, those that came too late or wrong,
 * bytes of an answer, milliseconds, and the share of the machine's time that
 * was stolen from it (proc_stat(5)) meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum { MAX_CONNECTIONS = 1024, HEAD_BYTES = 4096 };
static const double patience_s = 10;    // for what is left at the end

struct asker {
    int    fd;
    double due;                 // of its request; 0 = free
    char   head[HEAD_BYTES];
    size_t head_len;            // bytes of the answer's head so far
    long   left;                // of its body; -1 = head is not there yet
};

struct load {
    struct asker *askers;
    int           n, ready;     // epoll
    char         *request;
    double       *took;         // seconds, of each answer
    int           asked, done, errors, total;
    double        start, rate;
    long          bytes;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

static void open_askers(struct load *l, int port)
{
    l->ready = epoll_create1(EPOLL_CLOEXEC);
    l->askers = xcalloc((size_t)l->n, sizeof *l->askers);
    for (int i = 0; i < l->n; i++) {
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &l->askers[i] };
        l->askers[i].fd = dial(port);
        epoll_ctl(l->ready, EPOLL_CTL_ADD, l->askers[i].fd, &e);
    }
}

// Sends what is due, as far as there are free connections.
static void ask(struct load *l)
{
    int due = (int)((clock_seconds() - l->start) * l->rate) + 1;

    if (due > l->total)
        due = l->total;
    for (int i = 0; i < l->n && l->asked < due; i++) {
        struct asker *a = &l->askers[i];
        if (a->due > 0)
            continue;
        a->due = l->start + l->asked++ / l->rate;
        a->head_len = 0;
        a->left = -1;
        if (send(a->fd, l->request, strlen(l->request), MSG_NOSIGNAL) < 0)
            die("send");
    }
}

// What follows the head, once that is there: reads status and length.
static size_t take_head(struct load *l, struct asker *a, const char *data,
                        size_t n)
{
    size_t room = HEAD_BYTES - 1 - a->head_len, old = a->head_len;
    size_t k = n < room ? n : room;

    memcpy(a->head + old, data, k);
    a->head_len += k;
    a->head[a->head_len] = '\0';
    char *end = strstr(a->head, "\r\n\r\n");
    char *length = strcasestr(a->head, "Content-Length:");
    if (!end)
        return n;
    if (strncmp(a->head, "HTTP/1.1 200", 12) != 0)
        l->errors++;
    a->left = length && length < end ? atol(length + 15) : 0;
    return (size_t)(end + 4 - a->head) - old;
}

static void take(struct load *l, struct asker *a)
{
    static char data[1 << 18];
    ssize_t n = recv(a->fd, data, sizeof data, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("recv: the server has closed a connection");
    if (n < 0)
        return;
    l->bytes += n;
    size_t skip = a->left < 0 ? take_head(l, a, data, (size_t)n) : 0;
    if (a->left < 0)
        return;
    a->left -= n - (ssize_t)skip;
    if (a->left > 0)
        return;
    l->took[l->done++] = clock_seconds() - a->due;
    a->due = 0;
}

static void run(struct load *l)
{
    struct epoll_event events[64], tick = { .events = EPOLLIN };
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    long nanos = l->rate > 1000 ? (long)(1e9 / l->rate) : 1000000;
    struct itimerspec every = { { 0, nanos }, { 0, 1 } };
    char ticks[8];

    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(l->ready, EPOLL_CTL_ADD, timer, &tick);   // data.ptr NULL
    l->start = clock_seconds();
    double end = l->start + l->total / l->rate + patience_s;
    while (l->done < l->total && clock_seconds() < end) {
        int n = epoll_wait(l->ready, events, 64, 100);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                take(l, events[i].data.ptr);
            else if (read(timer, ticks, sizeof ticks) < 0)
                die("timer");
        }
        ask(l);
    }
    close(timer);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

// Jiffies since the start: all of them, and those stolen by a hypervisor.
static void jiffies(double *all, double *stolen)
{
    double x[8] = { 0 };
    FILE *f = fopen("/proc/stat", "re");

    if (!f || fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1],
                     &x[2], &x[3], &x[4], &x[5], &x[6], &x[7]) != 8)
        die("/proc/stat");
    fclose(f);
    *all = 0;
    for (int i = 0; i < 8; i++)
        *all += x[i];
    *stolen = x[7];
}

static void report(struct load *l, double all, double stolen)
{
    static const struct { const char *name; double at; } rows[] = {
        { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 },
    };
    double seconds = clock_seconds() - l->start, all_now, stolen_now;

    jiffies(&all_now, &stolen_now);
    qsort(l->took, (size_t)l->done, sizeof *l->took, by_size);
    printf("{\"rate\": %.0f, \"bad\": %d, \"bytes\": %.0f", l->done / seconds,
           l->total - l->done + l->errors,
           l->done ? (double)l->bytes / l->done : 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && l->done; i++)
        printf(", \"%s\": %.3f", rows[i].name,
               1e3 * l->took[(int)(rows[i].at * (l->done - 1))]);
    printf(", \"stolen\": %.3f}\n",
           (stolen_now - stolen) / (all_now - all > 0 ? all_now - all : 1));
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: bench_load PORT PATH RATE SECONDS CONNECTIONS "
                "[HEADER]\n");
        return 2;
    }
    struct load l = { .rate = atof(argv[3]), .n = atoi(argv[5]) };
    l.total = (int)(l.rate * atof(argv[4]));
    if (l.total < 1 || l.n < 1 || l.n > MAX_CONNECTIONS)
        return 2;
    l.took = xcalloc((size_t)l.total, sizeof *l.took);
    l.request = xasprintf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s%s\r\n",
                          argv[2], argv[1], argc > 6 ? argv[6] : "",
                          argc > 6 ? "\r\n" : "");
    double all, stolen;
    jiffies(&all, &stolen);
    open_askers(&l, atoi(argv[1]));
    run(&l);
    report(&l, all, stolen);
    for (int i = 0; i < l.n; i++)
        close(l.askers[i].fd);
    free(l.askers);
    free(l.took);
    free(l.request);
    return l.done < l.total || l.errors;
}
