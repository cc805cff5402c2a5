#include "common/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

enum { FIRST_ROOM = 64 * 1024 };

struct line_reader {
    int    fd;
    size_t longest;
    char  *buf;
    size_t room;
    size_t start, end;          // unread bytes of buf
    size_t scanned;             // from start: known to hold no newline
    bool   eof, failed;
};

struct line_reader *line_new(int fd, size_t longest)
{
    struct line_reader *r = xcalloc(1, sizeof *r);
    r->fd = fd;
    r->longest = longest;
    return r;
}

void line_free(struct line_reader *r)
{
    if (r)
        free(r->buf);
    free(r);
}

// Makes room behind the unread bytes: first by moving them, then by growing,
// never beyond the longest line and its newline.
static void make_room(struct line_reader *r)
{
    if (r->start) {
        memmove(r->buf, r->buf + r->start, r->end - r->start);
        r->end -= r->start;
        r->start = 0;
    }
    if (r->end < r->room)
        return;
    r->room = r->room ? 2 * r->room : FIRST_ROOM;
    if (r->room > r->longest + 1)
        r->room = r->longest + 1;
    r->buf = xrealloc(r->buf, r->room);
}

// More bytes into the buffer: 1, or 0 when there are none now (or any more).
static int fill(struct line_reader *r, struct error *err)
{
    if (r->end == r->room)
        make_room(r);
    for (;;) {
        ssize_t n = read(r->fd, r->buf + r->end, r->room - r->end);
        if (n > 0) {
            r->end += (size_t)n;
            return 1;
        }
        if (n == 0) {
            r->eof = true;
            return 0;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        r->failed = true;
        return fail(err, ERR_IO, "cannot read: %s", strerror(errno));
    }
}

const char *line_next(struct line_reader *r, size_t *len, bool *end,
                      struct error *err)
{
    *end = r->eof || r->failed;
    if (r->failed) {
        fail(err, ERR_IO, "this reader has failed before");
        return NULL;
    }
    for (;;) {
        size_t unread = r->end - r->start, from = r->start + r->scanned;
        char *newline = unread > r->scanned     // else there may be no buffer
            ? memchr(r->buf + from, '\n', unread - r->scanned) : NULL;
        if (newline) {
            char *line = r->buf + r->start;
            *newline = '\0';
            *len = (size_t)(newline - line);
            r->start += *len + 1;
            r->scanned = 0;
            *end = false;
            return line;
        }
        r->scanned = unread;
        if (unread > r->longest) {
            r->failed = *end = true;
            fail(err, ERR_LIMIT, "a line of more than %zu bytes", r->longest);
            return NULL;
        }
        if (r->eof || fill(r, err) <= 0) {
            *end = r->eof || r->failed;
            return NULL;
        }
    }
}
