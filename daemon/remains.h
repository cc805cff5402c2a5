/* daemon/remains.h: what a daemon that died can have left behind.
 *
 * Its workers die with it (runner.h). One that did not all the same would go on
 * writing the files of a job that another worker goes on with: so each is
 * written down while it runs, with the moment of its start, and the next daemon
 * ends those that are still the same process. The files of a job that was
 * removed, but for whose files there was no time any more, are removed too.
 */
#pragma once
#include <sys/types.h>
#include "daemon/server.h"

// A worker that runs, until it is forgotten. What cannot be written down is
// not: it is the second line of defence.
void remains_note(const char *state, pid_t worker);
void remains_forget(const char *state, pid_t worker);

// Of the daemons before this one; waits until the workers have gone. Before
// anything is started.
void remains_clear(const struct server *s);
