/* tests/train_runs.h: a run of gradwatch-train by a tiny job, its events. */
#pragma once
#include "common/event.h"
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

// A network of 8 to 32 channels on images of 32 pixels: steps of about 10 ms.
#define NET "\"model\":{\"arch\":\"resnet18\",\"width\":0.0625}"
#define DATA(n) "\"data\":{\"image_size\":32,\"synthetic\":" \
                "{\"classes\":4,\"images\":" #n ",\"size\":32}}"
#define TINY(n, train, more) "{" NET "," DATA(n) ",\"device\":\"cpu\"," \
                             "\"train\":{" train "}" more "}"

static inline const char *type_of(const json_t *event)
{
    return json_string_value(json_object_get(event, "type"));
}

static inline json_t *last_of(const json_t *events)
{
    return json_array_get(events, json_array_size(events) - 1);
}

// The i-th event of a type, or NULL. Borrowed.
static inline json_t *event_of(const json_t *events, const char *type, int i)
{
    json_t *e;
    size_t k;
    json_array_foreach(events, k, e)
        if (!strcmp(type_of(e), type) && i-- == 0)
            return e;
    return NULL;
}

static inline json_int_t integer(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static inline double number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

static inline void is_text(const json_t *j, const char *key, const char *want)
{
    const char *got = json_string_value(json_object_get(j, key));
    assert_non_null(got);
    assert_string_equal(got, want);
}

static inline json_t *run(const char *spec, int want_code)
{
    json_t *events;
    assert_int_equal(program_run(spec, NULL, &events), want_code);
    assert_true(json_array_size(events) > 0);
    assert_true(event_is_last(type_of(last_of(events))));
    return events;
}
