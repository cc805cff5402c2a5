/* CIFAR-10's files, and images that are never trained on: which they are, by
 * which numbers their classes go, and that looking at them changes nothing. */
#include "worker/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <jansson.h>

#include "program.h"
#include "tests/dump.h"
#include "tests/scratch.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

enum { PLANE = 32 * 32, ONE = 3 * PLANE, RECORD = ONE + 1 };

// Byte i of colour c of image number `image`.
static uint8_t colour(int image, int c, int i)
{
    return (uint8_t)(image * 7 + c * 101 + i);
}

static void write_batch(const char *dir, const char *name, int first, int n,
                        int classes)
{
    uint8_t *bytes = xcalloc((size_t)n, RECORD), *to = bytes;

    for (int k = first; k < first + n; k++) {
        *to++ = (uint8_t)(k % classes);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < PLANE; i++)
                *to++ = colour(k, c, i);
    }
    scratch_write(dir, name, bytes, (size_t)n * RECORD);
    free(bytes);
}

static int start(void **state)
{
    static const char names[] = "cat\ndog\nfrog\n\n";
    char *d = scratch_new();

    *state = d;
    write_batch(d, "set/data_batch_2.bin", 12, 6, 3);
    write_batch(d, "set/data_batch_1.bin", 0, 12, 3);
    write_batch(d, "set/test_batch.bin", 100, 5, 3);
    write_batch(d, "set/strange.bin", 0, 4, 4);
    scratch_write(d, "set/short.bin", "x", 1);
    scratch_write(d, "set/batches.meta.txt", names, sizeof names - 1);
    return 0;
}

static int stop(void **state)
{
    scratch_remove(*state);
    return 0;
}

static struct job cifar(const char *path, int side)
{
    struct job job = { .data = { .source = SOURCE_CIFAR10,
                                 .image_size = side } };
    strcpy(job.data.path, path);
    return job;
}

static struct data *opened(const struct job *job, const char *dir)
{
    struct data *d = NULL;
    struct error err = { 0 };

    if (data_open(job, dir, NULL, NULL, &d, &err) != 0)
        fail_msg("%s", err.text);
    return d;
}

