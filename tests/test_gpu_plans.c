/* Asks cuDNN, without a device, whether every convolution of the networks can
 * be planned for the cards people have: cuDNN plans for a device that is
 * described to it. That a plan exists says nothing about its speed; what cuDNN
 * compiles when it runs needs a driver and is not asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "model/backend.h"
#include "model/nets.h"
#include "tests/cards.h"

// ---- what the networks need -------------------------------------------------

struct wishes { struct dnn_conv *all; int n; };

static bool known(const struct wishes *w, const struct dnn_conv *at)
{
    char a[128], b[128];

    dnn_conv_text(at, a, sizeof a);
    for (int i = 0; i < w->n; i++) {
        dnn_conv_text(&w->all[i], b, sizeof b);
        if (strcmp(a, b) == 0)
            return true;
    }
    return false;
}

static void wish(struct wishes *w, struct dnn_conv at)
{
    if (known(w, &at))
        return;
    w->all = xrealloc(w->all, ((size_t)w->n + 1) * sizeof *w->all);
    w->all[w->n++] = at;
}

static void wish_node(struct wishes *w, const struct graph *g, int i,
                      enum precision precision)
{
    const struct node *n = &g->nodes[i];
    struct shape x = graph_shape(g, n->in[0]), y = graph_shape(g, n->out);
    struct dnn_conv at = {
        .elem = precision == PREC_BF16 ? ELEM_BF16 : ELEM_F32,
        .tf32 = precision != PREC_F32, .n = x.n, .h = x.h, .w = x.w,
        .out = y.c, .rows = y.h, .cols = y.w, .k = n->at.conv.k,
        .stride = n->at.conv.stride, .pad = n->at.conv.pad,
    };

    // The images' channels are padded to 16 bytes.
    at.c = n->in[0] != g->input ? x.c : at.elem == ELEM_BF16 ? 8 : 4;
    for (at.pass = 0; at.pass < DNN_PASSES; at.pass++)
        if (at.pass != DNN_DX || n->in[0] != g->input)
            wish(w, at);
}

// A network as people ask for it.
struct subject {
    const char    *arch;
    double         width;
    int            batch, size;
    enum precision precision;
};

static struct wishes wishes_of(const struct subject *of)
{
    struct wishes w = { NULL, 0 };
    bool skip = strncmp(of->arch, "vgg", 3) != 0;
    struct net_opts o = { .arch = of->arch, .width = of->width, .classes = 200,
        .batch = of->batch, .image_size = of->size,
        .skip = { skip, skip, skip, skip } };
    struct error err = { 0 };
    struct graph *g = net_build(&o, &err);

    if (!g)
        fail_msg("%s", err.text);
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == OP_CONV)
            wish_node(&w, g, i, of->precision);
    graph_free(g);
    return w;
}

// ---- asking -----------------------------------------------------------------

static void ask(const struct card *card, const struct subject *of)
{
    struct dnn_target t = { .properties = describe(card) };
    struct wishes w = wishes_of(of);
    struct error err = { 0 };

    assert_true(w.n > 20);              // many of them have one shape
    for (int i = 0; i < w.n; i++) {
        struct dnn_graph *graph = NULL;
        cudnnBackendDescriptor_t plan;
        char text[128];

        dnn_conv_text(&w.all[i], text, sizeof text);
        if (dnn_graph_new(&t, &w.all[i], &graph, &err) != 0)
            fail_msg("%s: %s: %s", card->name, text, err.text);
        if (dnn_graph_plans(&t, graph, &w.all[i], 1, &plan) != 1)
            fail_msg("%s: no plan for %s", card->name, text);
        cudnnBackendDestroyDescriptor(plan);
        dnn_graph_free(graph);
    }
    cudnnBackendDestroyDescriptor(t.properties);
    free(w.all);
}

// What is measured, then other networks, a few images, and widths at which
// numbers of channels are odd. f32 asks for plans that do not round.
static void test_every_plan_exists(void **state)
{
    static const struct subject all[] = {
        { "resnet50", 1, 16, 224, PREC_BF16 },
        { "resnet50", 1, 256, 224, PREC_BF16 },
        { "resnet50", 1, 16, 224, PREC_TF32 },
        { "resnet50", 1, 256, 224, PREC_TF32 },
        { "resnet50", 1, 16, 64, PREC_F32 },
        { "resnet18", 0.05, 3, 32, PREC_BF16 },
        { "resnet18", 0.05, 3, 32, PREC_F32 },
        { "resnet152", 0.3, 7, 96, PREC_TF32 },
        { "vgg16", 1, 16, 224, PREC_BF16 },
        { "vgg16", 1, 16, 64, PREC_TF32 },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ask(*state, &all[i]);
}

// The cache on disk keeps plans as text.
static void test_a_plan_survives_as_text(void **state)
{
    struct dnn_target t = { .properties = describe(*state) };
    struct dnn_conv at = { .pass = DNN_DW, .elem = ELEM_BF16, .n = 4, .c = 64,
        .h = 56, .w = 56, .out = 64, .rows = 28, .cols = 28, .k = 3,
        .stride = 2, .pad = 1 };
    struct dnn_graph *graph = NULL;
    struct error err = { 0 };
    cudnnBackendDescriptor_t plan, again;

    if (dnn_graph_new(&t, &at, &graph, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(dnn_graph_plans(&t, graph, &at, 1, &plan), 1);
    char *text = dnn_graph_text(plan);
    assert_non_null(text);
    again = dnn_graph_plan(&t, text);
    assert_non_null(again);
    assert_true(dnn_graph_workspace(again) == dnn_graph_workspace(plan));
    assert_null(dnn_graph_plan(&t, "not a plan"));
    free(text);
    cudnnBackendDestroyDescriptor(again);
    cudnnBackendDestroyDescriptor(plan);
    dnn_graph_free(graph);
    cudnnBackendDestroyDescriptor(t.properties);
}

static void test_a_mistake_is_told(void **state)
{
    struct error err = { 0 };

    (void)state;
    assert_null(dnn_properties("{}", &err));
    assert_int_equal(err.code, ERR_DEVICE);
}

#define ON(f, i) { #f " on card " #i, f, NULL, NULL, (void *)&cards[i] }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(test_every_plan_exists, 0), ON(test_every_plan_exists, 1),
        ON(test_every_plan_exists, 2), ON(test_a_plan_survives_as_text, 0),
        ON(test_a_plan_survives_as_text, 2),
        cmocka_unit_test(test_a_mistake_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
