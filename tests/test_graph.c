// Builders of the graph: shapes, names, parameters, and every mistake's text.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "model/graph.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

static const struct input PLAIN = { { 0 }, { 1, 1, 1 } };

static struct graph *start(int n, int c, int h, int w, val *x)
{
    struct graph *g = graph_new(START_PYTORCH);

    *x = graph_input(g, (struct shape){ n, c, h, w }, PLAIN);
    return g;
}

// Closes a network over x: pool, linear, loss.
static int finish(struct graph *g, val x, struct error *err)
{
    x = graph_linear(g, graph_avgpool(g, x, "avgpool"), "fc",
                     (struct linear){ 5 });
    graph_xent(g, x);
    return graph_seal(g, err);
}

static void check_shape(const struct graph *g, const char *name, int n, int c,
                        int h, int w)
{
    val v = graph_find(g, name);

    if (v == BAD_VAL)
        fail_msg("no value is called %s", name);
    struct shape s = graph_shape(g, v);
    if (s.n != n || s.c != c || s.h != h || s.w != w)
        fail_msg("%s is %d %d %d %d, not %d %d %d %d", name, s.n, s.c, s.h,
                 s.w, n, c, h, w);
    assert_int_equal(graph_elements(g, v), (int64_t)n * c * h * w);
}

static void test_shapes_and_names(void **state)
{
    (void)state;
    val x;
    struct graph *g = start(2, 3, 33, 18, &x);
    struct error err = { 0 };

    graph_prefix(g, "layer%d.", 1);
    x = graph_conv(g, x, "conv", (struct conv){ .out = 8, .k = 7, .stride = 2,
                                                .pad = 3, .bias = true });
    x = graph_norm(g, x, "bn", (struct norm){ 0 });
    x = graph_relu(g, x, "relu");
    graph_prefix(g, "%s", "");
    x = graph_maxpool(g, x, "maxpool",
                      (struct maxpool){ .k = 3, .stride = 2, .pad = 1 });
    assert_int_equal(finish(g, x, &err), 0);

    check_shape(g, "input", 2, 3, 33, 18);
    check_shape(g, "layer1.conv", 2, 8, 17, 9);
    check_shape(g, "layer1.conv.weight", 8, 3, 7, 7);
    check_shape(g, "layer1.conv.bias", 8, 1, 1, 1);
    check_shape(g, "layer1.bn.running_var", 8, 1, 1, 1);
    check_shape(g, "layer1.relu", 2, 8, 17, 9);
    check_shape(g, "maxpool", 2, 8, 9, 5);
    check_shape(g, "avgpool", 2, 8, 1, 1);
    check_shape(g, "fc", 2, 5, 1, 1);
    check_shape(g, "fc.weight", 5, 8, 1, 1);
    check_shape(g, "loss", 1, 1, 1, 1);
    assert_int_equal(g->logits, graph_find(g, "fc"));
    assert_int_equal(g->loss, graph_find(g, "loss"));
    assert_int_equal(graph_find(g, "nothing"), BAD_VAL);
    graph_free(g);
}

// PyTorch's named_parameters() order is the order of declaration; states have
// no position, and the image needs no gradient.
static void test_parameters(void **state)
{
    (void)state;
    static const char *const names[] = {
        "c.weight", "c.bias", "b.weight", "b.bias", "fc.weight", "fc.bias" };
    val x;
    struct graph *g = start(1, 2, 4, 4, &x);
    struct error err = { 0 };

    x = graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1, .bias = true });
    x = graph_norm(g, x, "b", (struct norm){ 0 });
    assert_int_equal(finish(g, x, &err), 0);
    assert_int_equal(g->n_params, 6);
    for (int i = 0; i < 6; i++) {
        const struct value *v = &g->values[graph_find(g, names[i])];
        assert_int_equal(v->param, i);
        assert_int_equal(v->producer, -1);
        assert_true(v->role == ROLE_PARAM && v->used && v->needs_grad);
    }
    const struct value *mean = &g->values[graph_find(g, "b.running_mean")];
    assert_true(mean->role == ROLE_STATE && mean->used && !mean->needs_grad);
    assert_int_equal(mean->param, -1);
    assert_false(g->values[g->input].needs_grad);
    assert_true(g->values[graph_find(g, "c")].needs_grad);
    assert_true(graph_is_layer(g, g->values[graph_find(g, "c")].producer));
    assert_true(graph_is_layer(g, g->values[graph_find(g, "fc")].producer));
    assert_false(graph_is_layer(g, g->values[graph_find(g, "b")].producer));
    graph_free(g);
}

