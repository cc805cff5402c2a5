#include "common/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static atomic_int most_verbose = LOG_INFO, how = LOG_TEXT;

void log_set_level(enum log_level most)
{
    most_verbose = (int)most;
}

void log_set_format(enum log_format format)
{
    how = (int)format;
}

// Bytes that are not UTF-8, as of a file name, become question marks.
static json_t *json_text(char *text)
{
    json_t *value = json_string(text);

    for (char *p = text; !value && *p; p++)
        if (*p & 0x80)
            *p = '?';
    return value ? value : json_string(text);
}

static void print_json(const char *time, const char *level, char *text)
{
    json_t *line = json_pack("{s:s, s:s, s:o}", "time", time, "level", level,
                             "message", json_text(text));
    char *bytes = json_dumps(line, JSON_COMPACT);

    fprintf(stderr, "%s\n", bytes);
    free(bytes);
    json_decref(line);
}

// A message is a line, whatever the names in it hold.
static void print_text(const char *time, const char *level, char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    fprintf(stderr, "%s %-5s %s\n", time, level, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    char time[CLOCK_TEXT], text[1024];

    if ((int)level > most_verbose)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    clock_text(clock_unix_millis(), time);
    if (how == LOG_JSON)
        print_json(time, names[level], text);
    else
        print_text(time, names[level], text);
}
