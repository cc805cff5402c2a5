/* client/follow.h: a job's events as they come, over broken connections.
 */
#pragma once
#include "client/client.h"

struct follower {
    // Every event, once and in order; line is its JSON without newline.
    void (*event)(void *arg, const char *line, size_t len,
                  const json_t *event);
    bool (*tick)(void *arg);            // several times a second; true: end
    void (*lost)(void *arg, bool lost); // the connection broke, or is back
    void (*end)(void *arg);             // no more; before a last message
    void  *arg;
    json_int_t since;                   // events up to this one are known
};

// Until the job's last event: 0. EXIT_INTERRUPTED when a tick or a signal ended
// it. Else an exit status, after saying why: EXIT_UNREACHABLE once no daemon
// has answered for FOLLOW_PATIENCE seconds.
int follow_job(struct client *c, json_int_t id, const struct follower *f);
enum { FOLLOW_PATIENCE = 30 };

// The command `watch`: shows the job until it ends, and exits as it does.
int follow_watch(struct client *c, json_int_t id);
