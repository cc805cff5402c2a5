#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"

static enum log_level most_verbose = LOG_INFO;

void log_set_level(enum log_level most)
{
    most_verbose = most;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    char time[CLOCK_TEXT], text[1024];

    if (level > most_verbose)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    clock_text(clock_unix_millis(), time);
    fprintf(stderr, "%s %-5s %s\n", time, names[level], text);
}