static void test_defaults(void **state)
{
    (void)state;
    val x;
    struct graph *g = start(1, 2, 4, 4, &x);

    x = graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1 });
    graph_norm(g, x, "b", (struct norm){ 0 });
    assert_int_equal(g->nodes[1].at.conv.stride, 1);
    assert_true(g->nodes[2].at.norm.eps == 1e-5);
    assert_true(g->nodes[2].at.norm.momentum == 0.1);
    assert_int_equal(g->nodes[1].param[1], BAD_VAL);
    assert_int_equal(g->nodes[1].in[1], BAD_VAL);
    graph_free(g);
}

// The branch leaves its parameters, in their place, and no operation.
static void test_unused(void **state)
{
    (void)state;
    val x;
    struct graph *g = start(2, 3, 8, 8, &x);
    struct error err = { 0 };

    x = graph_conv(g, x, "a", (struct conv){ .out = 4, .k = 1 });
    int nodes = g->n_nodes;
    graph_unused(g, true);
    val y = graph_conv(g, x, "side.0",
                       (struct conv){ .out = 6, .k = 1, .stride = 2 });
    y = graph_norm(g, y, "side.1", (struct norm){ 0 });
    graph_unused(g, false);
    struct shape s = graph_shape(g, y);
    assert_true(s.n == 2 && s.c == 6 && s.h == 4 && s.w == 4);
    assert_int_equal(g->n_nodes, nodes);
    assert_int_equal(finish(g, x, &err), 0);

    assert_int_equal(graph_find(g, "side.0"), BAD_VAL);
    const struct value *w = &g->values[graph_find(g, "side.0.weight")];
    assert_int_equal(w->param, 1);
    assert_true(!w->used && !w->needs_grad);
    assert_false(g->values[graph_find(g, "side.1.running_var")].used);
    assert_int_equal(g->values[graph_find(g, "fc.weight")].param, 4);
    graph_free(g);
}

static void test_taps(void **state)
{
    (void)state;
    val x;
    struct graph *g = start(1, 2, 4, 4, &x);
    struct error err = { 0 };

    x = graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1 });
    graph_tap(g, x, SIDE_GRAD);
    assert_int_equal(finish(g, x, &err), 0);
    graph_tap(g, graph_find(g, "c.weight"), SIDE_VALUE);
    assert_int_equal(g->n_taps, 2);
    assert_int_equal(g->taps[0].value, x);
    assert_int_equal(g->taps[1].side, SIDE_VALUE);
    graph_free(g);
}

// Each makes one mistake on the 3 x 6 x 6 image x; the text names it.
static void far_window(struct graph *g, val x)
{
    graph_prefix(g, "layer1.0.");
    graph_conv(g, x, "conv1", (struct conv){ .out = 4, .k = 7 });
}

static void small_pool(struct graph *g, val x)
{
    graph_maxpool(g, x, "maxpool", (struct maxpool){ .k = 9, .stride = 1 });
}

static void wide_padding(struct graph *g, val x)
{
    graph_maxpool(g, x, "maxpool",
                  (struct maxpool){ .k = 3, .stride = 2, .pad = 2 });
}

static void no_channels(struct graph *g, val x)
{
    graph_conv(g, x, "conv1", (struct conv){ .k = 1 });
}

static void backwards(struct graph *g, val x)
{
    graph_conv(g, x, "conv1", (struct conv){ .out = 1, .k = 1, .stride = -1 });
}

static void unlike(struct graph *g, val x)
{
    val y = graph_conv(g, x, "c", (struct conv){ .out = 5, .k = 1 });
    graph_add(g, x, y, "sum");
}

static void loss_of_image(struct graph *g, val x)
{
    graph_xent(g, x);
}

static void two_inputs(struct graph *g, val x)
{
    (void)x;
    graph_input(g, (struct shape){ 1, 1, 1, 1 }, PLAIN);
}

static void two_losses(struct graph *g, val x)
{
    x = graph_avgpool(g, x, "avgpool");
    graph_xent(g, x);
    graph_xent(g, x);
}

static void same_name(struct graph *g, val x)
{
    x = graph_relu(g, graph_relu(g, x, "relu"), "relu");
    graph_xent(g, graph_avgpool(g, x, "avgpool"));
}

static void same_parameters(struct graph *g, val x)
{
    graph_unused(g, true);
    graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1 });
    graph_unused(g, false);
    x = graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1 });
    graph_xent(g, graph_avgpool(g, x, "avgpool"));
}

static void no_loss(struct graph *g, val x)
{
    graph_relu(g, x, "relu");
}

