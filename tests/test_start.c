// model.init checkpoint:ID: a run that begins with the weights of another has
// exactly those before its first step.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "program.h"
#include "scratch.h"
#include "worker/safetensors.h"

// Adam has numbers of its own in a checkpoint; they must stay behind.
#define SPEC "{\"model\":{\"arch\":\"resnet18\",\"width\":0.0625%s},"         \
    "\"data\":{\"image_size\":16,\"synthetic\":{\"classes\":3,\"images\":22," \
    "\"size\":16}},\"device\":\"cpu\",\"train\":{\"epochs\":1,\"batch\":8,"   \
    "\"optimizer\":\"adam\",\"seed\":%d},\"checkpoint\":{\"initial\":true}}"
#define INIT ",\"init\":\"checkpoint:7\""

static char *dir;

static int setup(void **state)
{
    (void)state;
    setenv("OMP_NUM_THREADS", "2", 1);
    dir = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

// The exit code, with the last event in *last.
static int run(const char *init, int seed, const char *const *args,
               json_t **last)
{
    char *spec = xasprintf(SPEC, init, seed);
    json_t *events;
    int code = program_run(spec, args, &events);

    *last = json_incref(json_array_get(events, json_array_size(events) - 1));
    json_decref(events);
    free(spec);
    return code;
}

struct file { int fd; struct st_header h; };

static struct file open_file(const char *path)
{
    struct file f = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
    struct error err;

    assert_true(f.fd >= 0);
    assert_int_equal(st_read_header(f.fd, &f.h, &err), 0);
    return f;
}

static void close_file(struct file *f)
{
    st_header_clear(&f->h);
    close(f->fd);
}

static void *numbers(const struct file *f, const struct st_tensor *t)
{
    void *all = xmalloc((size_t)st_bytes(t));
    struct error err;

    assert_int_equal(st_read(f->fd, &f->h, t, all, &err), 0);
    return all;
}

// Batch norm's num_batches_tracked counts the batches of its run.
static bool is_of_the_run(const char *name)
{
    return !strncmp(name, "optim.", 6) || strstr(name, "num_batches_tracked");
}

// How many of a's weights and running statistics have the same bits in b.
static int same(const char *a, const char *b, int *of)
{
    struct file x = open_file(a), y = open_file(b);
    int n = 0;

    *of = 0;
    for (int i = 0; i < x.h.n; i++) {
        const struct st_tensor *t = &x.h.tensors[i];
        const struct st_tensor *u = st_find(&y.h, t->name);
        if (is_of_the_run(t->name))
            continue;
        assert_non_null(u);
        void *p = numbers(&x, t), *q = numbers(&y, u);
        n += !memcmp(p, q, (size_t)st_bytes(t));
        (*of)++;
        free(p);
        free(q);
    }
    close_file(&x);
    close_file(&y);
    return n;
}

static void it_has_exactly_those_weights(void **state)
{
    (void)state;
    char *one = xasprintf("%s/one", dir), *two = xasprintf("%s/two", dir);
    char *end = xasprintf("%s/epoch-000001.safetensors", one);
    char *begin = xasprintf("%s/epoch-000000.safetensors", two);
    const char *const first[] = { "--checkpoints", one, NULL };
    const char *const second[] = { "--checkpoints", two, "--resume", two,
                                   "--init", end, NULL };
    json_t *last;
    int of;

    assert_int_equal(run("", 1, first, &last), 0);
    json_decref(last);
    assert_int_equal(run(INIT, 2, second, &last), 0);
    json_decref(last);
    int n = same(end, begin, &of);
    assert_true(of > 60);
    assert_int_equal(n, of);
    struct file f = open_file(begin);
    const struct st_tensor *t = st_find(&f.h, "optim.step");
    int64_t *steps = numbers(&f, t);
    assert_int_equal(*steps, 0);
    free(steps);
    close_file(&f);
    free(begin);
    free(end);
    free(two);
    free(one);
}

static void what_cannot_be_taken_is_named(void **state)
{
    (void)state;
    char *one = xasprintf("%s/one", dir);
    char *end = xasprintf("%s/epoch-000001.safetensors", one);
    const char *const first[] = { "--checkpoints", one, NULL };
    const char *const again[] = { "--init", end, NULL };
    const char *const none[] = { NULL };
    const char *const missing[] = { "--init", "/nowhere", NULL };
    const char *const wrong[] = { "--init", end, "--sha256",
        "epoch-000001.safetensors=0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef", NULL };
    const struct {
        const char *init;
        const char *const *args, *says;
    } rows[] = {
        { INIT, none, "give it with --init FILE" },
        { INIT, missing, "/nowhere" },
        { INIT ",\"skip\":true", again, "" },   // names are the same: it fits
        { INIT ",\"norm\":\"none\"", again, "it has no conv1.bias" },
        { INIT ",\"classes\":4", again, "fc.weight is 3 x " },
        { INIT, wrong, "it is not what was written" },
    };
    json_t *last;

    assert_int_equal(run("", 1, first, &last), 0);
    json_decref(last);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = run(rows[i].init, 1, rows[i].args, &last);
        char *text = json_dumps(last, 0);
        assert_int_equal(code, *rows[i].says ? 9 : 0);
        if (!strstr(text, rows[i].says))
            fail_msg("%zu: %s", i, text);
        if (code && !strstr(text, "/model/init"))
            fail_msg("%zu: %s", i, text);
        free(text);
        json_decref(last);
    }
    free(end);
    free(one);
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_dir(it_has_exactly_those_weights),
        with_dir(what_cannot_be_taken_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