static void a_folder_is_its_batches_in_order(void **state)
{
    struct job job = cifar("set", 32);
    struct data *d = opened(&job, *state);
    uint8_t *pixels = xmalloc(ONE);
    int32_t label;

    assert_int_equal(d->n, 18);
    assert_int_equal(d->n_classes, 3);
    assert_string_equal(d->classes[2], "frog");
    for (int32_t k = 0; k < 18; k++) {
        data_batch(d, 1, &k, 1, pixels, &label);
        assert_int_equal(label, k % 3);
        for (int i = 0; i < PLANE; i++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(pixels[3 * i + c], colour(k, c, i));
    }
    free(pixels);
    data_close(d);
}

static void other_sizes_are_resized_and_a_limit_is_even(void **state)
{
    struct job job = cifar("set", 48);
    uint8_t *pixels = xmalloc(48 * 48 * 3);
    int32_t first = 0, label;
    int count[3] = { 0 };

    job.data.limit = 7;
    struct data *d = opened(&job, *state);
    assert_int_equal(d->n, 7);
    for (int i = 0; i < 7; i++)
        count[d->labels[i]]++;
    assert_true(count[0] == 3 && count[1] == 2 && count[2] == 2);
    assert_null(d->pixels);
    data_batch(d, 1, &first, 1, pixels, &label);
    assert_int_equal(label, d->labels[0]);
    free(pixels);
    data_close(d);
}

static void bad_files_are_named(void **state)
{
    static const struct { const char *path, *text; } rows[] = {
        { "set/short.bin", "short.bin is 1 bytes long, must be a multiple of "
          "3073" },
        { "set/strange.bin", "record 3 of " }, { "nowhere", "cannot read" },
        { "..", "leaves" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job job = cifar(rows[i].path, 32);
        struct data *d = NULL;
        struct error err = { 0 };
        assert_int_equal(data_open(&job, *state, NULL, NULL, &d, &err),
                         ERR_DATA);
        assert_null(d);
        if (!strstr(err.text, rows[i].text))
            fail_msg("%s", err.text);
    }
}

// ---- held out ------------------------------------------------------------

static struct data *validation(struct data *d, const struct job *job,
                               const char *dir)
{
    struct data *v = NULL;
    struct error err = { 0 };

    if (data_open_validation(d, job, dir, NULL, NULL, &v, &err) != 0)
        fail_msg("%s", err.text);
    return v;
}

static void a_share_is_taken_out_of_every_class(void **state)
{
    (void)state;
    struct job job = { .data = { .image_size = 8, .augment = AUGMENT_FLIP,
        .validation.share = 0.25,
        .synthetic = { .classes = 3, .images = 31, .size = 8 } } };
    int seen[31] = { 0 }, held[3] = { 0 };
    struct data *d = opened(&job, NULL);
    struct data *v = validation(d, &job, NULL);

    // 11, 10 and 10 images: 0.25 of them, rounded, are 3, 3 and 3.
    assert_int_equal(v->n, 9);
    assert_int_equal(d->n, 22);
    assert_int_equal(v->augment, AUGMENT_NONE);
    for (int i = 0; i < v->n; i++) {
        seen[v->picked[i]]++;
        held[v->labels[v->picked[i]]]++;
    }
    for (int i = 0; i < d->n; i++)
        seen[d->picked[i]]++;
    for (int i = 0; i < 31; i++)
        assert_int_equal(seen[i], 1);
    assert_true(held[0] == 3 && held[1] == 3 && held[2] == 3);

    // The same images again, and others with another seed.
    struct data *again = opened(&job, NULL);
    struct data *v2 = validation(again, &job, NULL);
    assert_memory_equal(v->picked, v2->picked, 9 * sizeof *v->picked);
    data_close(v2);
    data_close(again);
    job.train.seed = 1;
    again = opened(&job, NULL);
    v2 = validation(again, &job, NULL);
    assert_memory_not_equal(v->picked, v2->picked, 9 * sizeof *v->picked);
    data_close(v2);
    data_close(again);
    data_close(v);
    data_close(d);
}

static void a_batch_has_the_pixels_of_its_image(void **state)
{
    struct job job = cifar("set", 32);
    uint8_t *pixels = xmalloc(ONE);

    job.data.validation.share = 0.5;
    struct data *d = opened(&job, *state);
    struct data *v = validation(d, &job, *state);
    assert_int_equal(v->n, 9);
    for (int32_t i = 0; i < 9; i++) {
        int32_t label;
        data_batch(v, 1, &i, 1, pixels, &label);
        assert_int_equal(pixels[0], colour(v->picked[i], 0, 0));
        assert_int_equal(label, v->picked[i] % 3);
    }
    free(pixels);
    data_close(v);
    data_close(d);
}

static void a_share_of_too_few_is_refused(void **state)
{
    (void)state;
    struct job job = { .data = { .image_size = 8, .validation.share = 0.1,
        .synthetic = { .classes = 3, .images = 6, .size = 8 } } };
    struct data *d = opened(&job, NULL), *v;
    struct error err = { 0 };

    assert_int_equal(data_open_validation(d, &job, NULL, NULL, NULL, &v, &err),
                     ERR_DATA);
    assert_null(v);
    data_close(d);
}

static void a_path_is_another_file(void **state)
{
    struct job job = cifar("set", 32);

    strcpy(job.data.validation.path, "set/test_batch.bin");
    struct data *d = opened(&job, *state);
    struct data *v = validation(d, &job, *state);
    assert_int_equal(d->n, 18);
    assert_int_equal(v->n, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(v->labels[i], (100 + i) % 3);
    data_close(v);
    data_close(d);
}

// ---- Tiny ImageNet --------------------------------------------------------

static void copy(const char *dump, const char *dir, const char *name)
{
    size_t len;
    uint8_t *file = dump_load(dump, &len);

    scratch_write(dir, name, file, len);
    free(file);
}

// Three wnids to train on; val names two of them, and an image that is not
// there.
static void tiny_imagenets_val_goes_by_the_sorted_wnids(void **state)
{
    const char *dir = *state;
    static const char *const wnids[] = { "n03", "n01", "n02" };
    static const char rows[] = "val_0.JPEG\tn03\t0\t32\t44\t62\n"
        "val_1.JPEG\tn02\t52\t55\t57\t59\nval_2.JPEG\tn03\t4\t0\t60\t55\n"
        "val_9.JPEG\tn01\t4\t0\t60\t55\n";
    struct job job = { .data = { .source = SOURCE_FOLDER, .image_size = 16,
                                 .path = "train",
                                 .validation.path = "val" } };

    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/%s/images/0.JPEG", wnids[i]);
        copy("image_444.jpg", dir, name);
        snprintf(name, sizeof name, "val/images/val_%d.JPEG", i);
        copy("image_420.jpg", dir, name);
    }
    scratch_write(dir, "val/val_annotations.txt", rows, sizeof rows - 1);
    struct data *d = opened(&job, dir);
    struct data *v = validation(d, &job, dir);

    assert_string_equal(d->classes[0], "n01");
    assert_int_equal(v->n, 3);
    // By class, then by name: val_1, val_0, val_2.
    assert_int_equal(v->labels[0], 1);
    assert_int_equal(v->labels[1], 2);
    assert_int_equal(v->labels[2], 2);
    data_close(v);

    struct error err = { 0 };
    scratch_write(dir, "val/val_annotations.txt", "val_0.JPEG\tn77\n", 15);
    assert_int_equal(data_open_validation(d, &job, dir, NULL, NULL, &v, &err),
                     ERR_DATA);
    assert_non_null(strstr(err.text, "has a class n77, which is not among the "
                                     "3 classes"));
    scratch_write(dir, "val/val_annotations.txt", "val_0.JPEG n77\n", 15);
    assert_int_equal(data_open_validation(d, &job, dir, NULL, NULL, &v, &err),
                     ERR_DATA);
    assert_non_null(strstr(err.text, "line 1 of "));
    data_close(d);
}

// ---- whole runs -----------------------------------------------------------

#define SPEC(more)                                                             \
    "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625},\"data\":{\"root\":"  \
    "\"r\",\"path\":\"set\",\"source\":\"cifar10\",\"image_size\":32" more     \
    "},\"device\":\"cpu\",\"train\":{\"epochs\":2,\"batch\":4,\"lr\":0.01},"   \
    "\"record\":{\"layers\":[\"conv1\"]}}"

static json_t *epochs_of(const char *spec, const char *dir)
{
    char *root = xasprintf("r=%s", dir);
    const char *args[] = { "--data", root, NULL };
    json_t *events, *out = json_array(), *e;
    size_t i;

    assert_int_equal(program_run(spec, args, &events), 0);
    json_array_foreach(events, i, e)
        if (!strcmp(json_string_value(json_object_get(e, "type")), "epoch"))
            json_array_append(out, e);
    json_decref(events);
    free(root);
    return out;
}

static double number(const json_t *j, const char *key)
{
    assert_true(json_is_number(json_object_get(j, key)));
    return json_number_value(json_object_get(j, key));
}

// The last batch of the five holds one image, and batch norm does not mind.
static void validating_changes_nothing(void **state)
{
    json_t *with = epochs_of(SPEC(",\"validation\":\"set/test_batch.bin\""),
                             *state);
    json_t *without = epochs_of(SPEC(""), *state);

    for (size_t i = 0; i < 2; i++) {
        json_t *a = json_array_get(with, i), *b = json_array_get(without, i);
        json_t *v = json_object_get(a, "validation");
        assert_true(number(a, "loss") == number(b, "loss"));
        assert_int_equal(number(v, "images"), 5);
        assert_true(number(v, "loss") > 0);
        // A hit is a fifth.
        double fifths = 5 * number(v, "accuracy");
        assert_true(fabs(fifths - round(fifths)) < 1e-9);
        assert_null(json_object_get(b, "validation"));
    }
    json_decref(with);
    json_decref(without);
}

int main(void)
{
#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_folder_is_its_batches_in_order),
        IN_SCRATCH(other_sizes_are_resized_and_a_limit_is_even),
        IN_SCRATCH(bad_files_are_named),
        cmocka_unit_test(a_share_is_taken_out_of_every_class),
        IN_SCRATCH(a_batch_has_the_pixels_of_its_image),
        cmocka_unit_test(a_share_of_too_few_is_refused),
        IN_SCRATCH(a_path_is_another_file),
        IN_SCRATCH(tiny_imagenets_val_goes_by_the_sorted_wnids),
        IN_SCRATCH(validating_changes_nothing),
    };
    setenv("OMP_NUM_THREADS", "1", 1);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
