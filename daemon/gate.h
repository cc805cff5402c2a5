/* daemon/gate.h: who may ask at all: checked for every request and method
 * before anything is looked up.
 *
 * A browser sends what a web page of somebody else tells it to, so such a page
 * must not get through: requests name one of the hosts that are allowed (a name
 * that was re-bound to 127.0.0.1 is not), and do not come from a foreign page.
 * Following a link to here is the exception; it brings no cookie along.
 * What two readers could take for two different requests is refused, as one of
 * them may be a proxy in front.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

enum { GATE_BODY_BYTES = 256 << 10, GATE_HEADER_BYTES = 16 << 10 };

struct gate {
    int          port;                  // the one listened on
    char *const *allow_hosts;           // borrowed; with any port
    int          n_allow_hosts;
};

struct gate_request {                   // headers; NULL and 0 = not there
    const char *method;
    const char *host, *origin, *fetch_site, *fetch_mode, *content_type,
               *content_length, *transfer_encoding;
    int         n_hosts, n_lengths, n_encodings;
    size_t      header_bytes;
    bool        odd;                    // gate_is_odd() or gate_is_cut()
};

// Whether a header is one that two readers could take for different ones: its
// name has other characters than RFC 9110 allows ("Content-Length :"), its
// value has control characters, or it was folded over several lines. Of a
// folded one libmicrohttpd 0.9.75 hands out a name that is not in the same
// line as the value: both are where they were received, the value behind.
bool gate_is_odd(const char *name, const char *value);

// Whether there is anything but `gap` bytes (a space; CR and LF) between the
// end of one part of a request and the next part: libmicrohttpd cuts what it
// hands out at a zero byte, and takes a line that begins with a colon for the
// empty one; another reader need not do so. It puts zero bytes where parts
// ended, so that a zero byte and a bare LF look like CR LF: who takes LF for no
// end of a line, and a zero byte for a part of it, must refuse it (RFC 9110,
// 5.5).
bool gate_is_cut(const char *end, const char *next, size_t gap);

// 0, or the HTTP status of the refusal, which is also err->code.
int gate_check(const struct gate *g, const struct gate_request *r,
               struct error *err);
