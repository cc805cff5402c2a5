#include "daemon/summary.h"

#include <string.h>

#include "common/event.h"

json_t *summary_new(int epochs)
{
    return json_pack("{s:n, s:n, s:{s:i, s:i, s:i, s:n, s:n, s:n}, s:n, s:n,"
                     " s:n}", "device", "parameters", "progress", "epoch", 0,
                     "epochs", epochs, "step", 0, "steps_per_epoch",
                     "images_per_second", "eta_seconds", "loss", "accuracy",
                     "error");
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

// What was trained is lost: the next attempt begins anew.
static void apply_interrupted(json_t *summary, const json_t *event)
{
    json_t *epochs = json_object_get(json_object_get(summary, "progress"),
                                     "epochs");
    json_t *fresh = summary_new((int)json_integer_value(epochs));

    (void)event;
    json_object_update(summary, fresh);
    json_decref(fresh);
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
    };
    const char *type = json_string_value(json_object_get(event, "type"));

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (type && !strcmp(rows[i].type, type))
            rows[i].apply(summary, event);
}
