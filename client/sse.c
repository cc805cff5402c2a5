#include "client/sse.h"

#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

// Appends to a buffer that doubles; false when it would get over SSE_MAX.
static bool append(char **buffer, size_t *len, size_t *room, const char *bytes,
                   size_t n)
{
    if (*len + n > SSE_MAX)
        return false;
    if (*len + n + 1 > *room) {
        *room = 2 * (*len + n + 1);
        *buffer = xrealloc(*buffer, *room);
    }
    memcpy(*buffer + *len, bytes, n);
    *len += n;
    (*buffer)[*len] = 0;
    return true;
}

static void take_field(struct sse *s, const char *name, size_t name_len,
                       const char *value, size_t len)
{
    if (name_len == 4 && !memcmp(name, "data", 4)) {
        if (s->has_data &&
            !append(&s->data, &s->data_len, &s->data_room, "\n", 1))
            s->too_long = true;
        s->has_data = true;
        if (!append(&s->data, &s->data_len, &s->data_room, value, len))
            s->too_long = true;
    } else if (name_len == 2 && !memcmp(name, "id", 2) && len < SSE_MAX_ID &&
               !memchr(value, 0, len)) {
        memcpy(s->id, value, len);
        s->id[len] = 0;
    }
}

// One whole line without its end; an empty one sends the message.
static bool take_line(struct sse *s, sse_handler *handler, void *arg)
{
    const char *line = s->line_len ? s->line : "";
    size_t len = s->line_len;
    bool end = false;

    s->line_len = 0;
    if (!len) {
        if (s->has_data)
            end = handler(arg, s->data, s->data_len);
        s->has_data = false;
        s->data_len = 0;
        return end;
    }
    const char *colon = memchr(line, ':', len);
    size_t name = colon ? (size_t)(colon - line) : len;
    size_t at = colon ? name + 1 : len;
    if (at < len && line[at] == ' ')
        at++;
    if (name)
        take_field(s, line, name, line + at, len - at);
    return false;
}

bool sse_feed(struct sse *s, const char *bytes, size_t len,
              sse_handler *handler, void *arg)
{
    for (size_t i = 0; i < len && !s->too_long; i++) {
        size_t n = 0;
        bool lf_of_crlf = s->after_cr && bytes[i] == '\n';

        s->after_cr = false;
        if (lf_of_crlf)
            continue;
        while (i + n < len && bytes[i + n] != '\n' && bytes[i + n] != '\r')
            n++;
        if (n && !append(&s->line, &s->line_len, &s->line_room, bytes + i, n))
            s->too_long = true;
        i += n;
        if (i == len)
            break;
        s->after_cr = bytes[i] == '\r';
        if (take_line(s, handler, arg))
            return true;
    }
    return s->too_long;
}

void sse_restart(struct sse *s)
{
    s->line_len = s->data_len = 0;
    s->after_cr = s->has_data = s->too_long = false;
}

void sse_clear(struct sse *s)
{
    free(s->line);
    free(s->data);
    *s = (struct sse){0};
}
