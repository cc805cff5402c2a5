#include "daemon/jobview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

static json_t *time_or_null(int64_t unix_millis)
{
    char text[CLOCK_TEXT];

    if (!unix_millis)
        return json_null();
    clock_text(unix_millis, text);
    return json_string(text);
}

static json_t *links(int64_t id)
{
    static const char *const names[] = { "events", "log", "gradients",
                                         "histograms", "profile", "metrics",
                                         "verdict", "probe" };
    char *self = xasprintf("/api/v1/jobs/%" PRId64, id);
    json_t *all = json_pack("{s:s}", "self", self);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = xasprintf("%s/%s", self, names[i]);
        json_object_set_new(all, names[i], json_string(path));
        free(path);
    }
    free(self);
    return all;
}

static json_t *of(const json_t *summary, const char *name)
{
    json_t *value = json_object_get(summary, name);
    return value ? json_deep_copy(value) : json_null();
}

json_t *jobview_make(const struct job_row *row, const json_t *summary)
{
    json_t *spec = json_loads(row->spec, 0, NULL);
    json_t *own = summary ? NULL : json_loads(row->summary, 0, NULL);
    const json_t *from = summary ? summary : own;
    json_t *job = json_pack("{s:I, s:s, s:s, s:o*, s:o, s:o, s:o}",
        "id", (json_int_t)row->id, "name", row->name, "state", row->state,
        "spec", spec, "created_at", time_or_null(row->created),
        "started_at", time_or_null(row->started),
        "ended_at", time_or_null(row->ended));

    json_object_set_new(job, "device", of(from, "device"));
    json_object_set_new(job, "attempt", json_integer(row->attempt));
    json_object_set_new(job, "parameters", of(from, "parameters"));
    json_object_set_new(job, "progress", of(from, "progress"));
    json_object_set_new(job, "loss", of(from, "loss"));
    json_object_set_new(job, "accuracy", of(from, "accuracy"));
    json_object_set_new(job, "error", of(from, "error"));
    json_object_set_new(job, "last_event_id", json_integer(row->last_seq));
    json_object_set_new(job, "links", links(row->id));
    json_decref(own);
    return job;
}
