// daemon/protocol.c and summary.c: what workers may say, and what it means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/protocol.h"
#include "daemon/summary.h"

#define TIME "\"time\":\"2026-01-01T00:00:00.000Z\""
#define STARTED "{\"type\":\"started\"," TIME ",\"spec\":{},\"layers\":[]," \
                "\"steps_per_epoch\":4,\"device\":{\"backend\":\"cpu\"}}"
#define EPOCH(n, whole) "{\"type\":\"epoch\"," TIME ",\"epoch\":" #n \
                        ",\"complete\":" #whole ",\"steps\":4,\"loss\":0.5}"
#define DONE "{\"type\":\"finished\"," TIME ",\"state\":\"done\"}"

enum { MOST = 6 };

// Runs lines through a fresh attempt; the words of the first complaint, or "".
static const char *complaint(const char *const lines[MOST])
{
    static struct error err;
    struct protocol p = { 0 };

    err = (struct error){ 0 };
    for (int i = 0; i < MOST && lines[i]; i++) {
        json_t *event;
        int rc = protocol_check(&p, lines[i], strlen(lines[i]), &event, &err);
        assert_int_equal(rc, err.code);
        json_decref(event);
        if (rc)
            break;
    }
    return err.text;
}

static void what_may_be_said_passes(void **state)
{
    (void)state;
    static const char *const runs[][MOST] = {
        { "{\"type\":\"loading\"," TIME "}", "{\"type\":\"warning\"," TIME "}",
          STARTED, EPOCH(1, true), EPOCH(2, true), DONE },
        { STARTED, "{\"type\":\"probe\"," TIME ",\"epoch\":1,\"step\":0,"
          "\"layers\":{}}", EPOCH(1, true), DONE },
        { STARTED, "{\"type\":\"live\"," TIME "}", EPOCH(1, false),
          "{\"type\":\"cancelled\"," TIME "}" },
        { "{\"type\":\"failed\"," TIME ",\"error\":{\"code\":\"data\","
          "\"message\":\"none\"}}" },
    };

    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        assert_string_equal(complaint(runs[i]), "");
}

static void what_may_not_is_named(void **state)
{
    (void)state;
    static const struct { const char *lines[MOST], *says; } rows[] = {
        { { "" }, "not a JSON object" },
        { { "[]" }, "not a JSON object" },
        { { "{\"type\":\"live\",\"type\":\"live\"}" }, "not a JSON object" },
        { { "{\"type\":1}" }, "unknown type" },
        { { "{\"type\":\"queued\"," TIME "}" }, "unknown type queued" },
        { { "{\"type\":\"warning\"}" }, "without time" },
        { { "{\"type\":\"warning\",\t" TIME "}" }, "control character" },
        { { "{\"type\":\"warning\"," TIME ",\"n\":1}" }, "job, seq or n" },
        { { "{\"type\":\"live\"," TIME "}" }, "before started" },
        { { DONE }, "before started" },
        { { STARTED, STARTED }, "second started" },
        { { "{\"type\":\"started\"," TIME "}" }, "without spec" },
        { { STARTED, EPOCH(2, true) }, "epoch 2 comes after epoch 0" },
        { { STARTED, EPOCH(1, true), EPOCH(1, true) }, "epoch 1 comes after" },
        { { STARTED, EPOCH(1, false), EPOCH(2, true) }, "was incomplete" },
        { { STARTED, EPOCH(1, 1) }, "without epoch or complete" },
        { { STARTED, "{\"type\":\"probe\"," TIME ",\"epoch\":1}" },
          "without epoch, step or layers" },
        { { STARTED, DONE, EPOCH(1, true) }, "after the last" },
        { { STARTED, "{\"type\":\"finished\"," TIME ",\"state\":\"well\"}" },
          "neither" },
        { { "{\"type\":\"failed\"," TIME "}" }, "without error.code" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_non_null(strstr(complaint(rows[i].lines), rows[i].says));
}

static void a_zero_byte_is_noticed(void **state)
{
    (void)state;
    struct protocol p = { 0 };
    struct error err;
    json_t *event;

    assert_int_equal(protocol_check(&p, "{}\0{}", 5, &event, &err), ERR_SPEC);
}

#define CHECKPOINT(epoch, kept) "{\"type\":\"checkpoint\",\"time\":\"t\"," \
    "\"epoch\":" #epoch ",\"step\":4,\"path\":\"p\",\"bytes\":9," \
    "\"sha256\":\"s\",\"kept\":" kept "}"

static void apply(json_t *summary, const char *line)
{
    json_t *event = json_loads(line, 0, NULL);

    assert_non_null(event);
    summary_apply(summary, event);
    json_decref(event);
}

static int64_t progress(const json_t *summary, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(summary,
                              "progress"), name));
}

static void events_add_up_to_a_summary(void **state)
{
    (void)state;
    json_t *s = summary_new(7);

    assert_int_equal(progress(s, "epochs"), 7);
    apply(s, STARTED);
    assert_int_equal(progress(s, "steps_per_epoch"), 4);
    assert_true(json_is_object(json_object_get(s, "device")));
    apply(s, EPOCH(1, true));
    assert_int_equal(progress(s, "epoch"), 1);
    assert_int_equal(progress(s, "step"), 4);
    assert_true(json_real_value(json_object_get(s, "loss")) == 0.5);
    assert_int_equal(summary_whole_epochs(s), 1);
    // The next attempt goes on from there.
    apply(s, "{\"type\":\"live\",\"epoch\":2,\"step\":3,\"loss\":9}");
    apply(s, "{\"type\":\"interrupted\",\"reason\":\"stalled\"}");
    assert_int_equal(progress(s, "epoch"), 1);
    assert_int_equal(progress(s, "step"), 4);
    assert_int_equal(progress(s, "epochs"), 7);
    assert_int_equal(summary_deaths(s), 1);
    apply(s, "{\"type\":\"interrupted\",\"reason\":\"daemon_died\"}");
    assert_int_equal(summary_deaths(s), 1);
    apply(s, EPOCH(2, true));
    assert_int_equal(summary_deaths(s), 0);
    apply(s, CHECKPOINT(1, "[1]"));
    apply(s, CHECKPOINT(2, "[1,2]"));
    apply(s, CHECKPOINT(3, "[2,3]"));
    apply(s, CHECKPOINT(3, "[2,3]"));
    const json_t *list = json_object_get(s, "checkpoints");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list,
                     0), "epoch")), 2);
    apply(s, "{\"type\":\"failed\",\"error\":{\"code\":\"disk\","
             "\"message\":\"full\"}}");
    assert_string_equal(json_string_value(json_object_get(json_object_get(s,
                        "error"), "code")), "disk");
    json_decref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_said_passes),
        cmocka_unit_test(what_may_not_is_named),
        cmocka_unit_test(a_zero_byte_is_noticed),
        cmocka_unit_test(events_add_up_to_a_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
