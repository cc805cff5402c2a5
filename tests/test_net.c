// Networks: names and shapes against torchvision's (tests/dumps/*.names, which
// tests/torchvision_names.py writes), parameter counts, skips, norm, width.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "model/nets.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static struct net_opts opts(const char *arch, bool skip)
{
    return (struct net_opts){
        .arch = arch, .skip = { skip, skip, skip, skip }, .width = 1,
        .classes = 1000, .batch = 2, .image_size = 64 };
}

static struct graph *build(struct net_opts o)
{
    struct error err = { 0 };
    struct graph *g = net_build(&o, &err);

    if (!g)
        fail_msg("%s", err.text);
    return g;
}

// ---- against torchvision -------------------------------------------------

static FILE *dump(const char *arch)
{
    const char *dir = getenv("GRADWATCH_TESTS");
    char *path = xasprintf("%s/dumps/%s.names", dir ? dir : "tests", arch);
    FILE *f = fopen(path, "r");

    if (!f)
        fail_msg("cannot open %s", path);
    free(path);
    return f;
}

// One line of a dump: sizes are missing ones 1.
struct line { char kind[16], name[64]; int size[4]; };

static bool next(FILE *f, struct line *l)
{
    char text[256];

    if (!fgets(text, sizeof text, f))
        return false;
    for (int i = 0; i < 4; i++)
        l->size[i] = 1;
    return sscanf(text, "%15s %63s %d %d %d %d", l->kind, l->name,
                  &l->size[0], &l->size[1], &l->size[2], &l->size[3]) >= 3;
}

static void check_stored(const struct graph *g, val v, const struct line *l)
{
    struct shape s = graph_shape(g, v);

    assert_string_equal(g->values[v].name, l->name);
    assert_int_equal(g->values[v].role,
                     strcmp(l->kind, "param") == 0 ? ROLE_PARAM : ROLE_STATE);
    if (s.h > 1 && l->size[1] == s.c * s.h * s.w)   // flattened
        s = (struct shape){ s.n, s.c * s.h * s.w, 1, 1 };
    if (s.n != l->size[0] || s.c != l->size[1] || s.h != l->size[2] ||
        s.w != l->size[3])
        fail_msg("%s is %d %d %d %d", l->name, s.n, s.c, s.h, s.w);
}

static void check_output(const struct graph *g, const struct line *l,
                         int *last_node)
{
    val v = graph_find(g, l->name);

    if (v == BAD_VAL)
        fail_msg("nothing is called %s", l->name);
    struct shape s = graph_shape(g, v);
    assert_int_equal(g->values[v].role, ROLE_ACT);
    if (s.c != l->size[0] || s.h != l->size[1] || s.w != l->size[2])
        fail_msg("%s is %d x %d x %d", l->name, s.c, s.h, s.w);
    assert_true(g->values[v].producer > *last_node);
    *last_node = g->values[v].producer;
}

// The same parameters and states in the same order; where met is set also
// the same outputs in the order they are met.
static void check_names(struct net_opts o, const char *file, bool met)
{
    struct graph *g = build(o);
    FILE *f = dump(file);
    struct line l;
    int node = -1, outputs = 0;
    val v = 0;

    while (next(f, &l)) {
        if (strcmp(l.kind, "output") == 0) {
            if (met)
                check_output(g, &l, &node);
            outputs++;
            continue;
        }
        while (v < g->n_values && g->values[v].role == ROLE_ACT)
            v++;
        assert_true(v < g->n_values);
        check_stored(g, v++, &l);
    }
    assert_true(outputs > 15);
    for (; v < g->n_values; v++)
        assert_int_equal(g->values[v].role, ROLE_ACT);
    fclose(f);
    graph_free(g);
}

static void test_torchvision_names(void **state)
{
    (void)state;
    int n = 0;

    for (; !strncmp(net_names[n], "resnet", 6); n++) {
        check_names(opts(net_names[n], true), net_names[n], true);
        check_names(opts(net_names[n], false), net_names[n], false);
    }
    assert_int_equal(n, 5);
}

