/* daemon/notify.h: tells the service manager that started the daemon how it is,
 * as sd_notify(3) does: lines of text in one datagram to the socket that
 * NOTIFY_SOCKET names. Without that variable nothing happens.
 *
 * It is a protocol of one datagram, which systemd documents as stable; a
 * library for it would be one more thing to have.
 */
#pragma once
#include "common/error.h"

struct notify {                 // { .fd = -1 } tells nobody
    int    fd;
    double watchdog;            // seconds between signs of life; 0 = none due
    double next;                // on the monotonic clock
};

// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of
// the environment: they are not for workers. ERR_USAGE for an address that
// cannot be, ERR_IO when there is nobody.
int  notify_open(struct notify *n, struct error *err);
void notify_close(struct notify *n);

__attribute__((format(printf, 2, 3)))
void notify_say(const struct notify *n, const char *fmt, ...);
// RELOADING=1 with the clock that Type=notify-reload wants to see.
void notify_reloading(const struct notify *n);
// Call at least once a second: the sign of life, when it is due.
void notify_tick(struct notify *n);
