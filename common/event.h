/* common/event.h: one event is one line of JSON, everywhere.
 *
 * What the worker prints is what the daemon stores and what SSE carries;
 * storing only stamps job, seq and n at its head. docs/events.md has every
 * type with its members.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "common/error.h"

// {"type": type, "time": now}. Caller owns, adds members, then event_write().
json_t *event_new(const char *type);

// Null for nan and infinities: JSON has neither.
json_t *event_number(double x);

// Compact JSON text of any value, members in the order they were set. A real
// has as few digits as read back as the same double: 0.1, not
// 0.10000000000000001. Caller owns.
char   *event_text(const json_t *value);

// Takes event. Writes it as one line and flushes; ERR_IO when the reader left.
int     event_write(FILE *out, json_t *event, struct error *err);

// Its "type"; NULL when it has none.
const char *event_type(const json_t *event);
// Types that are stored (all but "live" and "loading"), and the last of a job
// ("finished", "failed", "cancelled").
bool    event_is_stored(const char *type);
bool    event_is_last(const char *type);

// Splices "job":..,"seq":..,"n":.. in front of the members of line (one JSON
// object without newline, as a worker printed it). A seq or n of 0 is left
// out: events that are not stored have none. Caller owns the text.
char   *event_stamp(const char *line, int64_t job, int64_t seq, int64_t n);
