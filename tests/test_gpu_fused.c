/* Asks cuDNN, without a device, which fused convolutions it would compile for
 * the cards people have: it does so when a plan is made, and loads the result
 * through a driver that only says yes (emulate/driver.c). That it has a plan
 * says nothing about speed; where it has none the backend does without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "tests/cards.h"

typedef cudnnBackendDescriptor_t desc;

// Of ResNet-50 at 224 px and 256 images.
static const struct dnn_conv convs[] = {
    { .c = 64, .h = 56, .w = 56, .out = 64, .rows = 56, .cols = 56, .k = 3,
      .stride = 1, .pad = 1 },
    { .c = 256, .h = 56, .w = 56, .out = 512, .rows = 28, .cols = 28, .k = 1,
      .stride = 2 },
};
enum { CONVS = sizeof convs / sizeof *convs };

static bool has_plan(const struct dnn_target *t, const struct dnn_conv *at)
{
    struct dnn_graph *graph = NULL;
    struct error err = { 0 };
    desc plan;

    if (dnn_graph_new(t, at, &graph, &err) != 0)
        return false;
    int n = dnn_graph_plans(t, graph, at, 1, &plan);
    if (n > 0)
        cudnnBackendDestroyDescriptor(plan);
    dnn_graph_free(graph);
    return n > 0;
}

// A batch norm's statistics made while the convolution writes, bit for bit the
// same each time.
static void test_sums_in_the_epilogue(void **state)
{
    const struct card *card = *state;
    struct dnn_target t = { .properties = describe(card) };
    int n = 0;

    for (int i = 0; i < CONVS; i++) {
        struct dnn_conv at = convs[i];

        at.n = 256;
        at.elem = ELEM_BF16;
        at.stats = true;
        n += has_plan(&t, &at);
    }
    printf("# %s: sums in the epilogue of %d convolutions of %d\n", card->name,
           n, CONVS);
    assert_int_equal(n, CONVS);
    cudnnBackendDestroyDescriptor(t.properties);
}

// ---- normalising in the prologue --------------------------------------------

static desc all[16];
static int  n_all;

static desc make(cudnnBackendDescriptorType_t type)
{
    assert_int_equal(cudnnBackendCreateDescriptor(type, &all[n_all]), 0);
    return all[n_all++];
}

static void set(desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *x)
{
    assert_int_equal(cudnnBackendSetAttribute(d, name, type, n, x), 0);
}

static desc tensor(int n, int c, int h, int w, bool passing)
{
    int64_t size[] = { n, c, h, w }, step[] = { (int64_t)c * h * w, 1,
        (int64_t)c * w, c }, align = 16, id = n_all + 1;
    cudnnDataType_t type = CUDNN_DATA_BFLOAT16;
    desc d = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size);
    set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, step);
    set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    set(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &passing);
    assert_int_equal(cudnnBackendFinalize(d), 0);
    return d;
}

// y = x op b; b NULL for one of x alone.
static desc pointwise(cudnnPointwiseMode_t mode, desc x, desc b, desc y)
{
    cudnnBackendAttributeType_t type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    cudnnDataType_t math = CUDNN_DATA_FLOAT;
    desc what = make(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    desc op = make(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);

    set(what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &math);
    assert_int_equal(cudnnBackendFinalize(what), 0);
    set(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, type, 1, &what);
    set(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, type, 1, &x);
    if (b)
        set(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, type, 1, &b);
    set(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, type, 1, &y);
    assert_int_equal(cudnnBackendFinalize(op), 0);
    return op;
}

static desc dw(desc x, desc w, desc y)
{
    cudnnBackendAttributeType_t type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    int64_t one[] = { 1, 1 }, dims = 2;
    cudnnDataType_t math = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    float alpha = 1, beta = 0;
    desc c = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    desc op =
        make(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);

    set(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &math);
    set(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
        &mode);
    set(c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one);
    set(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, one);
    set(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, one);
    set(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, one);
    set(c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
    assert_int_equal(cudnnBackendFinalize(c), 0);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, type, 1, &c);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, type, 1, &x);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, type, 1, &w);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, type, 1, &y);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_FLOAT,
        1, &alpha);
    set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_FLOAT,
        1, &beta);
    assert_int_equal(cudnnBackendFinalize(op), 0);
    return op;
}

// 1 if there is any.
static int64_t proposals(desc properties, desc *ops, int64_t n)
{
    desc graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    desc heur = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    desc config = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    int64_t found = 0;

    set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n,
        ops);
    assert_int_equal(cudnnBackendFinalize(graph), 0);
    set(heur, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    set(heur, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    set(heur, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        1, &properties);
    if (cudnnBackendFinalize(heur) != 0 ||
        cudnnBackendGetAttribute(heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &found, &config) != 0)
        return 0;
    return found;
}

// Normalising and relu where a convolution reads would pay only if the gradient
// of its weights, which reads the same, did so too: else the normalised numbers
// have to be written for that anyway. In bf16 cuDNN has no such plan; if this
// fails, it has learnt it, and it is time to try.
static void test_no_prologue_for_dw(void **state)
{
    const struct card *card = *state;
    desc properties = describe(card), ops[4];
    enum { N = 256, C = 64, H = 56 };
    desc raw = tensor(N, C, H, H, false), y = tensor(N, C, H, H, false);
    desc a = tensor(N, C, H, H, true), b = tensor(N, C, H, H, true);
    desc x = tensor(N, C, H, H, true), w = tensor(C, C, 3, 3, false);

    ops[3] = dw(raw, w, y);
    assert_true(proposals(properties, &ops[3], 1) > 0);
    while (n_all > 6)                   // what that was made of
        cudnnBackendDestroyDescriptor(all[--n_all]);
    ops[0] = pointwise(CUDNN_POINTWISE_MUL, raw, tensor(1, C, 1, 1, false), a);
    ops[1] = pointwise(CUDNN_POINTWISE_ADD, a, tensor(1, C, 1, 1, false), b);
    ops[2] = pointwise(CUDNN_POINTWISE_RELU_FWD, b, NULL, x);
    ops[3] = dw(x, w, y);
    assert_int_equal(proposals(properties, ops, 4), 0);
    while (n_all > 0)
        cudnnBackendDestroyDescriptor(all[--n_all]);
    cudnnBackendDestroyDescriptor(properties);
}

#define ON(f, i) { #f " on card " #i, f, NULL, NULL, (void *)&cards[i] }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(test_sums_in_the_epilogue, 0), ON(test_sums_in_the_epilogue, 1),
        ON(test_sums_in_the_epilogue, 2), ON(test_no_prologue_for_dw, 0),
        ON(test_no_prologue_for_dw, 1), ON(test_no_prologue_for_dw, 2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
