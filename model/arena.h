/* model/arena.h: life spans -> offsets in one block. */
#pragma once
#include <stddef.h>
#include "model/schedule.h"

// Two spans that share a stage never share a byte. Rows with first < 0 or
// bytes 0 take no room. Returns the bytes needed.
size_t arena_plan(const struct span *span, const size_t *bytes, int n,
                  size_t align, size_t *offset);
