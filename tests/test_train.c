/* gradwatch-train from outside: what whole runs of tiny jobs tell, and that a
 * seed tells the same again. How they end is in test_train_ends.c. */
#include "train_runs.h"

static void check_record(const json_t *record, int steps)
{
    static const char *const grids[] = { "notebook", "extended", "decade8" };
    json_t *samples = json_object_get(record, "samples");
    json_t *at = json_object_get(record, "sample_steps");
    size_t want = steps < 20 ? (size_t)steps : 20;

    assert_int_equal(integer(record, "count"), steps);
    assert_int_equal(integer(record, "nonfinite"), 0);
    assert_int_equal(json_array_size(samples), want);
    assert_int_equal(json_array_size(at), want);
    for (size_t i = 1; i < want; i++)
        assert_true(json_integer_value(json_array_get(at, i - 1)) <
                    json_integer_value(json_array_get(at, i)));
    assert_true(number(record, "min") <= number(record, "median"));
    assert_true(number(record, "median") <= number(record, "max"));
    assert_true(number(record, "min") > 0);
    for (size_t g = 0; g < 3; g++) {
        json_t *hist = json_object_get(json_object_get(record, "hist"),
                                       grids[g]), *c;
        json_int_t sum = integer(hist, "underflow") +
                         integer(hist, "overflow");
        size_t k;
        json_array_foreach(json_object_get(hist, "counts"), k, c)
            sum += json_integer_value(c);
        assert_int_equal(sum, steps);
    }
}

static void a_run_tells_all_from_start_to_end(void **state)
{
    (void)state;
    json_t *events = run(TINY(96, "\"epochs\":2,\"batch\":4,\"lr\":0.01", ""),
                         0);
    json_t *started = event_of(events, "started", 0);
    json_t *layers = json_object_get(started, "layers"), *layer;
    size_t i;

    assert_int_equal(integer(started, "attempt"), 1);
    assert_int_equal(integer(started, "classes"), 4);
    assert_int_equal(integer(started, "images"), 96);
    assert_int_equal(integer(started, "steps_per_epoch"), 24);
    is_text(json_object_get(started, "device"), "backend", "cpu");
    json_t *model = json_object_get(json_object_get(started, "spec"), "model");
    assert_int_equal(integer(model, "classes"), 4);
    assert_int_equal(json_array_size(layers), 18);      // no skip: no branches

    for (int e = 0; e < 2; e++) {
        json_t *epoch = event_of(events, "epoch", e);
        json_t *out = json_object_get(json_object_get(epoch, "quantities"),
                                      "grad_out");
        assert_int_equal(integer(epoch, "epoch"), e + 1);
        assert_true(json_is_true(json_object_get(epoch, "complete")));
        assert_int_equal(integer(epoch, "steps"), 24);
        assert_int_equal(integer(epoch, "images"), 96);
        assert_int_equal(integer(epoch, "nonfinite_steps"), 0);
        assert_true(number(epoch, "loss") > 0);
        assert_true(number(epoch, "accuracy") >= 0 &&
                    number(epoch, "accuracy") <= 1);
        assert_true(number(epoch, "recording_share") > 0 &&
                    number(epoch, "recording_share") < 1);
        assert_int_equal(json_object_size(out), 18);
        json_array_foreach(layers, i, layer)
            check_record(json_object_get(out, json_string_value(
                json_object_get(layer, "name"))), 24);
    }
    is_text(last_of(events), "type", "finished");
    is_text(last_of(events), "state", "done");
    assert_int_equal(integer(last_of(events), "epochs"), 2);
    assert_null(event_of(events, "epoch", 2));
    assert_null(event_of(events, "warning", 0));
    json_decref(events);
}

static void early_steps_are_kept_in_epoch_one(void **state)
{
    (void)state;
    static const int want[] = { 0, 1, 2, 3, 5, 8 };
    json_t *events = run(TINY(40, "\"epochs\":2,\"batch\":4,\"lr\":0.01", ""),
                         0);
    json_t *early = json_object_get(event_of(events, "epoch", 0), "early");

    assert_int_equal(json_array_size(early), 6);
    for (size_t i = 0; i < 6; i++) {
        json_t *e = json_array_get(early, i);
        json_t *q = json_object_get(json_object_get(e, "quantities"),
                                    "grad_out");
        assert_int_equal(integer(e, "step"), want[i]);
        assert_true(number(e, "loss") > 0);
        assert_true(number(q, "conv1") > 0);
    }
    assert_null(json_object_get(event_of(events, "epoch", 1), "early"));
    json_decref(events);
}

// Layers and quantities of the first epoch as text: "grad_out:conv1,fc;".
static char *recorded(const char *record)
{
    char spec[1024], *text = NULL;
    size_t size = 0;
    snprintf(spec, sizeof spec, TINY(8, "\"epochs\":1,\"batch\":4,\"lr\":0.01",
                                     ",\"record\":{%s}"), record);
    json_t *events = run(spec, 0), *layers, *one;
    json_t *quantities = json_object_get(event_of(events, "epoch", 0),
                                         "quantities");
    const char *quantity, *layer;
    FILE *f = open_memstream(&text, &size);

    json_object_foreach(quantities, quantity, layers) {
        const char *comma = ":";
        fputs(quantity, f);
        json_object_foreach(layers, layer, one) {
            fprintf(f, "%s%s", comma, layer);
            comma = ",";
        }
        fputc(';', f);
    }
    fclose(f);
    json_decref(events);
    return text;
}

