/* client/screen.h: a watched job as a picture in a terminal.
 */
#pragma once
#include "client/client.h"
#include "client/run.h"
#include "client/spark.h"

struct screen {                 // what a person chose to see
    int  quantity;              // any number: they go round
    bool all;                   // layers, not few of them
    int  first;                 // of all, scrolled to
    int  epoch;                 // 0: the newest
    bool help, keys;            // the list of keys; there are keys
    bool lost;                  // the daemon does not answer
};

// The picture as lines of text, at most c->rows - 1 of them (6 where there are
// fewer) and none wider than c->columns - 1; *axis grows with what is drawn and
// is kept from call to call, starting with low > high. The caller owns the
// text.
char *screen_compose(const struct client *c, const struct run *run,
                     const struct screen *s, struct axis *axis);

// Index of the epoch that is shown in the run's history; -1: there is none.
int screen_epoch(const struct run *run, const struct screen *s);
