/* tests/program.h: gradwatch-train from outside: a spec in, events out. */
#pragma once
#include <stdio.h>
#include <sys/types.h>
#include <jansson.h>

struct program {
    pid_t pid;
    FILE *events;               // its stdout
};

// Starts ../worker/gradwatch-train, seen from this test, with the options in
// args (ends with NULL; may be NULL) and spec on its stdin. Its log goes to
// /dev/null.
struct program program_start(const char *spec, const char *const *args);

// The next event; the caller owns it. NULL at the end of its output.
json_t *program_next(struct program *p);

// Closes what is open and waits. The exit code, or 128 + the signal.
int program_end(struct program *p);

// All of the above: every event as a list, which the caller owns.
int program_run(const char *spec, const char *const *args, json_t **events);