static void dead_end(struct graph *g, val x)
{
    graph_relu(g, x, "relu");
    graph_xent(g, graph_avgpool(g, x, "avgpool"));
}

static void reads_unused(struct graph *g, val x)
{
    graph_unused(g, true);
    val y = graph_conv(g, x, "side", (struct conv){ .out = 3, .k = 1 });
    graph_unused(g, false);
    graph_add(g, x, y, "sum");
}

static void reads_weight(struct graph *g, val x)
{
    graph_conv(g, x, "c", (struct conv){ .out = 3, .k = 1 });
    graph_relu(g, graph_find(g, "c.weight"), "relu");
}

static void first_stays(struct graph *g, val x)
{
    x = graph_conv(g, x, "first", (struct conv){ .out = 0, .k = 1 });
    x = graph_conv(g, x, "second", (struct conv){ .out = -7, .k = 1 });
    graph_tap(g, x, SIDE_GRAD);
    graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 0 }));
}

static const struct {
    void      (*build)(struct graph *g, val x);
    const char *text;
} MISTAKES[] = {
    { far_window, "layer1.0.conv1: a window of 7 x 7 with padding 0 does not "
                  "fit an image of 6 x 6" },
    { small_pool, "maxpool: a window of 9 x 9 with padding 0 does not fit an "
                  "image of 6 x 6" },
    { wide_padding, "maxpool: padding is 2, must be at most half the window "
                    "of 3" },
    { no_channels, "conv1: output channels is 0, must be 1 or more" },
    { backwards, "conv1: stride is -1, must be 1 or more" },
    { unlike, "sum: cannot add 3 x 6 x 6 and 5 x 6 x 6" },
    { loss_of_image, "loss: takes one number per class, not 6 x 6" },
    { two_inputs, "input: a network has one" },
    { two_losses, "loss: a network has one" },
    { same_name, "relu: two values of this name" },
    { same_parameters, "c.weight: two values of this name" },
    { no_loss, "the network has no loss" },
    { dead_end, "relu: nothing reads it" },
    { reads_unused, "sum: reads a value of a branch that is declared unused" },
    { reads_weight, "relu: its input is not an activation of this network" },
    { first_stays, "first: output channels is 0, must be 1 or more" },
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MISTAKES / sizeof *MISTAKES; i++) {
        val x;
        struct graph *g = start(2, 3, 6, 6, &x);
        struct error err = { 0 };

        MISTAKES[i].build(g, x);
        assert_int_equal(graph_seal(g, &err), ERR_SPEC);
        assert_int_equal(err.code, ERR_SPEC);
        assert_string_equal(err.text, MISTAKES[i].text);
        graph_free(g);
    }
}

static void test_bad_input(void **state)
{
    (void)state;
    val x;
    struct graph *g = start(0, 3, 6, 6, &x);
    struct error err = { 0 };

    assert_int_equal(x, BAD_VAL);
    assert_int_equal(graph_seal(g, &err), ERR_SPEC);
    assert_string_equal(err.text, "input: 0 images of 3 x 6 x 6; each must be "
                                  "1 or more");
    graph_free(g);
    graph_free(NULL);
}

// As Linear behind a flatten: a weight for every number of the image.
static void test_linear_takes_a_whole_image(void **state)
{
    (void)state;
    struct error err = { 0 };

    for (int w = 6; w < 8; w++) {
        struct graph *g = graph_new(START_KAIMING);
        val x = graph_input(g, (struct shape){ 2, 3, 6, w },
                            (struct input){ 0 });
        graph_xent(g, graph_linear(g, x, "fc", (struct linear){ 10 }));
        if (w != 6) {
            assert_int_equal(graph_seal(g, &err), ERR_SPEC);
            assert_string_equal(err.text, "fc: takes a square image, not "
                                "6 x 7");
            graph_free(g);
            continue;
        }
        assert_int_equal(graph_seal(g, &err), 0);
        val weight = graph_find(g, "fc.weight");
        struct shape s = graph_shape(g, weight), y = graph_shape(g, g->logits);
        assert_true(s.n == 10 && s.c == 3 && s.h == 6 && s.w == 6);
        assert_true(y.n == 2 && y.c == 10 && y.h == 1 && y.w == 1);
        // PyTorch's bound for a Linear, whatever convolutions start with.
        assert_int_equal(g->values[weight].fill, FILL_UNIFORM);
        assert_true(g->values[weight].scale == 1 / sqrt(108));
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_takes_a_whole_image),
        cmocka_unit_test(test_shapes_and_names),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_taps),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
