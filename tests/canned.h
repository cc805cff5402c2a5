/* tests/canned.h: an HTTP server for one test of a client: a thread that gives
 * prepared answers, one a connection, and keeps what was asked. */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/mem.h"

enum { CANNED_MOST = 16, CANNED_REQUEST = 8192 };

struct canned {
    const char *answers[CANNED_MOST];   // whole, status line first
    int         n_answers;
    char        requests[CANNED_MOST][CANNED_REQUEST];
    int         n_requests;             // after canned_stop()
    int         fd;
    char        url[64];
    pthread_t   thread;
};

// Reads head and body of a request.
static inline void canned_read(int fd, char *request)
{
    size_t len = 0, want = 0;
    ssize_t n;

    while (len < CANNED_REQUEST - 1 &&
           (n = read(fd, request + len, CANNED_REQUEST - 1 - len)) > 0) {
        len += (size_t)n;
        request[len] = 0;
        const char *body = strstr(request, "\r\n\r\n");
        const char *size = strstr(request, "Content-Length: ");
        if (!body)
            continue;
        want = size ? strtoul(size + 16, NULL, 10) : 0;
        if (len >= (size_t)(body + 4 - request) + want)
            return;
    }
}

static inline void *canned_serve(void *arg)
{
    struct canned *s = arg;

    for (int i = 0; i < s->n_answers; i++) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        canned_read(fd, s->requests[i]);
        s->n_requests = i + 1;
        const char *text = s->answers[i];
        for (size_t len = strlen(text), at = 0; at < len;) {
            ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
            if (n <= 0)
                break;
            at += (size_t)n;
        }
        close(fd);
    }
    return NULL;
}

static inline void canned_start(struct canned *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&at, len) || listen(s->fd, 8) ||
        getsockname(s->fd, (struct sockaddr *)&at, &len))
        abort();
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d",
             ntohs(at.sin_port));
    pthread_create(&s->thread, NULL, canned_serve, s);
}

// Answers that nobody asked for are dropped.
static inline void canned_stop(struct canned *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}
