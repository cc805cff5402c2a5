// Checkpoints: what was written comes back bit for bit and gives the same
// bytes again; anything damaged is refused.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "model/nets.h"
#include "model/reference.h"
#include "tests/scratch.h"
#include "worker/checkpoint.h"
#include "worker/safetensors.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static char *dir;

static int fresh_dir(void **state)
{
    (void)state;
    dir = scratch_new();
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

static struct graph *net(const char *arch)
{
    struct error err = { 0 };
    struct graph *g = net_build(&(struct net_opts){
        .arch = arch, .norm = NORM_BATCH, .width = 0.0625,
        .classes = 3, .batch = 2, .image_size = 32,
        .input = { .std = { 1, 1, 1 } } }, &err);

    if (!g)
        fail_msg("%s", err.text);
    return g;
}

static struct plan *plan_of(const struct graph *g, const struct backend *b,
                            enum optim_kind kind)
{
    struct plan_opts opts = { .slots = 1, .threads = 1,
                              .optim = { .kind = kind, .beta1 = 0.9,
                                         .beta2 = 0.999, .eps = 1e-8 } };
    struct error err = { 0 };
    struct plan *p;

    if (b->compile(g, &opts, NULL, &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static const enum side sides[] = { SIDE_VALUE, SIDE_OPTIM, SIDE_OPTIM2 };

static bool has(const struct plan *p, val v, enum side s)
{
    const struct value *row = &p->graph->values[v];
    bool adam = p->opts.optim.kind != OPTIM_SGD;

    if (s == SIDE_VALUE)
        return row->role != ROLE_ACT;
    return row->role == ROLE_PARAM && row->used && (s == SIDE_OPTIM || adam);
}

// Calls with each number that a checkpoint has to hold, as doubles.
static void each(struct plan *p,
                 void (*call)(struct plan *p, val v, enum side s, double *x,
                              int64_t n))
{
    for (val v = 0; v < p->graph->n_values; v++)
        for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
            if (!has(p, v, sides[s]))
                continue;
            int64_t n = graph_elements(p->graph, v);
            double *x = xcalloc((size_t)n, sizeof *x);
            call(p, v, sides[s], x, n);
            free(x);
        }
}

static double number(val v, enum side s, int64_t i)
{
    return rng_unit(7, (uint64_t)(16 * v + (int)s), (uint64_t)i);
}

static void set(struct plan *p, val v, enum side s, double *x, int64_t n)
{
    struct error err = { 0 };

    for (int64_t i = 0; i < n; i++)
        x[i] = number(v, s, i);
    if (p->backend->write_double(p, v, s, x, &err))
        fail_msg("%s", err.text);
}

static void compare(struct plan *p, val v, enum side s, double *x, int64_t n)
{
    struct error err = { 0 };

    if (p->backend->read_double(p, v, s, x, &err))
        fail_msg("%s", err.text);
    for (int64_t i = 0; i < n; i++)
        if (x[i] != number(v, s, i))
            fail_msg("%s: %.17g", p->graph->values[v].name, x[i]);
}

static const struct checkpoint about = {
    .epoch = 3, .step = 12,
    .spec = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

static void *load(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY);
    struct stat st;

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    void *out = xmalloc((size_t)st.st_size);
    *len = (size_t)st.st_size;
    assert_int_equal(read(fd, out, *len), *len);
    close(fd);
    return out;
}

static void save(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static void round_trip(enum optim_kind kind)
{
    struct graph *g = net("resnet50");
    struct plan *p = plan_of(g, &backend_reference, kind);
    struct plan *q = plan_of(g, &backend_reference, kind);
    struct checkpoint_file file, again;
    struct checkpoint read;
    struct error err = { 0 };
    char sum[SHA256_TEXT];
    size_t len;

    each(p, set);
    p->backend->set_steps(p, 12);
    if (checkpoint_write(dir, &about, p, &file, &err))
        fail_msg("%s", err.text);
    assert_string_equal(file.name, "epoch-000003.safetensors");
    char *path = path_of(file.name);
    if (checkpoint_read(path, about.spec, false, q, &read, &err))
        fail_msg("%s", err.text);
    assert_int_equal(read.epoch, about.epoch);
    assert_int_equal(read.step, about.step);
    assert_string_equal(read.spec, about.spec);
    assert_int_equal(q->backend->steps(q), 12);
    each(q, compare);

    void *bytes = load(path, &len);
    sha256_of(bytes, len, sum);
    assert_string_equal(file.sha256, sum);
    assert_int_equal(file.bytes, len);
    if (checkpoint_write(dir, &about, q, &again, &err))
        fail_msg("%s", err.text);
    assert_string_equal(again.sha256, sum);
    free(bytes);
    free(path);
    p->backend->destroy(p);
    q->backend->destroy(q);
    graph_free(g);
}

static void test_sgd(void **state)
{
    (void)state;
    round_trip(OPTIM_SGD);
}

static void test_adam(void **state)
{
    (void)state;
    round_trip(OPTIM_ADAM);
}

// A file of the smallest network, and a plan that can take it.
static struct plan *small(struct graph **g, char **path)
{
    struct checkpoint_file file;
    struct error err = { 0 };

    *g = net("resnet18");
    struct plan *p = plan_of(*g, &backend_reference, OPTIM_SGD);
    each(p, set);
    if (checkpoint_write(dir, &about, p, &file, &err))
        fail_msg("%s", err.text);
    *path = path_of(file.name);
    return p;
}

static void expect(const char *path, struct plan *p, const char *message)
{
    struct error err = { 0 };
    struct checkpoint read;
    int rc = checkpoint_read(path, about.spec, false, p, &read, &err);

    if (rc != ERR_DATA || !strstr(err.text, message))
        fail_msg("%d, \"%s\", not \"%s\"", rc, err.text, message);
}

// Of every length in and around the header, and of many behind it.
static void test_truncations(void **state)
{
    (void)state;
    struct graph *g;
    char *path;
    struct plan *p = small(&g, &path);
    size_t len, step = 1;
    char *bytes = load(path, &len);

    for (size_t n = len - 1; n > 0; n -= n > step ? step : n, step += 97) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        expect(path, p, "");
    }
    for (size_t n = 0; n < 64; n++) {
        save(path, bytes, n);
        expect(path, p, "");
    }
    bytes = xrealloc(bytes, len + 1);
    bytes[len] = 0;
    save(path, bytes, len + 1);
    expect(path, p, "1 bytes behind");
    free(bytes);
    free(path);
    p->backend->destroy(p);
    graph_free(g);
}

// A bit of every 61st byte of the header, and of many of the numbers: each is
// noticed, whatever it means.
static void test_flips(void **state)
{
    (void)state;
    struct graph *g;
    char *path;
    struct plan *p = small(&g, &path);
    size_t len, header = 0;
    uint8_t *bytes = load(path, &len);

    for (int i = 0; i < 8; i++)
        header |= (size_t)bytes[i] << (8 * i);
    int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < len; i += i < 8 ? 1 : i < header ? 61 : len / 20) {
        uint8_t bad = bytes[i] ^ (uint8_t)(1 << (i % 8));
        assert_int_equal(pwrite(fd, &bad, 1, (off_t)i), 1);
        expect(path, p, "");
        assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
    }
    close(fd);
    free(bytes);
    free(path);
    p->backend->destroy(p);
    graph_free(g);
}

static void test_others(void **state)
{
    (void)state;
    struct graph *g, *other = net("resnet34");
    char *path;
    struct plan *p = small(&g, &path);
    struct plan *q = plan_of(other, &backend_reference, OPTIM_SGD);
    struct plan *r = plan_of(g, &backend_reference, OPTIM_ADAM);
    struct error err = { 0 };
    struct checkpoint read;

    expect(path, q, "of another network or optimizer");
    expect(path, r, "of another network or optimizer");
    assert_int_equal(checkpoint_read(path, "x", false, p, &read, &err),
                     ERR_DATA);
    assert_non_null(strstr(err.text, "of another run"));
    // A start from weights needs neither the spec nor the optimizer.
    assert_int_equal(checkpoint_read(path, NULL, true, r, &read, &err), 0);
    assert_int_equal(checkpoint_read("/nowhere", NULL, true, r, &read, &err),
                     ERR_NOT_FOUND);
    p->backend->destroy(p);
    q->backend->destroy(q);
    r->backend->destroy(r);
    graph_free(g);
    graph_free(other);
    free(path);
}

static void test_prune(void **state)
{
    (void)state;
    static const char *const names[] = {
        "epoch-000000.safetensors", "epoch-000002.safetensors",
        "epoch-000010.safetensors", "epoch-000009.safetensors",
        "epoch-000011.safetensors.tmp", "epoch-1.safetensors", "notes" };
    int *epochs;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_of(names[i]);
        save(path, "", 0);
        free(path);
    }
    checkpoint_prune(dir, 20, 2, true);
    assert_int_equal(checkpoint_list(dir, &epochs), 3);
    assert_int_equal(epochs[0], 10);
    assert_int_equal(epochs[1], 9);
    assert_int_equal(epochs[2], 0);
    free(epochs);
    for (int i = 4; i < 7; i++) {
        char *path = path_of(names[i]);
        assert_int_equal(access(path, F_OK), i == 4 ? -1 : 0);
        free(path);
    }
    checkpoint_prune(dir, 20, 2, false);
    assert_int_equal(checkpoint_list(dir, &epochs), 2);
    free(epochs);
    checkpoint_prune(dir, 9, 2, false);         // 10 is from before
    assert_int_equal(checkpoint_list(dir, &epochs), 1);
    assert_int_equal(epochs[0], 9);
    free(epochs);
    assert_int_equal(checkpoint_list("/nowhere", &epochs), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sgd), TEST(test_adam), TEST(test_truncations),
        TEST(test_flips), TEST(test_others), TEST(test_prune),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
