/* daemon/protocol.h: what a worker may say, and when.
 *
 * A worker is a program like any other: it may crash half way through a line,
 * or be another version. What it prints is held against docs/events.md before
 * any of it is stored, so that readers of the log need not check again. One
 * struct protocol per attempt.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "common/error.h"

enum { PROTOCOL_LONGEST = 16 << 20 };   // bytes of a line

struct protocol {           // zero at the start of an attempt
    bool started, ended;    // has said `started`; its last event
    bool cut;               // an epoch was incomplete: no other may follow
    int  epoch;             // the newest one
    int  recorded;          // whole epochs that are stored of attempts before
};

// Checks one line. 0 with the event in *out, which the caller owns; ERR_SPEC
// with what is wrong.
int protocol_check(struct protocol *p, const char *line, size_t len,
                   json_t **out, struct error *err);

// An epoch that an attempt before has told already: the same numbers again,
// since the worker had to go on from a checkpoint before it.
bool protocol_repeats(const struct protocol *p, const json_t *event);

