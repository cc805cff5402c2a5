/* daemon/sse.h: Server-Sent Events: who watches, and from where on.
 *
 * New events go into one shared ring; a watcher is a connection and a place in
 * it. A new watcher first reads from the store what it has missed, then walks
 * the ring from where it stood when it came, leaving out what it has already:
 * no gap, no duplicate. Nothing is buffered for anyone: a watcher that falls
 * behind by the whole ring is closed, and may come back with Last-Event-ID.
 * Between events its connection is suspended and costs no time; as nobody reads
 * from it then, sse_tick() looks whether its client is still there. One that
 * left is gone within seconds, one whose network is gone within 30.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>
#include "daemon/store.h"

enum {
    SSE_HEARTBEAT_S = 15,
    SSE_LOOK_S = 2,             // between looks whether a client is there
    SSE_ACK_S = 8,              // for its machine to acknowledge a comment
};

struct sse;

// Borrows store. `most` watchers at a time.
struct sse *sse_new(struct store *store, int most);
// After sse_stop() and the end of all connections.
void        sse_free(struct sse *s);

// A committed event, in the order of commits. Copies the line.
void sse_publish(struct sse *s, const struct stored_event *e);
// One that is not stored: stamped with its job only.
void sse_publish_live(struct sse *s, int64_t job, const char *line);

// The answer to a request: the events of `job` after seq `after`, or with
// job 0 of all jobs after n `after`. It ends after the job's last event. NULL
// when there are too many watchers, or after sse_stop(). Caller owns.
struct MHD_Response *sse_watch(struct sse *s, struct MHD_Connection *connection,
                               int64_t job, int64_t after);

// Call about once a second: comments keep quiet connections alive and show
// which ones are dead.
void sse_tick(struct sse *s);

// Ends all streams; from now on sse_watch() refuses.
void sse_stop(struct sse *s);

int  sse_watchers(struct sse *s);
int  sse_most(const struct sse *s);