static void layers_and_quantities_are_chosen(void **state)
{
    (void)state;
    static const struct { const char *record, *want; } rows[] = {
        { "\"layers\":[]", "grad_out;" },
        { "\"layers\":\"notebook\"",
          "grad_out:conv1,layer1.0.conv1,layer2.0.conv2,fc;" },
        { "\"layers\":[\"fc\",\"layer4.?.conv1\"]",
          "grad_out:layer4.0.conv1,layer4.1.conv1,fc;" },
        { "\"layers\":[\"fc\"],\"quantities\":[\"weight\",\"grad_w\"]",
          "grad_w:fc;weight:fc;" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = recorded(rows[i].record);
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void a_short_last_batch_is_used_a_single_image_is_not(void **state)
{
    (void)state;
    json_t *events = run(TINY(10, "\"epochs\":1,\"batch\":4,\"lr\":0.01", ""),
                         0);
    json_t *epoch = event_of(events, "epoch", 0);
    assert_int_equal(integer(epoch, "steps"), 3);
    assert_int_equal(integer(epoch, "images"), 10);
    json_decref(events);

    events = run(TINY(9, "\"epochs\":1,\"batch\":4,\"lr\":0.01", ""), 0);
    epoch = event_of(events, "epoch", 0);
    assert_int_equal(integer(epoch, "steps"), 2);
    assert_int_equal(integer(epoch, "images"), 8);
    is_text(event_of(events, "warning", 0), "code", "leftover_image");
    json_decref(events);

    // Fewer images than a batch: one step of what there is.
    events = run(TINY(6, "\"epochs\":1,\"batch\":16,\"lr\":0.01", ""), 0);
    epoch = event_of(events, "epoch", 0);
    assert_int_equal(integer(epoch, "steps"), 1);
    assert_int_equal(integer(epoch, "images"), 6);
    json_decref(events);
}

// The worker alone knows the size of every data set.
static void a_probe_that_never_comes_is_told(void **state)
{
    (void)state;
    json_t *events = run(TINY(8, "\"epochs\":2,\"batch\":4,\"lr\":0.01",
                              ",\"record\":{\"probe\":[3,4]}"), 0);
    const json_t *warning = event_of(events, "warning", 0);

    is_text(warning, "code", "probe_step");
    is_text(warning, "reason", "record.probe has step 4, but the last step of "
            "the run is 3");
    assert_null(event_of(events, "warning", 1));
    assert_int_equal(integer(event_of(events, "probe", 0), "step"), 3);
    json_decref(events);
}

// What may differ between two runs of the same job.
static void drop_times(json_t *events)
{
    static const char *const keys[] = {
        "time", "images_per_second", "duration_seconds", "recording_share",
        "eta_seconds", "device", "memory_bytes",
    };
    for (size_t i = json_array_size(events); i-- > 0;) {
        json_t *e = json_array_get(events, i);
        if (!event_is_stored(type_of(e))) {
            json_array_remove(events, i);
            continue;
        }
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            json_object_del(e, keys[k]);
    }
}

static json_t *run_with_threads(const char *threads, const char *device)
{
    char spec[1024];
    snprintf(spec, sizeof spec, "{" NET "," DATA(42) ",\"device\":\"%s\","
             "\"train\":{\"epochs\":2,\"batch\":4,\"lr\":0.01},\"record\":"
             "{\"quantities\":[\"grad_out\",\"grad_w\",\"weight\"]}}", device);
    setenv("OMP_NUM_THREADS", threads, 1);
    json_t *events = run(spec, 0);
    setenv("OMP_NUM_THREADS", "1", 1);
    drop_times(events);
    assert_true(json_array_size(events) > 3);
    return events;
}

static void same_lines(const char *device, const char *threads,
                       const char *other_threads)
{
    json_t *a = run_with_threads(threads, device);
    json_t *b = run_with_threads(other_threads, device);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void a_seed_gives_the_same_lines(void **state)
{
    (void)state;
    same_lines("cpu", "1", "1");
    same_lines("cpu", "2", "2");
    // Nothing of ours depends on the number of threads. Some of oneDNN's sums
    // do (docs/randomness.md), so the cpu is left out here.
    same_lines("reference", "1", "2");
}

static void probe_lists_the_cpu(void **state)
{
    (void)state;
    json_t *lines, *one;
    size_t i;
    int cpus = 0;

    assert_int_equal(program_run("", (const char *[]){ "--probe", NULL },
                                 &lines), 0);
    assert_int_equal(json_array_size(lines), 1);
    json_t *probe = json_array_get(lines, 0);
    json_array_foreach(json_object_get(probe, "devices"), i, one) {
        if (strcmp(json_string_value(json_object_get(one, "backend")), "cpu"))
            continue;
        cpus++;
        assert_int_equal(integer(one, "index"), 0);
        assert_true(integer(one, "bytes_total") > 0);
        assert_true(integer(one, "bytes_free") > 0);
        assert_true(json_is_string(json_object_get(one, "name")));
    }
    assert_int_equal(cpus, 1);
    assert_true(json_is_array(json_object_get(probe, "notes")));
    json_decref(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_tells_all_from_start_to_end),
        cmocka_unit_test(early_steps_are_kept_in_epoch_one),
        cmocka_unit_test(layers_and_quantities_are_chosen),
        cmocka_unit_test(a_short_last_batch_is_used_a_single_image_is_not),
        cmocka_unit_test(a_probe_that_never_comes_is_told),
        cmocka_unit_test(a_seed_gives_the_same_lines),
        cmocka_unit_test(probe_lists_the_cpu),
    };
    // Two threads on a machine with other work wait for each other, and would
    // do so at full speed.
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
