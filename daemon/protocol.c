#include "daemon/protocol.h"

#include <string.h>

#include "common/event.h"

typedef int check_function(struct protocol *p, const json_t *event,
                           struct error *err);

static int check_started(struct protocol *p, const json_t *event,
                         struct error *err)
{
    if (p->started)
        return fail(err, ERR_SPEC, "a second started event");
    if (!json_is_object(json_object_get(event, "spec")) ||
        !json_is_array(json_object_get(event, "layers")) ||
        !json_is_integer(json_object_get(event, "steps_per_epoch")))
        return fail(err, ERR_SPEC,
                    "a started event without spec, layers or steps_per_epoch");
    const json_t *from = json_object_get(event, "resumed_from");
    json_int_t epoch = json_integer_value(from);
    if ((from && !json_is_integer(from)) || epoch < 0 || epoch > p->recorded)
        return fail(err, ERR_SPEC, "goes on from epoch %" JSON_INTEGER_FORMAT
                    ", but only %d are recorded", epoch, p->recorded);
    p->epoch = (int)epoch;
    p->started = true;
    return 0;
}

static int check_epoch(struct protocol *p, const json_t *event,
                       struct error *err)
{
    const json_t *epoch = json_object_get(event, "epoch");
    const json_t *complete = json_object_get(event, "complete");

    if (!json_is_integer(epoch) || !json_is_boolean(complete))
        return fail(err, ERR_SPEC, "an epoch event without epoch or complete");
    if (p->cut)
        return fail(err, ERR_SPEC, "epoch %d was incomplete, but another "
                    "follows", p->epoch);
    if (json_integer_value(epoch) != p->epoch + 1)
        return fail(err, ERR_SPEC, "epoch %" JSON_INTEGER_FORMAT
                    " comes after epoch %d", json_integer_value(epoch),
                    p->epoch);
    p->epoch++;
    p->cut = json_is_false(complete);
    return 0;
}

static int check_finished(struct protocol *p, const json_t *event,
                          struct error *err)
{
    const char *state = json_string_value(json_object_get(event, "state"));

    (void)p;
    if (!state || (strcmp(state, "done") && strcmp(state, "diverged")))
        return fail(err, ERR_SPEC, "a finished event whose state is neither "
                    "done nor diverged");
    return 0;
}

static int check_failed(struct protocol *p, const json_t *event,
                        struct error *err)
{
    const json_t *error = json_object_get(event, "error");

    (void)p;
    if (!json_is_string(json_object_get(error, "code")) ||
        !json_is_string(json_object_get(error, "message")))
        return fail(err, ERR_SPEC, "a failed event without error.code or "
                    "error.message");
    return 0;
}

static int check_checkpoint(struct protocol *p, const json_t *event,
                            struct error *err)
{
    const json_t *epoch = json_object_get(event, "epoch");

    if (!json_is_integer(epoch) ||
        !json_is_integer(json_object_get(event, "step")) ||
        !json_is_integer(json_object_get(event, "bytes")) ||
        !json_is_string(json_object_get(event, "sha256")))
        return fail(err, ERR_SPEC, "a checkpoint event without epoch, step, "
                    "bytes or sha256");
    if (json_integer_value(epoch) != p->epoch)
        return fail(err, ERR_SPEC, "a checkpoint of epoch %" JSON_INTEGER_FORMAT
                    " comes after epoch %d", json_integer_value(epoch),
                    p->epoch);
    return 0;
}

static int check_probe(struct protocol *p, const json_t *event,
                       struct error *err)
{
    (void)p;
    if (!json_is_integer(json_object_get(event, "epoch")) ||
        !json_is_integer(json_object_get(event, "step")) ||
        !json_is_object(json_object_get(event, "layers")))
        return fail(err, ERR_SPEC, "a probe event without epoch, step or "
                    "layers");
    return 0;
}

// What a worker may say; `early` may also come before `started`.
static const struct rule {
    const char     *type;
    bool            early;
    check_function *check;
} rules[] = {
    { "loading",    true,  NULL },
    { "started",    true,  check_started },
    { "live",       false, NULL },
    { "epoch",      false, check_epoch },
    { "checkpoint", false, check_checkpoint },
    { "probe",      false, check_probe },
    { "warning",    true,  NULL },
    { "finished",   false, check_finished },
    { "failed",     true,  check_failed },
    { "cancelled",  true,  NULL },
};

static const struct rule *find_rule(const char *type)
{
    for (size_t i = 0; type && i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i].type, type))
            return &rules[i];
    return NULL;
}

bool protocol_repeats(const struct protocol *p, const json_t *event)
{
    return !strcmp(event_type(event), "epoch") && p->epoch <= p->recorded;
}

// What the daemon puts at the head of a line itself.
static bool has_stamp(const json_t *event)
{
    return json_object_get(event, "job") || json_object_get(event, "seq") ||
           json_object_get(event, "n");
}

static int check_event(struct protocol *p, const json_t *event,
                       struct error *err)
{
    const char *type = event_type(event);
    const struct rule *rule = find_rule(type);

    if (p->ended)
        return fail(err, ERR_SPEC, "an event after the last one");
    if (!rule)
        return fail(err, ERR_SPEC, "an event of unknown type %.40s",
                    type ? type : "(none)");
    if (!json_is_string(json_object_get(event, "time")))
        return fail(err, ERR_SPEC, "a %s event without time", type);
    if (has_stamp(event))
        return fail(err, ERR_SPEC, "a %s event with job, seq or n", type);
    if (!rule->early && !p->started)
        return fail(err, ERR_SPEC, "a %s event before started", type);
    int rc = rule->check ? rule->check(p, event, err) : 0;
    if (!rc && event_is_last(type))
        p->ended = true;
    return rc;
}

int protocol_check(struct protocol *p, const char *line, size_t len,
                   json_t **out, struct error *err)
{
    json_error_t where;
    int rc;

    *out = NULL;
    // Control characters would break the framing of Server-Sent Events, where
    // a carriage return ends a line.
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ')
            return fail(err, ERR_SPEC, "a control character (byte %zu)", i);
    json_t *event = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(event))
        rc = fail(err, ERR_SPEC, "a line that is not a JSON object: %.60s",
                  line);
    else
        rc = check_event(p, event, err);
    if (rc)
        json_decref(event);
    else
        *out = event;
    return rc;
}
