/* daemon/supervisor.h: runs what the queue says, one job at a time, in worker
 * processes; the main thread's loop.
 *
 * Events of the worker go to the queue as they come. A worker that dies, or
 * says nothing for too long and is killed, is started again and goes on from
 * the job's last checkpoint; one that says what no worker may say fails its
 * job and nothing else. Cancelling and pausing mean SIGTERM, and SIGKILL to its
 * group after SUPERVISOR_GRACE_S.
 */
#pragma once
#include "daemon/http.h"
#include "daemon/server.h"

enum { SUPERVISOR_GRACE_S = 10, SUPERVISOR_STOP_S = 8,
       SUPERVISOR_PATIENCE = 10 };      // heartbeats until `started`: devices
                                        // can take long to wake up

struct supervisor;

// Borrows all. `wake` is the queue's eventfd. Starts to look for devices.
struct supervisor *supervisor_new(struct server *server, int wake);
void               supervisor_free(struct supervisor *s);   // kills the worker

// Until the devices are known, at most `seconds`.
void supervisor_probe(struct supervisor *s, double seconds);

// Runs jobs until `signals` (a signalfd) has a signal: 0. ERR_IO when nothing
// can be stored any more. Calls http_tick() about once a second.
int  supervisor_run(struct supervisor *s, struct http *http, int signals,
                    struct error *err);
