/* A folder of image files from the disk to a batch: broken ones are named and
 * left out, later jobs take them from the cache, and orders follow the rule. */
#include "worker/data.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/rng.h"
#include "tests/dump.h"
#include "tests/scratch.h"
#include "worker/image.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static uint64_t cache_bytes = 1 << 30;

enum { SIDE = 12, ONE = SIDE * SIDE * 3 };

// What the watch was told, as text.
struct told {
    char    warnings[4096];
    int64_t images, of;
    int     progress;
    bool    stop;
};

static void on_progress(void *arg, int64_t images, int64_t of)
{
    struct told *t = arg;

    assert_true(images >= t->images && images <= of);
    t->images = images;
    t->of = of;
    t->progress++;
}

static void on_warning(void *arg, const char *code, const char *path,
                       const char *reason)
{
    struct told *t = arg;
    size_t len = strlen(t->warnings);

    snprintf(t->warnings + len, sizeof t->warnings - len, "%s %s %s\n", code,
             path ? path : "-", reason);
}

static bool on_stopped(void *arg)
{
    return ((struct told *)arg)->stop;
}

static void copy(const char *dump, const char *dir, const char *name)
{
    size_t len;
    uint8_t *file = dump_load(dump, &len);

    scratch_write(dir, name, file, len);
    free(file);
}

// Two classes of three good images, one of them broken ones too.
static int start(void **state)
{
    char *d = scratch_new();
    *state = d;
    copy("image_rgb.png", d, "root/set/cat/1.png");
    copy("image_444.jpg", d, "root/set/cat/images/2.JPEG");
    copy("image_grey.png", d, "root/set/cat/3.png");
    copy("image_420.jpg", d, "root/set/dog/1.jpg");
    copy("image_cmyk.jpg", d, "root/set/dog/2.jpg");
    scratch_write(d, "root/set/dog/3.png", "no image", 8);
    copy("image_palette.png", d, "root/set/dog/4.png");
    copy("image_rgba.png", d, "root/set/dog/5.png");
    return 0;
}

static int stop(void **state)
{
    scratch_remove(*state);
    return 0;
}

static struct job job_of(void)
{
    struct job job = { 0 };
    job.data.source = SOURCE_FOLDER;
    strcpy(job.data.path, "set");
    job.data.image_size = SIDE;
    return job;
}

static int try_open(const char *dir, const struct job *job, bool cached,
                    struct told *told, struct data **out, struct error *err)
{
    const struct data_watch watch = {
        .progress = on_progress, .warning = on_warning,
        .stopped = on_stopped, .arg = told,
    };
    char *root = xasprintf("%s/root", dir);
    char *cache = xasprintf("%s/cache", dir);
    const struct data_cache c = { .dir = cache, .most_bytes = cache_bytes };
    int rc = data_open(job, root, cached ? &c : NULL, &watch, out, err);

    free(root);
    free(cache);
    return rc;
}

static struct data *open_data(const char *dir, const struct job *job,
                              struct told *told)
{
    struct data *d = NULL;
    struct error err = { 0 };

    if (try_open(dir, job, true, told, &d, &err) != 0)
        fail_msg("data_open: %s", err.text);
    return d;
}

static void test_folder(void **state)
{
    struct job job = job_of();
    struct told told = { 0 };
    struct data *d = open_data(*state, &job, &told);
    static const char *const order[] = {
        "image_rgb.png", "image_grey.png", "image_444.jpg",
        "image_420.jpg", "image_palette.png", "image_rgba.png",
    };

    assert_int_equal(d->n, 6);
    assert_int_equal(d->broken, 2);
    assert_int_equal(d->n_classes, 2);
    assert_string_equal(d->classes[0], "cat");
    assert_string_equal(d->classes[1], "dog");
    for (int i = 0; i < 6; i++) {
        uint8_t want[ONE];
        char why[IMAGE_WHY];
        size_t len;
        uint8_t *file = dump_load(order[i], &len);
        assert_int_equal(image_decode(file, len, SIDE, want, why), 0);
        assert_memory_equal(d->pixels + i * ONE, want, ONE);
        assert_int_equal(d->labels[i], i / 3);
        free(file);
    }
    assert_non_null(strstr(told.warnings, "broken_image dog/2.jpg a CMYK"));
    assert_non_null(strstr(told.warnings, "broken_image dog/3.png neither"));
    assert_int_equal(told.images, 8);
    assert_int_equal(told.of, 8);
    data_close(d);
}

// Decoded once: the second job is told the same and decodes nothing.
static void test_cache(void **state)
{
    struct job job = job_of();
    struct told first = { 0 }, second = { 0 }, third = { 0 };
    struct data *a = open_data(*state, &job, &first);
    struct data *b = open_data(*state, &job, &second);

    assert_true(first.progress > 0);
    assert_int_equal(second.progress, 0);
    assert_string_equal(first.warnings, second.warnings);
    assert_int_equal(b->n, a->n);
    assert_int_equal(b->broken, a->broken);
    assert_memory_equal(a->pixels, b->pixels, a->n * ONE);
    assert_memory_equal(a->labels, b->labels, a->n * sizeof *a->labels);
    data_close(b);

    // Another file in the folder: decoded anew.
    copy("image_grey.jpg", *state, "root/set/cat/0.jpg");
    b = open_data(*state, &job, &third);
    assert_int_equal(third.progress > 0, 1);
    assert_int_equal(b->n, 7);
    data_close(a);
    data_close(b);
}

