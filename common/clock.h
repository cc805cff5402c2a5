/* common/clock.h: the two clocks. Durations by the monotonic one only. */
#pragma once
#include <stdint.h>

enum { CLOCK_TEXT = 32 };       // room for "2026-01-31T12:34:56.789Z"

double  clock_seconds(void);                    // monotonic
int64_t clock_unix_millis(void);
void    clock_text(int64_t unix_millis, char out[CLOCK_TEXT]);  // RFC 3339 UTC