// At 224 pixels, where torchvision's pool in front of the classifier does
// nothing.
static void test_torchvision_names_of_vggs(void **state)
{
    (void)state;
    static const struct { const char *arch; enum job_norm norm;
                          const char *file; int64_t n; } cases[] = {
        { "vgg11", NORM_NONE, "vgg11", 132863336 },
        { "vgg16", NORM_NONE, "vgg16", 138357544 },
        { "vgg13", NORM_BATCH, "vgg13_bn", 133053736 },
        { "vgg16", NORM_BATCH, "vgg16_bn", 138365992 },
        { "vgg19", NORM_BATCH, "vgg19_bn", 143678248 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net_opts o = opts(cases[i].arch, false);
        o.norm = cases[i].norm;
        o.image_size = 224;
        check_names(o, cases[i].file, true);
        struct graph *g = build(o);
        assert_int_equal(net_parameters(g, false), cases[i].n);
        assert_int_equal(net_parameters(g, true), cases[i].n);
        graph_free(g);
    }
}

// 35 convolutions and three linear layers, of which the first one takes an
// image at sizes above 32.
static void test_vgg38(void **state)
{
    (void)state;
    for (int size = 32; size <= 64; size += 32) {
        struct net_opts o = opts("vgg38", false);
        struct net_layer *l;
        o.image_size = size;
        struct graph *g = build(o);
        int n = net_layers(g, &l);

        assert_int_equal(n, 38);
        assert_string_equal(l[34].name, "features.106");
        assert_int_equal(l[34].depth, 35);
        assert_true(l[34].main);
        assert_string_equal(l[35].name, "classifier.0");
        assert_false(l[35].main);
        assert_int_equal(l[34].out.h, size / 16);
        free(l);
        graph_free(g);
    }
}

// ---- counts --------------------------------------------------------------

static void test_parameters(void **state)
{
    (void)state;
    static const struct { const char *arch; int64_t n; } cases[] = {
        { "resnet18", 11689512 },  { "resnet34", 21797672 },
        { "resnet50", 25557032 },  { "resnet101", 44549160 },
        { "resnet152", 60192808 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct graph *g = build(opts(cases[i].arch, true));
        assert_int_equal(net_parameters(g, false), cases[i].n);
        assert_int_equal(net_parameters(g, true), cases[i].n);
        graph_free(g);
    }
}

static void test_notebook(void **state)
{
    (void)state;
    struct net_opts o = opts("resnet50", false);
    int unused = 0;

    o.classes = 200;
    struct graph *g = build(o);
    assert_int_equal(net_parameters(g, false), 23917832);
    assert_int_equal(net_parameters(g, true), 21141256);
    assert_int_equal(g->n_params, 161);
    for (val v = 0; v < g->n_values; v++)
        if (g->values[v].role == ROLE_PARAM && !g->values[v].used) {
            assert_non_null(strstr(g->values[v].name, ".downsample."));
            unused++;
        }
    assert_int_equal(unused, 12);
    assert_int_equal(graph_find(g, "layer1.0.downsample.0"), BAD_VAL);
    assert_int_equal(graph_find(g, "layer1.0.add"), BAD_VAL);
    graph_free(g);
}

static void test_skip_by_stage(void **state)
{
    (void)state;
    struct net_opts o = opts("resnet18", false);

    o.skip[2] = true;                   // layer3
    struct graph *g = build(o);
    assert_int_equal(graph_find(g, "layer2.0.add"), BAD_VAL);
    assert_int_not_equal(graph_find(g, "layer3.1.add"), BAD_VAL);
    assert_int_not_equal(graph_find(g, "layer3.0.downsample.0"), BAD_VAL);
    assert_int_equal(graph_find(g, "layer4.0.add"), BAD_VAL);
    // The downsample branches of layer2 and layer4 are held, not used.
    assert_int_equal(net_parameters(g, false) - net_parameters(g, true),
                     128 * 64 + 2 * 128 + 512 * 256 + 2 * 512);
    graph_free(g);
}

// No norm layers, nor their names, and a bias for each of the 21
// convolutions (18 with the fc's, and three downsample ones).
static void test_without_norm(void **state)
{
    (void)state;
    struct net_opts o = opts("resnet18", true);
    int biases = 0;

    o.norm = NORM_NONE;
    struct graph *g = build(o);
    for (val v = 0; v < g->n_values; v++) {
        const char *name = g->values[v].name;
        size_t n = strlen(name);
        assert_null(strstr(name, "bn"));
        assert_null(strstr(name, "downsample.1"));
        assert_int_not_equal(g->values[v].role, ROLE_STATE);
        biases += n > 5 && strcmp(name + n - 5, ".bias") == 0;
    }
    assert_int_equal(biases, 21);
    // 4,800 biases for as many pairs of norm parameters: 11,689,512 - 4,800.
    assert_int_equal(net_parameters(g, false), 11684712);
    graph_free(g);
}

// 64, 128, 256, 512 become max(8, floor(c * width / 8 + 0.5) * 8), worked out
// by hand; a bottleneck's output is four times that.
static void test_width(void **state)
{
    (void)state;
    static const struct { double width; int c[4]; } cases[] = {
        { 0.0625, { 8, 8, 16, 32 } },   { 0.125, { 8, 16, 32, 64 } },
        { 0.3, { 16, 40, 80, 152 } },   { 1, { 64, 128, 256, 512 } },
        { 1.5, { 96, 192, 384, 768 } }, { 4, { 256, 512, 1024, 2048 } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net_opts o = opts("resnet50", true);
        o.width = cases[i].width;
        struct graph *g = build(o);
        assert_int_equal(graph_shape(g, graph_find(g, "conv1")).c,
                         cases[i].c[0]);
        for (int s = 0; s < 4; s++) {
            char inside[32], out[32];
            snprintf(inside, sizeof inside, "layer%d.1.conv2", s + 1);
            snprintf(out, sizeof out, "layer%d.1.out", s + 1);
            assert_int_equal(graph_shape(g, graph_find(g, inside)).c,
                             cases[i].c[s]);
            assert_int_equal(graph_shape(g, graph_find(g, out)).c,
                             4 * cases[i].c[s]);
        }
        graph_free(g);
    }
}

// ---- what people ask -----------------------------------------------------

static const struct net_layer *layer(const struct net_layer *l, int n,
                                     const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(l[i].name, name) == 0)
            return &l[i];
    fail_msg("no layer is called %s", name);
    return NULL;
}

static void test_layers(void **state)
{
    (void)state;
    static const struct { const char *name; int depth; bool main; } cases[] = {
        { "conv1", 1, true },               { "layer1.0.conv1", 2, true },
        { "layer1.0.conv3", 4, true },
        { "layer1.0.downsample.0", 4, false },
        { "layer1.1.conv1", 5, true },      { "layer2.0.conv2", 12, true },
        { "layer3.5.conv3", 40, true },     { "layer4.2.conv1", 47, true },
        { "layer4.2.conv3", 49, true },     { "fc", 49, false },
    };
    struct graph *g = build(opts("resnet50", true));
    struct net_layer *l;
    int n = net_layers(g, &l);

    assert_int_equal(n, 54);            // 53 convolutions and fc
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct net_layer *is = layer(l, n, cases[i].name);
        assert_int_equal(is->depth, cases[i].depth);
        assert_int_equal(is->main, cases[i].main);
        assert_string_equal(g->values[g->nodes[is->node].out].name,
                            cases[i].name);
    }
    struct shape s = layer(l, n, "layer2.0.conv2")->out;
    assert_true(s.n == 2 && s.c == 128 && s.h == 8 && s.w == 8);
    free(l);
    graph_free(g);

    g = build(opts("resnet50", false));
    assert_int_equal(net_layers(g, &l), 50);
    assert_string_equal(l[0].name, "conv1");
    assert_string_equal(l[49].name, "fc");
    free(l);
    graph_free(g);
}

// Adam keeps two numbers a used parameter, SGD one with momentum, none
// without; what does not depend on the optimizer cancels out.
static void test_memory(void **state)
{
    (void)state;
    struct graph *g = build(opts("resnet50", false));
    struct job job = { .train = { .optimizer = OPTIMIZER_SGD } };
    int64_t plain = net_memory(g, &job);
    int64_t once = 4 * net_parameters(g, true);

    job.train.momentum = 0.9;
    assert_int_equal(net_memory(g, &job), plain + once);
    job.train.optimizer = OPTIMIZER_ADAMW;
    assert_int_equal(net_memory(g, &job), plain + 2 * once);
    // Weights and gradients are in, and at least the largest activation.
    assert_true(plain > 4 * net_parameters(g, false) + once +
                        4 * graph_elements(g, graph_find(g, "conv1")));
    graph_free(g);
}

static void test_opts_of_a_job(void **state)
{
    (void)state;
    struct job job = {
        .model = { .arch = "resnet34", .skip = { true, false, true, false },
                   .norm = NORM_NONE, .init = INIT_KAIMING, .width = 0.5 },
        .data = { .image_size = 96, .mean = { 0.25, 0.5, 0.75 },
                  .std = { 1, 2, 4 } } };
    struct net_opts o = net_opts_of(&job, 37, 16);

    assert_string_equal(o.arch, "resnet34");
    assert_true(o.skip[0] && !o.skip[1] && o.skip[2] && !o.skip[3]);
    assert_true(o.norm == NORM_NONE && o.start == START_KAIMING);
    assert_true(o.width == 0.5);
    assert_int_equal(o.classes, 37);
    assert_int_equal(o.batch, 16);
    assert_int_equal(o.image_size, 96);
    assert_true(o.input.mean[2] == 0.75F && o.input.std[1] == 2);
    job.model.classes = 12;
    job.model.init = INIT_PYTORCH;
    o = net_opts_of(&job, 37, 16);
    assert_int_equal(o.classes, 12);
    assert_int_equal(o.start, START_PYTORCH);
}

// ---- mistakes ------------------------------------------------------------

static void refused(struct net_opts o, const char *text)
{
    struct error err = { 0 };

    assert_null(net_build(&o, &err));
    assert_int_equal(err.code, ERR_SPEC);
    assert_string_equal(err.text, text);
}

static void test_mistakes(void **state)
{
    (void)state;
    struct net_opts o = opts("resnet51", true);

    refused(o, "no network is called resnet51; there are resnet18 resnet34 "
               "resnet50 resnet101 resnet152 vgg11 vgg13 vgg16 vgg19 vgg38");
    o.arch = "resnet50";
    o.width = 0;
    refused(o, "the width of resnet50 is 0, must be above 0 and at most 4");
    o.width = 1;
    o.classes = 0;
    refused(o, "fc: outputs is 0, must be 1 or more");
    o.classes = 10;
    o.image_size = 0;
    refused(o, "input: 2 images of 3 x 0 x 0; each must be 1 or more");
    o.arch = "vgg16";
    refused(o, "vgg16 has no skip connections");
    o = opts("vgg16", false);
    o.image_size = 16;
    refused(o, "features.43: a window of 2 x 2 with padding 0 does not fit an "
               "image of 1 x 1");
}

// The smallest images a spec may ask for pass through every network; a vgg
// halves them five times.
static void test_small_images(void **state)
{
    (void)state;
    for (int i = 0; net_names[i]; i++) {
        bool vgg = !strncmp(net_names[i], "vgg", 3);
        struct net_opts o = opts(net_names[i], !vgg && i % 2);
        o.image_size = vgg ? 32 : 8;
        graph_free(build(o));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torchvision_names),
        cmocka_unit_test(test_torchvision_names_of_vggs),
        cmocka_unit_test(test_vgg38),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_notebook),
        cmocka_unit_test(test_skip_by_stage),
        cmocka_unit_test(test_without_norm),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_opts_of_a_job),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_small_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