// What does not fit into the cache is decoded for this job only.
static void test_small_cache(void **state)
{
    struct job job = job_of();
    struct told told[3] = { 0 };

    cache_bytes = 5000;
    data_close(open_data(*state, &job, &told[0]));
    cache_bytes = 1 << 30;
    assert_non_null(strstr(told[0].warnings, "cache - the decoded images are "
                           "not kept"));
    data_close(open_data(*state, &job, &told[1]));
    assert_true(told[1].progress > 0);          // nothing was kept
    data_close(open_data(*state, &job, &told[2]));
    assert_int_equal(told[2].progress, 0);
}

// A damaged cache is named and made anew; the job after that is quiet.
static void test_damaged_cache(void **state)
{
    struct job job = job_of();
    struct told told[3] = { 0 };
    data_close(open_data(*state, &job, &told[0]));
    char *cache = xasprintf("%s/cache", (char *)*state);
    DIR *dir = opendir(cache);
    struct dirent *e;
    while ((e = readdir(dir)))
        if (strstr(e->d_name, ".pack")) {
            char *path = scratch_path(cache, e->d_name);
            FILE *f = fopen(path, "r+b");
            fseek(f, 5000, SEEK_SET);
            int byte = fgetc(f);
            fseek(f, 5000, SEEK_SET);
            fputc(byte ^ 1, f);
            fclose(f);
            free(path);
        }
    closedir(dir);
    free(cache);

    struct data *d = open_data(*state, &job, &told[1]);
    assert_non_null(strstr(told[1].warnings, "cache - "));
    assert_non_null(strstr(told[1].warnings, "pixels are damaged"));
    assert_int_equal(d->n, 6);
    data_close(d);
    data_close(open_data(*state, &job, &told[2]));
    assert_string_equal(told[2].warnings, told[0].warnings);
    assert_int_equal(told[2].progress, 0);
}

static void test_no_usable_image(void **state)
{
    struct job job = job_of();
    struct error err = { 0 };
    struct data *d = NULL;
    scratch_write(*state, "root/bad/a/1.png", "no", 2);
    scratch_write(*state, "root/bad/a/2.png", "", 0);
    strcpy(job.data.path, "bad");

    for (int cached = 1; cached >= 0; cached--) {
        struct told told = { 0 };
        assert_int_equal(try_open(*state, &job, cached, &told, &d, &err),
                         ERR_DATA);
        assert_null(d);
        assert_non_null(strstr(err.text, "none of the 2 images"));
        assert_non_null(strstr(err.text, "a/1.png"));
    }
    struct told told = { 0 };
    strcpy(job.data.path, "missing");
    assert_int_equal(try_open(*state, &job, true, &told, &d, &err), ERR_DATA);
}

static void test_stopped(void **state)
{
    struct job job = job_of();
    struct told told = { .stop = true };
    struct error err = { 0 };
    struct data *d = NULL;

    assert_int_equal(try_open(*state, &job, true, &told, &d, &err),
                     ERR_STATE);
}

static void test_order(void **state)
{
    enum { N = 500 };
    struct job job = { 0 };
    (void)state;
    job.data.source = SOURCE_SYNTHETIC;
    job.data.image_size = 8;
    job.data.synthetic.classes = 2;
    job.data.synthetic.images = N;
    job.data.synthetic.size = 8;
    struct data *d = NULL;
    struct error err = { 0 };
    assert_int_equal(data_open(&job, NULL, NULL, NULL, &d, &err), 0);

    int32_t order[N], next[N];
    bool seen[N] = { false };
    data_order(d, 9, 1, true, order);
    for (int i = 0; i < N; i++) {
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
        if (i)
            assert_true(rng_bits(9, STREAM_ORDER + 1, order[i - 1]) <=
                        rng_bits(9, STREAM_ORDER + 1, order[i]));
    }
    data_order(d, 9, 2, true, next);
    assert_memory_not_equal(order, next, sizeof order);
    data_order(d, 9, 1, false, order);
    for (int i = 0; i < N; i++)
        assert_int_equal(order[i], i);
    data_close(d);
    data_close(NULL);
}

static void test_batch(void **state)
{
    struct job job = job_of();
    struct told told = { 0 };
    struct data *d = open_data(*state, &job, &told);
    const int32_t index[3] = { 5, 0, 5 };
    uint8_t pixels[3 * ONE];
    int32_t labels[3];

    data_batch(d, 1, index, 3, pixels, labels);
    for (int k = 0; k < 3; k++) {
        assert_memory_equal(pixels + k * ONE, d->pixels + index[k] * ONE,
                            ONE);
        assert_int_equal(labels[k], d->labels[index[k]]);
    }
    data_close(d);
}

static void test_limit(void **state)
{
    struct job job = job_of();
    struct told told = { 0 };
    job.data.limit = 4;
    struct data *d = open_data(*state, &job, &told);
    assert_int_equal(told.of, 4);
    assert_int_equal(d->n + d->broken, 4);
    data_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, start, stop),
        cmocka_unit_test_setup_teardown(test_cache, start, stop),
        cmocka_unit_test_setup_teardown(test_small_cache, start, stop),
        cmocka_unit_test_setup_teardown(test_damaged_cache, start, stop),
        cmocka_unit_test_setup_teardown(test_no_usable_image, start, stop),
        cmocka_unit_test_setup_teardown(test_stopped, start, stop),
        cmocka_unit_test_setup_teardown(test_batch, start, stop),
        cmocka_unit_test_setup_teardown(test_limit, start, stop),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
