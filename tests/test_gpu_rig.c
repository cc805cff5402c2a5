/* The training loop's batches on the CUDA backend, as tests run it on a CPU:
 * images that lie on the device give what the same images as pixels give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/rig.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

extern const struct backend backend_cuda;

enum { IMAGES = 10, BATCH = 4, CLASSES = 3, STEPS = 3 };

static struct job *job_new(const char *augment)
{
    json_t *problems = NULL, *spec = json_pack(
        "{s:{s:s, s:f, s:b, s:i}, s:{s:i, s:s, s:{s:i, s:i, s:i}}, s:{s:i}}",
        "model", "arch", "resnet18", "width", 0.125, "skip", 1,
        "classes", CLASSES, "data", "image_size", 16, "augment", augment,
        "synthetic", "classes", CLASSES, "images", IMAGES, "size", 8,
        "train", "batch", BATCH);
    struct job *job = job_parse(spec, &problems);

    if (!job)
        fail_msg("%s", json_dumps(problems, 0));
    json_decref(spec);
    return job;
}

// Losses of an epoch in reverse order, the last batch a short one.
static void run(struct job *job, const struct data *d, bool reside,
                bool expected, double losses[STEPS])
{
    struct rig rig = { .backend = &backend_cuda, .precision = PREC_F32 };
    struct taps none = { 0 };
    struct error err = { 0 };
    int32_t order[IMAGES];

    assert_int_equal(rig_cut(&rig, d->n, BATCH, &err), 0);
    assert_int_equal(rig_open(&rig, job, &none, &err), 0);
    if (reside)
        assert_int_equal(rig_reside(&rig, d, &err), 0);
    assert_int_equal(rig.resident, expected);
    for (int i = 0; i < IMAGES; i++)
        order[i] = IMAGES - 1 - i;
    for (int s = 0; s < STEPS; s++) {
        const struct rig_part *part = rig_part_of(&rig, s);
        struct result r = { 0 };
        rig_fill(&rig, part->slots[rig_slot_of(&rig, s)], d, 1,
                 order + s * BATCH, part->n);
        assert_int_equal(backend_cuda.submit(part->plan,
            rig_slot_of(&rig, s), MODE_TRAIN, 0.01, &err), 0);
        assert_int_equal(backend_cuda.collect(part->plan, &r, &err), 0);
        losses[s] = r.loss;
    }
    rig_close(&rig);
}

static void check(const char *augment)
{
    struct job *job = job_new(augment);
    struct data *d = NULL;
    struct error err = { 0 };
    double by_pixels[STEPS], by_index[STEPS];

    assert_int_equal(data_open(job, NULL, NULL, NULL, &d, &err), 0);
    assert_non_null(d->pixels);
    run(job, d, false, false, by_pixels);
    run(job, d, true, true, by_index);
    assert_memory_equal(by_pixels, by_index, sizeof by_pixels);
    data_close(d);
    job_free(job);
}

static void test_resident_images_are_the_same(void **state)
{
    (void)state;
    check("none");
}

// Moved on the device, bit for bit as on the CPU.
static void test_moved_images_are_the_same(void **state)
{
    (void)state;
    check("flip");
    check("crop-flip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident_images_are_the_same),
        cmocka_unit_test(test_moved_images_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
