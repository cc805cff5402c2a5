/* daemon/runner.h: one worker process: start, listen, stop.
 *
 * The child is the leader of a process group of its own, so that everything it
 * starts goes with it, and gets SIGKILL from the kernel when the thread that
 * started it ends: start it from the thread that lives as long as the daemon.
 * What it prints is read without ever waiting; poll() the descriptors.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "common/error.h"

struct runner;

struct runner_opts {
    char *const *argv;          // argv[0] is the program's path
    const char  *input;         // its whole stdin
    const char  *log;           // file to append its stderr to, or NULL
    size_t       longest;       // bytes of a line of its stdout
};

enum { RUNNER_LOG_BYTES = 8 << 20 };    // a log file grows no further

int  runner_start(const struct runner_opts *o, struct runner **out,
                  struct error *err);
// Kills the group if it is still there, waits for the child.
void runner_free(struct runner *r);

pid_t runner_pid(const struct runner *r);
// Readable when there is output, when there is something for the log, when the
// process has ended. -1 when nothing more can come.
int   runner_out_fd(const struct runner *r);
int   runner_log_fd(const struct runner *r);
int   runner_exit_fd(const struct runner *r);

// As line_next().
const char *runner_line(struct runner *r, size_t *len, bool *end,
                        struct error *err);
void  runner_read_log(struct runner *r);

// To the whole group.
void  runner_signal(struct runner *r, int signal);

// When the process has ended: true, and *status as from waitpid(). What is
// left of its group is killed; what it printed can still be read.
bool  runner_ended(struct runner *r, int *status);

// "killed by SIGSEGV", "exited with 9", and the last line of its log if any.
void  runner_describe(const struct runner *r, int status, char *out,
                      size_t size);
