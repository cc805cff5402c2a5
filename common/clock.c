#include "common/clock.h"

#include <stdio.h>
#include <time.h>

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t clock_unix_millis(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_text(int64_t unix_millis, char out[CLOCK_TEXT])
{
    time_t s = (time_t)(unix_millis / 1000);
    struct tm tm;
    char date[24];

    gmtime_r(&s, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, CLOCK_TEXT, "%s.%03dZ", date, (int)(unix_millis % 1000));
}
