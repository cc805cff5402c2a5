/* Learning-rate schedules at their corners, and step by step as PyTorch's. */
#include "worker/rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <jansson.h>

#include "tests/dump.h"
#include <cmocka.h>

enum { STEPS = 10 };                    // an epoch

static struct job job_with(enum job_schedule schedule, int epochs, int warmup)
{
    struct job job = { 0 };
    job.train.lr = 0.1;
    job.train.epochs = epochs;
    job.train.schedule = schedule;
    job.train.warmup_epochs = warmup;
    return job;
}

// A few roundings of numbers below 1.
static void near(double got, double want)
{
    assert_true(fabs(got - want) < 1e-15);
}

static void constant_stays(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_CONSTANT, 3, 0);
    for (int step = 0; step < 3 * STEPS; step++)
        assert_true(rate_at(&job, step, STEPS) == 0.1);
}

static void warmup_grows_by_the_same_amount(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_CONSTANT, 3, 2);
    for (int step = 0; step < 2 * STEPS; step++)
        near(rate_at(&job, step, STEPS), 0.1 * (step + 1) / 20);
    near(rate_at(&job, 2 * STEPS, STEPS), 0.1);
}

static void cosine_falls_to_almost_nothing(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_COSINE, 4, 0);
    near(rate_at(&job, 0, STEPS), 0.1);
    near(rate_at(&job, 10, STEPS), 0.1 * (1 + sqrt(0.5)) / 2);
    near(rate_at(&job, 20, STEPS), 0.05);
    near(rate_at(&job, 40, STEPS), 0);
    for (int step = 1; step < 40; step++)
        assert_true(rate_at(&job, step, STEPS) <
                    rate_at(&job, step - 1, STEPS));
}

static void cosine_begins_after_the_warmup(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_COSINE, 3, 1);
    near(rate_at(&job, 9, STEPS), 0.1);
    near(rate_at(&job, 10, STEPS), 0.1);
    near(rate_at(&job, 20, STEPS), 0.05);
}

static void step_divides_at_the_thirds(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_STEP, 90, 0);
    near(rate_at(&job, 30 * STEPS - 1, STEPS), 0.1);
    near(rate_at(&job, 30 * STEPS, STEPS), 0.01);
    near(rate_at(&job, 60 * STEPS - 1, STEPS), 0.01);
    near(rate_at(&job, 60 * STEPS, STEPS), 0.001);
}

static void a_warmup_longer_than_the_run_only_grows(void **state)
{
    (void)state;
    struct job job = job_with(SCHEDULE_COSINE, 2, 5);
    near(rate_at(&job, 19, STEPS), 0.1 * 20 / 50);
}

static int integer(const json_t *j, const char *key)
{
    return (int)json_integer_value(json_object_get(j, key));
}

// PyTorch goes from one rate to the next: a rounding a step, 1e-16 of 0.1.
static void every_step_is_pytorchs(void **state)
{
    (void)state;
    static const char *const words[] = { "constant", "cosine", "step" };
    char *path = dump_path("torch_rates.json");
    json_t *dump = json_load_file(path, 0, NULL), *c, *rate;
    size_t i, k;
    int seen = 0;

    assert_non_null(dump);
    json_array_foreach(json_object_get(dump, "cases"), i, c) {
        const char *word = json_string_value(json_object_get(c, "schedule"));
        int s = 0;
        while (strcmp(words[s], word))
            s++;
        struct job job = job_with((enum job_schedule)s, integer(c, "epochs"),
                                  integer(c, "warmup_epochs"));
        json_array_foreach(json_object_get(c, "rates"), k, rate) {
            near(rate_at(&job, (int64_t)k, integer(c, "steps_per_epoch")),
                 json_number_value(rate));
            seen++;
        }
    }
    assert_int_equal(seen, 3 * (30 + 30 + 21));
    json_decref(dump);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_stays),
        cmocka_unit_test(warmup_grows_by_the_same_amount),
        cmocka_unit_test(cosine_falls_to_almost_nothing),
        cmocka_unit_test(cosine_begins_after_the_warmup),
        cmocka_unit_test(step_divides_at_the_thirds),
        cmocka_unit_test(a_warmup_longer_than_the_run_only_grows),
        cmocka_unit_test(every_step_is_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
