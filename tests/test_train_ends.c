/* gradwatch-train from outside: every way to end, and who is told while it
 * goes on. */
#include "train_runs.h"

#include <signal.h>
#include <unistd.h>

static void divergence_is_an_outcome(void **state)
{
    (void)state;
    json_t *events = run(TINY(400, "\"epochs\":2,\"batch\":4,\"lr\":1e9", ""),
                         4);
    json_t *end = last_of(events), *epoch = event_of(events, "epoch", 0);

    is_text(end, "type", "finished");
    is_text(end, "state", "diverged");
    assert_true(json_is_string(json_object_get(end, "reason")));
    assert_int_equal(integer(end, "epoch"), 1);
    assert_int_equal(integer(end, "epochs"), 0);
    assert_int_equal(integer(end, "step") + 1, integer(epoch, "steps"));
    assert_true(json_is_false(json_object_get(epoch, "complete")));
    assert_int_equal(integer(epoch, "nonfinite_steps"), 1);
    json_decref(events);
}

static void a_diverged_run_can_go_on(void **state)
{
    (void)state;
    json_t *events = run(TINY(40, "\"epochs\":2,\"batch\":4,\"lr\":1e9,"
                              "\"on_nonfinite\":\"continue\"", ""), 0);
    json_t *epoch = event_of(events, "epoch", 1);
    json_t *conv1 = json_object_get(json_object_get(json_object_get(epoch,
                        "quantities"), "grad_out"), "conv1");

    is_text(last_of(events), "state", "done");
    assert_int_equal(integer(epoch, "nonfinite_steps"), 10);
    assert_true(json_is_null(json_object_get(epoch, "loss")));
    assert_int_equal(integer(conv1, "nonfinite"), 10);
    assert_true(json_is_null(json_object_get(conv1, "median")));
    json_decref(events);
}

static void failed_with(const char *spec, int code, const char *word,
                        const char *text)
{
    json_t *events = run(spec, code);
    json_t *error = json_object_get(last_of(events), "error");

    assert_int_equal(json_array_size(events), 1);
    is_text(last_of(events), "type", "failed");
    is_text(error, "code", word);
    assert_non_null(strstr(json_string_value(json_object_get(error,
                               "message")), text));
    json_decref(events);
}

