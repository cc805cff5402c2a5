/* gradwatch-train and gradwatchd with device cuda, the backend as the tests run
 * it on a CPU (emulate/): what it records, and what becomes of a job whose
 * device is too small or lost, and of the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "program.h"
#include "scratch.h"

// 10 images in batches of 4: the third step has 2.
#define SPEC(device, epochs, quantities)                                       \
    "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625,\"skip\":true},"       \
    "\"data\":{\"image_size\":32,\"synthetic\":{\"classes\":4,\"images\":10,"  \
    "\"size\":32}},\"device\":\"" device "\",\"train\":{\"epochs\":" epochs    \
    ",\"batch\":4,\"lr\":0.001,\"precision\":\"f32\"},"                        \
    "\"record\":{\"quantities\":[" quantities "]}}"
#define ALL "\"grad_out\",\"grad_w\",\"weight\",\"grad_rms\",\"update\","      \
            "\"act\",\"weight_grad\",\"grad_sample\",\"branch_share\""
#define ONE "\"grad_out\""

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "(none)";
}

static json_t *event_of(const json_t *events, const char *type)
{
    json_t *e;
    size_t i;

    json_array_foreach(events, i, e)
        if (!strcmp(text(e, "type"), type))
            return e;
    fail_msg("there is no event %s", type);
    return NULL;
}

static json_t *run(const char *spec, int want_code)
{
    json_t *events;

    assert_int_equal(program_run(spec, NULL, &events), want_code);
    return events;
}

// ---- what is recorded -------------------------------------------------------

static int compare_layers(const json_t *is, json_t *want, const char *quantity,
                          double tolerance)
{
    const char *layer;
    json_t *x;
    int n = 0;

    json_object_foreach(want, layer, x) {
        double a = json_number_value(json_object_get(is, layer));
        double b = json_number_value(x);
        if (!(fabs(a - b) <= tolerance * fabs(b)))
            fail_msg("%s of %s is %.9g, want %.9g", quantity, layer, a, b);
        n++;
    }
    return n;
}

// Every number of the first step: float32 against doubles, 20 layers deep. A
// mean of an activation is a difference of larger numbers.
static void every_quantity_is_the_references(void **state)
{
    (void)state;
    json_t *a = run(SPEC("cuda", "1", ALL), 0);
    json_t *b = run(SPEC("reference", "1", ALL), 0);
    json_t *is = json_object_get(json_array_get(json_object_get(
        event_of(a, "epoch"), "early"), 0), "quantities");
    json_t *want = json_object_get(json_array_get(json_object_get(
        event_of(b, "epoch"), "early"), 0), "quantities"), *layers;
    const char *quantity;
    int n = 0;

    json_object_foreach(want, quantity, layers)
        n += compare_layers(json_object_get(is, quantity), layers, quantity,
                            1e-3);
    // 21 layers, ten rows, five blocks; fc has no activation of its own.
    assert_int_equal(n, 21 * 10 - 3 + 5);
    assert_string_equal(text(json_object_get(event_of(a, "started"), "device"),
                             "backend"), "cuda");
    json_decref(a);
    json_decref(b);
}

// At a rate that changes nothing, the loss of each step tells of its images:
// they were those of the step, though all are on their way at once.
static void steps_keep_their_images(void **state)
{
    static const char spec[] = "{\"model\":{\"arch\":\"resnet18\","
        "\"width\":0.0625},\"data\":{\"image_size\":16,\"augment\":\"flip\","
        "\"validation\":0.5,"
        "\"synthetic\":{\"classes\":4,\"images\":82,\"size\":16}},"
        "\"device\":\"%s\",\"train\":{\"epochs\":1,\"batch\":4,\"lr\":1e-9,"
        "\"precision\":\"f32\"}}";
    static const char *const devices[] = { "cuda", "reference" };
    json_t *events[2], *early[2], *seen[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        char *text = xasprintf(spec, devices[i]);
        events[i] = run(text, 0);
        early[i] = json_object_get(event_of(events[i], "epoch"), "early");
        seen[i] = json_object_get(event_of(events[i], "epoch"), "validation");
        free(text);
    }
    assert_int_equal(json_array_size(early[0]), json_array_size(early[1]));
    assert_true(json_array_size(early[1]) > 4);
    assert_int_equal(json_integer_value(json_object_get(seen[0], "images")),
                     42);
    compare_layers(seen[0], seen[1], "validation", 1e-4);
    for (size_t s = 0; s < json_array_size(early[1]); s++) {
        double is = json_number_value(json_object_get(
            json_array_get(early[0], s), "loss"));
        double want = json_number_value(json_object_get(
            json_array_get(early[1], s), "loss"));
        if (!(fabs(is - want) <= 1e-4 * want))  // float32, 20 layers deep
            fail_msg("step %zu: %.9g, want %.9g", s, is, want);
    }
    json_decref(events[0]);
    json_decref(events[1]);
}

// The loss of the second step or so is no number: the run ends there, and what
// was on its way behind that is not recorded.
static void a_loss_that_is_no_number_ends_the_run(void **state)
{
    static const char spec[] = "{\"model\":{\"arch\":\"resnet18\","
        "\"width\":0.0625},\"data\":{\"image_size\":16,\"synthetic\":"
        "{\"classes\":4,\"images\":200,\"size\":16}},\"device\":\"cuda\","
        "\"train\":{\"epochs\":2,\"batch\":4,\"lr\":1e9,\"precision\":"
        "\"f32\"}}";

    (void)state;
    json_t *events = run(spec, 4);
    json_t *end = event_of(events, "finished"), *epoch;
    assert_string_equal(text(end, "state"), "diverged");
    epoch = event_of(events, "epoch");
    int64_t steps = json_integer_value(json_object_get(epoch, "steps"));
    assert_int_equal(json_integer_value(json_object_get(end, "step")),
                     steps - 1);
    assert_int_equal(json_integer_value(json_object_get(epoch,
                     "nonfinite_steps")), 1);
    assert_int_equal(json_array_size(json_object_get(epoch, "early")), steps);
    json_decref(events);
}

// ---- a device that fails ----------------------------------------------------

static void too_little_memory_is_told(void **state)
{
    (void)state;
    setenv("GRADWATCH_EMULATED_BYTES", "2000000", 1);
    json_t *events = run(SPEC("cuda", "1", ONE), 6);
    json_t *error = json_object_get(event_of(events, "failed"), "error");

    unsetenv("GRADWATCH_EMULATED_BYTES");
    assert_string_equal(text(error, "code"), "device_memory");
    assert_non_null(strstr(text(error, "message"), "this network at batch 4 "
                           "wants"));
    json_decref(events);
}

// The fifth step of six is not there; what was recorded until then is.
static void a_lost_device_ends_the_run(void **state)
{
    (void)state;
    setenv("GRADWATCH_EMULATED_LOSS", "5", 1);
    json_t *events = run(SPEC("cuda", "2", ONE), 7);
    json_t *error = json_object_get(event_of(events, "failed"), "error");

    unsetenv("GRADWATCH_EMULATED_LOSS");
    assert_string_equal(text(error, "code"), "device");
    assert_non_null(strstr(text(error, "message"), "the GPU failed: an illegal "
                           "memory access was encountered"));
    json_t *epoch = event_of(events, "epoch");
    assert_true(json_is_true(json_object_get(epoch, "complete")));
    assert_int_equal(json_integer_value(json_object_get(epoch, "steps")), 3);
    json_decref(events);
}

static int64_t post(const struct daemon *d, const char *spec)
{
    struct answer a = ask(d, "POST", "/api/v1/jobs", spec, NULL);
    int64_t id = json_integer_value(json_object_get(a.json, "id"));

    assert_int_equal(a.status, 201);
    answer_clear(&a);
    return id;
}

static void ends(const struct daemon *d, int64_t id, const char *state,
                 const char *code)
{
    json_t *job;

    assert_string_equal(run_to_end(d, id, &job), state);
    assert_string_equal(text(json_object_get(job, "error"), "code"), code);
    json_decref(job);
}

// Each job has a process of its own, so the device is lost to one only: the
// first takes six steps, the others three.
static void the_next_job_runs(void **state)
{
    (void)state;
    char *dir = scratch_new();

    setenv("GRADWATCH_EMULATED_LOSS", "5", 1);
    struct daemon d = daemon_start(dir, NULL);
    int64_t lost = post(&d, SPEC("cuda", "2", ONE));
    int64_t next = post(&d, SPEC("cuda", "1", ONE));
    int64_t other = post(&d, SPEC("cpu", "1", ONE));
    ends(&d, lost, "failed", "device");
    ends(&d, next, "done", "(none)");
    ends(&d, other, "done", "(none)");
    unsetenv("GRADWATCH_EMULATED_LOSS");
    assert_int_equal(daemon_stop(&d), 0);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_quantity_is_the_references),
        cmocka_unit_test(steps_keep_their_images),
        cmocka_unit_test(a_loss_that_is_no_number_ends_the_run),
        cmocka_unit_test(too_little_memory_is_told),
        cmocka_unit_test(a_lost_device_ends_the_run),
        cmocka_unit_test(the_next_job_runs),
    };

    setenv("GRADWATCH_TEST_WORKER", "emulate/gradwatch-train", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
