/* worker/decode_child.h: the inside of an image decoder process (decode.h). */
#pragma once
#include <sys/types.h>
#include "worker/decode.h"

enum answer_result { ANSWER_OK, ANSWER_BROKEN, ANSWER_PASSING };

// Comes with the open file.
struct question { int64_t image, bytes; };

// What a child says about an image. Not to be believed: who broke a decoder may
// have sent it.
struct answer {
    int64_t image;
    int32_t result;                     // enum answer_result
    char    why[IMAGE_WHY];
};

struct decode_work {
    int      side, n_places;
    uint8_t *pixels;            // image i goes to place i % n_places
    int    (*decode)(const uint8_t *file, size_t len, int side, uint8_t *out,
                     char why[IMAGE_WHY]);
};

// Called right after fork(): locks the process down, answers what comes over
// fd, and ends the process after the first broken image, or when the other end
// of fd is closed.
_Noreturn void decode_child(const struct decode_work *work, int fd,
                            pid_t parent);