static void every_failure_says_why(void **state)
{
    (void)state;
    static const struct { const char *spec; int code; const char *word, *text; }
    rows[] = {
        { "not json", 9, "spec", "" },
        { "{\"train\":{\"batch\":1},\"foo\":2}", 9, "spec", "/train/batch" },
        { "{\"train\":{\"batch\":1},\"foo\":2}", 9, "spec", "/foo" },
        { TINY(8, "\"precision\":\"bf16\"", ""), 9, "spec",
          "/train/precision" },
        { TINY(8, "", ",\"record\":{\"layers\":[\"fc\",\"layer9*\"]}"), 9,
          "spec", "/record/layers/1" },
        { "{\"data\":{\"root\":\"pets\"},\"device\":\"cpu\"}", 5, "data",
          "--data pets=DIR" },
        { "{\"device\":\"cuda:61\"}", 7, "device", "cuda:61" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        failed_with(rows[i].spec, rows[i].code, rows[i].word, rows[i].text);
}

static void fewer_classes_than_the_data_has(void **state)
{
    (void)state;
    json_t *events = run("{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625,"
        "\"classes\":3}," DATA(8) ",\"device\":\"cpu\"}", 9);
    json_t *error = json_object_get(last_of(events), "error");
    is_text(json_array_get(json_object_get(error, "errors"), 0), "pointer",
            "/model/classes");
    json_decref(events);
}

// A run of minutes, to be ended from outside.
static const char long_spec[] =
    TINY(4000, "\"epochs\":1000,\"batch\":2,\"lr\":0.001", "");

static json_t *wait_for(struct program *p, const char *type)
{
    json_t *e;
    while ((e = program_next(p)) && strcmp(type_of(e), type) != 0)
        json_decref(e);
    assert_non_null(e);
    return e;
}

static void a_signal_cancels_in_order(void **state)
{
    (void)state;
    static const int signals[] = { SIGTERM, SIGINT };
    for (int i = 0; i < 2; i++) {
        struct program p = program_start(long_spec, NULL);
        json_decref(wait_for(&p, "live"));
        kill(p.pid, signals[i]);
        json_t *epoch = wait_for(&p, "epoch");
        assert_true(json_is_false(json_object_get(epoch, "complete")));
        assert_true(integer(epoch, "steps") > 0);
        json_decref(epoch);
        json_decref(wait_for(&p, "cancelled"));
        assert_null(program_next(&p));
        assert_int_equal(program_end(&p), 3);
    }
}

static double seconds_of_day(const json_t *event)
{
    int h = 0, m = 0;
    double s = 0;
    const char *time = json_string_value(json_object_get(event, "time"));
    sscanf(time, "%*10cT%d:%d:%lf", &h, &m, &s);
    return h * 3600 + m * 60 + s;
}

static json_int_t steps_of_run(const json_t *live)
{
    return (integer(live, "epoch") - 1) * integer(live, "steps_per_epoch") +
           integer(live, "step");
}

static void live_events_keep_their_pace(void **state)
{
    (void)state;
    struct program p = program_start(long_spec, NULL);
    json_t *e = wait_for(&p, "live");
    double first = seconds_of_day(e), between = 0;
    json_int_t steps = steps_of_run(e);

    json_decref(e);
    for (int i = 0; i < 3; i++) {
        e = wait_for(&p, "live");
        // Not fewer; the same when a busy machine needs a second for a step.
        assert_true(steps_of_run(e) >= steps);
        steps = steps_of_run(e);
        assert_true(number(e, "images_per_second") > 0);
        assert_true(number(e, "eta_seconds") > 0);
        between = seconds_of_day(e) - first;
        json_decref(e);
    }
    if (between >= 0)           // not over midnight
        assert_true(between > 3 * 0.25 - 0.01);         // times are in ms
    kill(p.pid, SIGKILL);
    program_end(&p);
}

static void a_reader_that_leaves_ends_it(void **state)
{
    (void)state;
    struct program p = program_start(long_spec, NULL);
    json_decref(wait_for(&p, "started"));
    assert_int_equal(program_end(&p), 1);       // closes, then waits
}

static void it_dies_with_its_parent(void **state)
{
    (void)state;
    int out[2];
    char byte;

    assert_int_equal(pipe(out), 0);
    pid_t parent = fork();
    if (parent == 0) {
        dup2(out[1], 2);        // the program holds the pipe as its log
        setenv("GRADWATCH_LOG", "1", 1);
        struct program p = program_start(long_spec,
            (const char *[]){ "--die-with-parent", NULL });
        json_decref(wait_for(&p, "started"));
        dup2(fileno(p.events), 9);      // its reader stays for a while
        raise(SIGKILL);
    }
    close(out[1]);
    while (read(out[0], &byte, 1) > 0)
        ;                       // ends when nobody holds the pipe any more
    close(out[0]);
    assert_int_equal(program_end(&(struct program){ .pid = parent }),
                     128 + SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergence_is_an_outcome),
        cmocka_unit_test(a_diverged_run_can_go_on),
        cmocka_unit_test(every_failure_says_why),
        cmocka_unit_test(fewer_classes_than_the_data_has),
        cmocka_unit_test(a_signal_cancels_in_order),
        cmocka_unit_test(live_events_keep_their_pace),
        cmocka_unit_test(a_reader_that_leaves_ends_it),
        cmocka_unit_test(it_dies_with_its_parent),
    };
    // Two threads on a machine with other work wait for each other, and would
    // do so at full speed.
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
