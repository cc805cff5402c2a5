/* daemon/supervisor.h: runs what the queue says, one job at a time on each
 * device, in worker processes (attempt.h); the main thread's loop.
 *
 * A worker that dies, or is killed for its silence, is started again and goes
 * on from the job's last checkpoint. While there is no room on the disk nothing
 * is started.
 */
#pragma once
#include "daemon/http.h"
#include "daemon/server.h"

enum { SUPERVISOR_STOP_S = 8, SUPERVISOR_NAME = 16,
       SUPERVISOR_ROOM = 4 << 20 };     // bytes that must be free on the disk

struct supervisor;

// Borrows all. `wake` is the queue's eventfd. Starts to look for devices.
struct supervisor *supervisor_new(struct server *server, int wake);
void               supervisor_free(struct supervisor *s);   // kills the workers

// What a job's `device` calls a row of GET /devices: "cpu", "cuda:0". False
// when it has no backend.
bool supervisor_device_name(const json_t *row, char out[SUPERVISOR_NAME]);

// Until the devices are known, at most `seconds`.
void supervisor_probe(struct supervisor *s, double seconds);

// Runs jobs until `signals` (a signalfd) has one that is not SIGHUP: 0. ERR_IO
// as soon as the disk has failed: what was told till then is safe, and nothing
// is told any more. Calls http_tick() about once a second.
int  supervisor_run(struct supervisor *s, struct http *http, int signals,
                    struct error *err);
