// What a worker prints: cut into lines, checked, stamped and read back, with
// its numbers as they went; then what the daemon makes of it: summary, history
// and every view.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/event.h"
#include "common/line.h"
#include "daemon/history.h"
#include "daemon/protocol.h"
#include "daemon/summary.h"
#include "daemon/views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stamp(const char *line, const json_t *event)
{
    char *stamped = event_stamp(line, 7, 8, 9);
    json_t *back = json_loads(stamped, JSON_REJECT_DUPLICATES, NULL);

    if (json_integer_value(json_object_get(back, "seq")) != 8)
        abort();
    json_object_del(back, "job");
    json_object_del(back, "seq");
    json_object_del(back, "n");
    if (!json_equal(back, event))
        abort();
    json_decref(back);
    free(stamped);
}

// Of one attempt of a job.
struct reading {
    struct protocol p;
    struct history *h;
    json_t         *summary;
};

static void check_line(struct reading *r, const char *line, size_t len)
{
    struct error err = { 0 };
    json_t *event = NULL;

    if (protocol_check(&r->p, line, len, &event, &err) != 0) {
        if (!*err.text)
            abort();
        return;
    }
    history_add(r->h, line, len, &err);
    summary_apply(r->summary, event);
    char *text = event_text(event);
    json_t *back = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_equal(back, event))
        abort();
    check_stamp(line, event);
    protocol_repeats(&r->p, event);
    event_is_stored(event_type(event));
    json_decref(back);
    json_decref(event);
    free(text);
}

static void look_at_all(const struct history *h)
{
    for (int view = 0; view < VIEW_COUNT; view++) {
        struct view_query q;
        struct error err = { 0 };
        json_t *problems = NULL;
        view_query_parse(&q, (enum view)view, NULL, 0, &problems);
        if (view_rows[view].make)
            json_decref(view_rows[view].make(h, &q, &err));
        view_query_clear(&q);
        json_decref(problems);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LONGEST = 1 << 13 };
    struct reading read = { .h = history_new(), .summary = summary_new(2) };
    struct error err = { 0 };
    int fd = memfd_create("lines", 0);
    bool end = false;
    size_t len;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    lseek(fd, 0, SEEK_SET);
    struct line_reader *r = line_new(fd, LONGEST);
    for (const char *line; (line = line_next(r, &len, &end, &err));)
        check_line(&read, line, len);
    line_free(r);
    look_at_all(read.h);
    history_free(read.h);
    json_decref(read.summary);
    close(fd);
    return 0;
}
