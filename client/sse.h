/* client/sse.h: Server-Sent Events out of bytes as they come.
 *
 * Follows the HTML standard's rules for the stream: lines may end with CR, LF
 * or both, `data` lines are joined, comments and unknown fields are left out,
 * the id stays until another comes. A message over SSE_MAX bytes ends it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SSE_MAX = 64 << 20, SSE_MAX_ID = 64 };

struct sse {
    char  *line, *data;         // owned: the unfinished line; data so far
    size_t line_len, data_len, line_room, data_room;
    char   id[SSE_MAX_ID];      // of the last message, "" = none yet
    bool   after_cr, has_data, too_long;
};

// Called for each message; true ends the feeding.
typedef bool sse_handler(void *arg, const char *data, size_t len);

// Takes in bytes; true when the handler ended it or a message was too long.
// Zero-initialise s first; sse_restart() before the bytes of a new connection.
bool sse_feed(struct sse *s, const char *bytes, size_t len,
              sse_handler *handler, void *arg);
void sse_restart(struct sse *s);        // the id stays
void sse_clear(struct sse *s);
