/* common/line.h: whole lines out of a non-blocking descriptor. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

struct line_reader;                     // owns its buffer, borrows fd

struct line_reader *line_new(int fd, size_t longest);
void  line_free(struct line_reader *r);

// The next whole line without its newline, valid until the next call, or NULL
// when none is complete yet, at the end of input, or after an error; *end tells
// the end (a last piece without newline is dropped). A line over `longest`
// bytes is ERR_LIMIT in err, and the reader stays failed.
const char *line_next(struct line_reader *r, size_t *len, bool *end,
                      struct error *err);
