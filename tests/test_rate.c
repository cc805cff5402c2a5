/* Learning-rate schedules at their corners. */
#include "worker/rate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_stays),
        cmocka_unit_test(warmup_grows_by_the_same_amount),
        cmocka_unit_test(cosine_falls_to_almost_nothing),
        cmocka_unit_test(cosine_begins_after_the_warmup),
        cmocka_unit_test(step_divides_at_the_thirds),
        cmocka_unit_test(a_warmup_longer_than_the_run_only_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
