/* worker/lane.h: a thread that makes one call at a time.
 *
 * The training loop gives each step to a lane: meanwhile it fills the next
 * batch, and tells that the program is alive when a step takes long. All calls
 * on plans go through one lane, since a plan belongs to one thread.
 */
#pragma once
#include <stdbool.h>

struct lane;                            // owns its thread

typedef void lane_call(void *arg);

struct lane *lane_open(void);
void lane_close(struct lane *l);        // waits for the call; NULL is fine

// Starts call(arg) on the lane, which must be idle. arg is borrowed until
// lane_wait() returned true.
void lane_give(struct lane *l, lane_call *call, void *arg);

// True as soon as the lane is idle, false after `seconds` of waiting.
bool lane_wait(struct lane *l, double seconds);
