#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum { LONGEST_US = 200000 };   // that a message may wait to be taken

// A path, or with @ in front a name in the abstract namespace.
static int reach(int fd, const char *path, struct error *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    const struct timeval longest = { .tv_usec = LONGEST_US };
    size_t len = strlen(path);

    if (len < 2 || !strchr("/@", *path) || len >= sizeof a.sun_path)
        return fail(err, ERR_USAGE, "NOTIFY_SOCKET is \"%s\", must be a path "
                    "or @name of at most %zu bytes", path,
                    sizeof a.sun_path - 1);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    memcpy(a.sun_path, path, len);
    if (*path == '@')
        a.sun_path[0] = '\0';
    if (connect(fd, (struct sockaddr *)&a,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
        return fail(err, ERR_IO, "cannot reach NOTIFY_SOCKET %s: %s", path,
                    strerror(errno));
    return 0;
}

// Two signs of life fit into the time that the manager grants.
static double watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!usec || (pid && atol(pid) != (long)getpid()))
        return 0;
    return 1e-6 * atof(usec) / 2;
}

int notify_open(struct notify *n, struct error *err)
{
    const char *path = getenv("NOTIFY_SOCKET");
    int rc = 0;

    *n = (struct notify){ .fd = -1 };
    if (path && *path) {
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        rc = n->fd < 0 ? fail(err, ERR_IO, "no socket: %s", strerror(errno))
                       : reach(n->fd, path, err);
        n->watchdog = watchdog();
        if (rc)
            notify_close(n);
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return rc;
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notify_say(const struct notify *n, const char *fmt, ...)
{
    char text[400];
    va_list args;

    if (n->fd < 0)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    // A manager that does not read must not hold up anybody's jobs.
    if (send(n->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        log_debug("notify: %s", strerror(errno));
}

void notify_reloading(const struct notify *n)
{
    notify_say(n, "RELOADING=1\nMONOTONIC_USEC=%.0f\nSTATUS=reading the "
               "configuration again", 1e6 * clock_seconds());
}

void notify_tick(struct notify *n)
{
    double now = clock_seconds();

    if (n->watchdog <= 0 || now < n->next)
        return;
    notify_say(n, "WATCHDOG=1");
    n->next = now + n->watchdog;
}
