#include "daemon/summary.h"

#include <string.h>

#include "common/event.h"

json_t *summary_new(int epochs)
{
    return json_pack("{s:n, s:n, s:{s:i, s:i, s:i, s:n, s:n, s:n}, s:n, s:n,"
                     " s:n, s:i, s:i}", "device", "parameters", "progress",
                     "epoch", 0, "epochs", epochs, "step", 0, "steps_per_epoch",
                     "images_per_second", "eta_seconds", "loss", "accuracy",
                     "error", "whole_epochs", 0, "deaths", 0);
}

// Copies member `from` of event, if it is there, to member `to`.
static void copy(json_t *to, const char *name, const json_t *event,
                 const char *from)
{
    json_t *value = json_object_get(event, from);
    if (value)
        json_object_set(to, name, value);
}

static void apply_started(json_t *summary, const json_t *event)
{
    json_t *progress = json_object_get(summary, "progress");

    copy(summary, "device", event, "device");
    copy(summary, "parameters", event, "parameters");
    copy(progress, "steps_per_epoch", event, "steps_per_epoch");
}

static void apply_live(json_t *summary, const json_t *event)
{
    json_t *progress = json_object_get(summary, "progress");

    copy(progress, "epoch", event, "epoch");
    copy(progress, "step", event, "step");
    copy(progress, "images_per_second", event, "images_per_second");
    copy(progress, "eta_seconds", event, "eta_seconds");
    copy(summary, "loss", event, "loss");
    copy(summary, "accuracy", event, "accuracy");
}

static void apply_epoch(json_t *summary, const json_t *event)
{
    json_t *progress = json_object_get(summary, "progress");

    apply_live(summary, event);
    copy(progress, "step", event, "steps");
    if (json_is_true(json_object_get(event, "complete"))) {
        copy(summary, "epoch_seconds", event, "duration_seconds");
        copy(summary, "whole_epochs", event, "epoch");
        json_object_set_new(summary, "deaths", json_integer(0));
    }
}

// The list of what is on disk now.
static void apply_checkpoint(json_t *summary, const json_t *event)
{
    const json_t *kept = json_object_get(event, "kept");
    json_t *old = json_object_get(summary, "checkpoints"), *row;
    json_t *fresh = json_array();
    size_t i;

    json_array_foreach(old, i, row) {
        json_t *epoch = json_object_get(row, "epoch");
        bool stays = !json_equal(epoch, json_object_get(event, "epoch"));
        bool listed = false;
        for (size_t k = 0; k < json_array_size(kept); k++)
            listed = listed || json_equal(epoch, json_array_get(kept, k));
        if (stays && listed)
            json_array_append(fresh, row);
    }
    json_array_append_new(fresh, json_pack("{s:O, s:O, s:O, s:O, s:O}",
        "epoch", json_object_get(event, "epoch"),
        "step", json_object_get(event, "step"),
        "time", json_object_get(event, "time"),
        "bytes", json_object_get(event, "bytes"),
        "sha256", json_object_get(event, "sha256")));
    json_object_set_new(summary, "checkpoints", fresh);
}

static void apply_ended(json_t *summary, const json_t *event)
{
    json_t *reason = json_object_get(event, "reason");

    json_object_set_new(json_object_get(summary, "progress"), "eta_seconds",
                        json_null());
    copy(summary, "error", event, "error");
    if (json_is_string(reason))
        json_object_set_new(summary, "error",
                            json_pack("{s:s, s:O}", "code", "diverged",
                                      "message", reason));
}

// Back to the last whole epoch, from which the next attempt goes on.
static void apply_interrupted(json_t *summary, const json_t *event)
{
    const char *reason = json_string_value(json_object_get(event, "reason"));
    json_t *progress = json_object_get(summary, "progress");
    int whole = summary_whole_epochs(summary);
    json_t *steps = whole ? json_object_get(progress, "steps_per_epoch")
                          : NULL;

    json_object_set_new(progress, "epoch", json_integer(whole));
    json_object_set_new(progress, "step", steps ? json_incref(steps)
                                                : json_integer(0));
    json_object_set_new(progress, "images_per_second", json_null());
    json_object_set_new(progress, "eta_seconds", json_null());
    if (!whole) {
        json_object_set_new(summary, "loss", json_null());
        json_object_set_new(summary, "accuracy", json_null());
    }
    if (reason && (!strcmp(reason, "worker_died") ||
                   !strcmp(reason, "stalled")))
        json_object_set_new(summary, "deaths",
                            json_integer(summary_deaths(summary) + 1));
}

int summary_whole_epochs(const json_t *summary)
{
    return (int)json_integer_value(json_object_get(summary, "whole_epochs"));
}

int summary_deaths(const json_t *summary)
{
    return (int)json_integer_value(json_object_get(summary, "deaths"));
}

void summary_apply(json_t *summary, const json_t *event)
{
    static const struct {
        const char *type;
        void      (*apply)(json_t *summary, const json_t *event);
    } rows[] = {
        { "started", apply_started },   { "live", apply_live },
        { "epoch", apply_epoch },       { "finished", apply_ended },
        { "failed", apply_ended },      { "cancelled", apply_ended },
        { "interrupted", apply_interrupted },
        { "paused", apply_interrupted }, { "checkpoint", apply_checkpoint },
    };
    const char *type = json_string_value(json_object_get(event, "type"));

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (type && !strcmp(rows[i].type, type))
            rows[i].apply(summary, event);
}
