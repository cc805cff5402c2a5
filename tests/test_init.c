// First weights: the documented rule, bit for bit, with values computed from
// docs/randomness.md by other programs (Python integers; mpmath at 200 bits).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rng.h"
#include "model/init.h"
#include "model/nets.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static struct graph *net(const char *arch, enum job_norm norm,
                         enum start start)
{
    struct error err = { 0 };
    struct graph *g = net_build(&(struct net_opts){
        .arch = arch, .norm = norm, .start = start, .width = 1,
        .classes = 200, .batch = 2, .image_size = 32 }, &err);

    if (!g)
        fail_msg("%s", err.text);
    return g;
}

// All numbers of a value; caller owns.
static float *fill(const struct graph *g, const char *name, uint64_t seed)
{
    val v = graph_find(g, name);

    assert_int_not_equal(v, BAD_VAL);
    float *out = xcalloc((size_t)graph_elements(g, v), sizeof *out);
    init_fill(g, v, seed, out);
    return out;
}

static void test_bits(void **state)
{
    (void)state;
    assert_true(rng_bits(0, 0, 0) == UINT64_C(0xA706DD2F4D197E6F));
    assert_true(rng_bits(0, 3, 5) == UINT64_C(0xFE5747E429476829));
    assert_true(rng_bits(7, 65536, 11) == UINT64_C(0x7D172DF598DC67FE));
}

// conv1.weight is parameter 0 (fan in 147), layer1.0.conv1.weight 3 (64),
// fc.weight 159, fc.bias 160 (2048), without skips too.
static void test_pytorch_start(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t    seed, index;
        uint32_t    bits;               // of the float
    } cases[] = {
        { "conv1.weight", 0, 0, 0x3cce0215 },
        { "conv1.weight", 0, 9407, 0xbd8569b4 },
        { "conv1.weight", 7, 146, 0x3cb19753 },
        { "layer1.0.conv1.weight", 0, 5, 0x3dfcae8e },
        { "fc.weight", (UINT64_C(1) << 53) - 1, 123456, 0x3c6f056e },
        { "fc.bias", 0, 199, 0xbc83c09d },
    };
    struct graph *g = net("resnet50", NORM_BATCH, START_PYTORCH);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *got = fill(g, cases[i].name, cases[i].seed);
        uint32_t bits;
        memcpy(&bits, &got[cases[i].index], sizeof bits);
        if (bits != cases[i].bits)
            fail_msg("%s: %08x, not %08x", cases[i].name, (unsigned)bits,
                     (unsigned)cases[i].bits);
        free(got);
    }
    graph_free(g);
}

static void test_constants(void **state)
{
    (void)state;
    static const struct { const char *name; float all; } cases[] = {
        { "bn1.weight", 1 }, { "bn1.bias", 0 },
        { "bn1.running_mean", 0 }, { "bn1.running_var", 1 },
        { "layer1.0.downsample.1.weight", 1 },      // unused, filled all the
    };                                              // same
    struct graph *g = net("resnet50", NORM_BATCH, START_KAIMING);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *got = fill(g, cases[i].name, 3);
        for (int k = 0; k < 64; k++)
            assert_true(got[k] == cases[i].all);
        free(got);
    }
    graph_free(g);
}

// log and cos may differ in the last bit between C libraries, hence 1 part in
// 10^7, half a step of float, and not equality.
static void test_kaiming(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t    seed, index;
        double      is;
    } cases[] = {
        { "conv1.weight", 0, 0, -0.0070426553165563784 },
        { "conv1.weight", 0, 1, -0.019299541716841232 },
        { "layer1.0.conv1.weight", 5, 77, -0.28093620165806732 },
        { "layer1.0.conv2.weight", 11, 1000, -0.072337718002598125 },
    };
    struct graph *g = net("resnet50", NORM_BATCH, START_KAIMING);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *got = fill(g, cases[i].name, cases[i].seed);
        double off = fabs(got[cases[i].index] - cases[i].is);
        if (off > 1e-7 * fabs(cases[i].is))
            fail_msg("%s: %.9g, not %.9g", cases[i].name,
                     (double)got[cases[i].index], cases[i].is);
        free(got);
    }
    // All but convolution weights start as PyTorch's.
    struct graph *h = net("resnet50", NORM_BATCH, START_PYTORCH);
    float *a = fill(g, "fc.weight", 9), *b = fill(h, "fc.weight", 9);
    assert_memory_equal(a, b, 200 * 2048 * sizeof *a);
    free(a);
    free(b);
    graph_free(g);
    graph_free(h);
}

// A standard deviation of n normal numbers is off by 1 / sqrt(2 n) of itself:
// 0.0005 here; four times that.
static void test_kaiming_spread(void **state)
{
    (void)state;
    enum { N = 512 * 512 * 9 };
    struct graph *g = net("resnet50", NORM_BATCH, START_KAIMING);
    float *w = fill(g, "layer4.1.conv2.weight", 1);
    double sum = 0, squares = 0;

    for (int i = 0; i < N; i++) {
        sum += w[i];
        squares += (double)w[i] * w[i];
    }
    double std = sqrt(2.0 / (512 * 9));
    assert_true(fabs(sum / N) < 4 * std / sqrt(N));
    assert_true(fabs(sqrt(squares / N) / std - 1) < 4 / sqrt(2.0 * N));
    free(w);
    graph_free(g);
}

// Without normalisation, conv1.bias is parameter 1: stream 1, bound
// 1/sqrt(147), as PyTorch starts a convolution's bias.
static void test_bias_without_norm(void **state)
{
    (void)state;
    struct graph *g = net("resnet18", NORM_NONE, START_PYTORCH);
    float *bias = fill(g, "conv1.bias", 4);

    for (uint64_t i = 0; i < 64; i++)
        assert_true(bias[i] ==
                    (float)(rng_unit(4, 1, i) * (1.0 / sqrt(147.0))));
    free(bias);
    graph_free(g);
}

// ---- init_plan writes every parameter and state once ----------------------

static int    writes[1024];
static double sums[1024];

static int note(struct plan *p, val v, enum side s, const float *src,
                struct error *err)
{
    (void)err;
    assert_int_equal(s, SIDE_VALUE);
    writes[v]++;
    for (int64_t i = 0; i < graph_elements(p->graph, v); i++)
        sums[v] += (double)src[i];
    return 0;
}

static int refuse(struct plan *p, val v, enum side s, const float *src,
                  struct error *err)
{
    (void)p, (void)v, (void)s, (void)src;
    err->code = ERR_DEVICE;
    return err->code;
}

static void test_plan(void **state)
{
    (void)state;
    struct graph *g = net("resnet18", NORM_BATCH, START_PYTORCH);
    struct backend noting = { .write = note }, broken = { .write = refuse };
    struct plan p = { .backend = &noting, .graph = g };
    struct error err = { 0 };

    assert_true(g->n_values <= 1024);
    assert_int_equal(init_plan(&p, 0, &err), 0);
    for (val v = 0; v < g->n_values; v++)
        assert_int_equal(writes[v], g->values[v].role == ROLE_ACT ? 0 : 1);
    assert_true(sums[graph_find(g, "bn1.weight")] == 64);
    assert_true(sums[graph_find(g, "bn1.running_mean")] == 0);
    p.backend = &broken;
    assert_int_equal(init_plan(&p, 0, &err), ERR_DEVICE);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_pytorch_start),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_kaiming),
        cmocka_unit_test(test_kaiming_spread),
        cmocka_unit_test(test_bias_without_norm),
        cmocka_unit_test(test_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
