/* model/ring.h: slots and results in main memory, of a backend whose submit()
 * does the step itself and whose collect() hands over what came out. */
#pragma once
#include "model/backend.h"

struct done {                           // a step that waits to be collected
    struct result result;               // its taps are owned
    enum mode     mode;
};

struct ring {
    const struct plan *plan;            // borrowed
    struct slot       *slots;           // opts.slots of both
    struct done       *done;
    int                oldest, waiting; // in done
};

void ring_open(struct ring *r, const struct plan *p);
void ring_close(struct ring *r);        // of a ring that was not opened: fine
// Where the next step's result goes; it waits from ring_push() on.
struct result *ring_next(struct ring *r, enum mode mode);
void ring_push(struct ring *r);
// collect() of the backend's table.
int ring_collect(struct ring *r, struct result *out, struct error *err);
