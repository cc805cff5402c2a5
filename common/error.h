/* common/error.h: how a function says what went wrong.
 *
 * A function that can fail returns 0, or a negative ERR_ code after filling
 * the caller's struct error. Nobody prints and returns: only main() and the
 * HTTP layer turn an error into text.
 */
#pragma once

enum {
    ERR_USAGE = -1,     // the caller asked for something that makes no sense
    ERR_SPEC = -2,      // a job spec or a network that cannot be
    ERR_IO = -3,        // file, socket or pipe
    ERR_DATA = -4,      // a data set without a usable image
    ERR_MEMORY = -5,    // the device has too little of it
    ERR_DEVICE = -6,    // a device that is missing, failed or was lost
    ERR_NOT_FOUND = -7,
    ERR_STATE = -8,     // right request, wrong moment
    ERR_FULL = -9,      // a queue or a disk
    ERR_LIMIT = -10,    // larger than what is accepted
};

struct error {
    int  code;          // 0 = none
    char text[512];     // lower case, no full stop, names thing and limits
};

// Fills err (which may be NULL) and returns code. The parentheses keep cmocka's
// macro of the same name out.
__attribute__((format(printf, 3, 4)))
int (fail)(struct error *err, int code, const char *fmt, ...);
