/* gpu/dnn_graph.c: cuDNN's backend interface: descriptors are made, given
 * attributes and finalised, each call with a status of its own. Here the first
 * that fails stays, and later calls do nothing. */
#include "gpu/dnn_graph.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

typedef cudnnBackendDescriptor_t desc;

enum { MAX_DESCS = 9 };                 // of one convolution's graph
enum { MAX_CONFIGS = 64, MAX_NOTES = 16 };
static const size_t MAX_WORKSPACE = (size_t)1 << 30;    // bytes

struct dnn_graph {
    desc  all[MAX_DESCS];
    int   n;
    desc  graph;
    struct error err;                   // first mistake; code 0 = none
};

static void note(struct error *err, cudnnStatus_t status, const char *what)
{
    char words[256] = "";

    if (status == CUDNN_STATUS_SUCCESS || err->code)
        return;
    cudnnGetLastErrorString(words, sizeof words);
    fail(err, ERR_DEVICE, "cuDNN: %s: %s%s%s", what,
         cudnnGetErrorString(status), words[0] ? ": " : "", words);
}

static desc make(struct dnn_graph *g, cudnnBackendDescriptorType_t type,
                 const char *what)
{
    desc d = NULL;

    if (g->err.code)
        return NULL;
    note(&g->err, cudnnBackendCreateDescriptor(type, &d), what);
    assert(g->n < MAX_DESCS);
    if (!g->err.code)
        g->all[g->n++] = d;
    return d;
}

static void set(struct dnn_graph *g, desc d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *x,
                const char *what)
{
    if (!g->err.code)
        note(&g->err, cudnnBackendSetAttribute(d, name, type, n, x), what);
}

static void finish(struct dnn_graph *g, desc d, const char *what)
{
    if (!g->err.code)
        note(&g->err, cudnnBackendFinalize(d), what);
}

// ---- what a convolution is --------------------------------------------------

static cudnnDataType_t type_of(enum elem e)
{
    return e == ELEM_F32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

// (n, c, h, w), channels last in memory.
static desc tensor(struct dnn_graph *g, int64_t id, enum elem e, int64_t n,
                   int64_t c, int64_t h, int64_t w)
{
    int64_t size[] = { n, c, h, w }, step[] = { c * h * w, 1, c * w, c };
    int64_t align = 16;
    cudnnDataType_t type = type_of(e);
    desc d = make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor");

    set(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type,
        "tensor type");
    set(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size,
        "tensor size");
    set(g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, step,
        "tensor strides");
    set(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id,
        "tensor id");
    set(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align,
        "tensor alignment");
    finish(g, d, "tensor");
    return d;
}

static desc window(struct dnn_graph *g, const struct dnn_conv *at)
{
    int64_t one[] = { 1, 1 }, stride[] = { at->stride, at->stride };
    int64_t pad[] = { at->pad, at->pad }, dims = 2;
    cudnnDataType_t math = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    desc d = make(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");
    const char *what = "convolution";

    set(g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &math,
        what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
        &mode, what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one, what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2,
        stride, what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad,
        what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad,
        what);
    set(g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims,
        what);
    finish(g, d, what);
    return d;
}

// The names that cuDNN has for the same things, by pass.
static const struct pass {
    const char *name;
    cudnnBackendDescriptorType_t op;
    cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
} passes[DNN_PASSES] = {
    [DNN_FORWARD] = { "forward",
        CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
    [DNN_DX] = { "dx",
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
    [DNN_DW] = { "dw",
        CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

// Sums of y and of its squares by channel, in float32.
static desc statistics(struct dnn_graph *g, const struct dnn_conv *at, desc y)
{
    desc sum = tensor(g, DNN_SUM, ELEM_F32, 1, at->out, 1, 1);
    desc squares = tensor(g, DNN_SQUARES, ELEM_F32, 1, at->out, 1, 1);
    desc d = make(g, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR, "sums");
    cudnnBackendAttributeType_t type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;
    cudnnDataType_t math = CUDNN_DATA_FLOAT;

    set(g, d, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1,
        &mode, "sums");
    set(g, d, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1,
        &math, "sums");
    set(g, d, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, type, 1, &y, "sums");
    set(g, d, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, type, 1, &sum, "sums");
    set(g, d, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, type, 1, &squares,
        "sums");
    finish(g, d, "sums");
    return d;
}

// ops[0], and ops[1] when there are sums to be made; how many.
static int operations(struct dnn_graph *g, const struct dnn_conv *at,
                      desc ops[2])
{
    const struct pass *pass = &passes[at->pass];
    desc x = tensor(g, DNN_X, at->elem, at->n, at->c, at->h, at->w);
    desc w = tensor(g, DNN_W, at->elem, at->out, at->c, at->k, at->k);
    desc y = tensor(g, DNN_Y, at->elem, at->n, at->out, at->rows, at->cols);
    desc conv = window(g, at), d = make(g, pass->op, pass->name);
    cudnnBackendAttributeType_t type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
    float one = 1, zero = 0;

    set(g, d, pass->conv, type, 1, &conv, pass->name);
    set(g, d, pass->x, type, 1, &x, pass->name);
    set(g, d, pass->w, type, 1, &w, pass->name);
    set(g, d, pass->y, type, 1, &y, pass->name);
    set(g, d, pass->alpha, CUDNN_TYPE_FLOAT, 1, &one, pass->name);
    set(g, d, pass->beta, CUDNN_TYPE_FLOAT, 1, &zero, pass->name);
    finish(g, d, pass->name);
    ops[0] = d;
    if (at->stats)
        ops[1] = statistics(g, at, y);
    return 1 + at->stats;
}

int dnn_graph_new(const struct dnn_target *t, const struct dnn_conv *at,
                  struct dnn_graph **out, struct error *err)
{
    struct dnn_graph *g = xcalloc(1, sizeof *g);
    desc ops[2] = { NULL, NULL };
    int n = operations(g, at, ops);

    *out = NULL;
    g->graph = make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "graph");
    set(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, n, ops, "graph");
    if (t->handle)
        set(g, g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
            &t->handle, "graph");
    finish(g, g->graph, "graph");
    if (g->err.code) {
        int rc = fail(err, g->err.code, "%s", g->err.text);

        dnn_graph_free(g);
        return rc;
    }
    *out = g;
    return 0;
}

void dnn_graph_free(struct dnn_graph *g)
{
    if (!g)
        return;
    while (g->n > 0)
        cudnnBackendDestroyDescriptor(g->all[--g->n]);
    free(g);
}

void dnn_conv_text(const struct dnn_conv *at, char *out, size_t size)
{
    snprintf(out, size, "%s%s %s n%d c%d h%d w%d out%d rows%d cols%d k%d "
             "stride%d pad%d", passes[at->pass].name, at->stats ? " sums" : "",
             at->elem == ELEM_BF16 ? "bf16" : at->tf32 ? "tf32" : "f32",
             at->n, at->c, at->h, at->w, at->out, at->rows, at->cols, at->k,
             at->stride, at->pad);
}

// ---- what cuDNN proposes ----------------------------------------------------

static bool has(const cudnnBackendNumericalNote_t *notes, int64_t n,
                cudnnBackendNumericalNote_t which)
{
    for (int64_t i = 0; i < n; i++)
        if (notes[i] == which)
            return true;
    return false;
}

// Products of float32 as they are, added up one by one.
static bool exact(const cudnnBackendNumericalNote_t *notes, int64_t n)
{
    static const cudnnBackendNumericalNote_t shortcuts[] = {
        CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
        CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD };

    for (size_t i = 0; i < sizeof shortcuts / sizeof *shortcuts; i++)
        if (has(notes, n, shortcuts[i]))
            return false;
    return true;
}

// Whether the engine of this proposal does what is wanted.
static bool acceptable(desc config, const struct dnn_conv *at)
{
    cudnnBackendNumericalNote_t notes[MAX_NOTES];
    desc engine = NULL;
    int64_t n = 0;
    bool ok = false;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine))
        return false;
    if (cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine) == 0 &&
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
            CUDNN_TYPE_NUMERICAL_NOTE, MAX_NOTES, &n, notes) == 0)
        ok = !has(notes, n, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) &&
             (at->elem != ELEM_F32 || at->tf32 || exact(notes, n));
    cudnnBackendDestroyDescriptor(engine);
    return ok;
}

static bool target_set(desc d, const struct dnn_target *t,
                       cudnnBackendAttributeName_t handle,
                       cudnnBackendAttributeName_t properties)
{
    if (t->handle)
        return cudnnBackendSetAttribute(d, handle, CUDNN_TYPE_HANDLE, 1,
                                        &t->handle) == 0;
    return cudnnBackendSetAttribute(d, properties,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &t->properties) == 0;
}

static desc plan_of(const struct dnn_target *t, desc config)
{
    desc plan = NULL;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
                                     &plan))
        return NULL;
    if (target_set(plan, t, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                   CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) &&
        cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config) == 0 &&
        cudnnBackendFinalize(plan) == 0 &&
        dnn_graph_workspace(plan) <= MAX_WORKSPACE)
        return plan;
    cudnnBackendDestroyDescriptor(plan);
    return NULL;
}

static desc heuristics(const struct dnn_target *t, const struct dnn_graph *g,
                       cudnnBackendHeurMode_t mode)
{
    desc d = NULL;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &d))
        return NULL;
    cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_MODE,
        CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (!t->handle)
        cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &t->properties);
    if (cudnnBackendFinalize(d) == 0)
        return d;
    cudnnBackendDestroyDescriptor(d);
    return NULL;
}

// Appends plans of one way to guess to the n that are there; how many then.
static int propose(const struct dnn_target *t, const struct dnn_graph *g,
                   const struct dnn_conv *at, cudnnBackendHeurMode_t mode,
                   int most, desc *plans, int n)
{
    desc configs[MAX_CONFIGS] = { NULL }, heur = heuristics(t, g, mode);
    int64_t found = 0;

    if (!heur)
        return n;
    for (int i = 0; i < MAX_CONFIGS; i++)
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                     &configs[i]);
    if (cudnnBackendGetAttribute(heur, CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_CONFIGS, &found, configs))
        found = 0;
    for (int i = 0; i < found && n < most; i++) {
        desc plan = acceptable(configs[i], at) ? plan_of(t, configs[i]) : NULL;

        if (plan)
            plans[n++] = plan;
    }
    for (int i = 0; i < MAX_CONFIGS; i++)
        cudnnBackendDestroyDescriptor(configs[i]);
    cudnnBackendDestroyDescriptor(heur);
    return n;
}

int dnn_graph_plans(const struct dnn_target *t, const struct dnn_graph *g,
                    const struct dnn_conv *at, int most, desc *plans)
{
    int n = propose(t, g, at, CUDNN_HEUR_MODE_A, most, plans, 0);

    return n ? n : propose(t, g, at, CUDNN_HEUR_MODE_FALLBACK, most, plans, 0);
}

// ---- plans ------------------------------------------------------------------

size_t dnn_graph_workspace(desc plan)
{
    int64_t bytes = 0, n;

    if (cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                 CUDNN_TYPE_INT64, 1, &n, &bytes))
        return SIZE_MAX;
    return (size_t)bytes;
}

char *dnn_graph_text(desc plan)
{
    cudnnBackendAttributeName_t name =
        CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
    int64_t n = 0;

    if (cudnnBackendGetAttribute(plan, name, CUDNN_TYPE_CHAR, 0, &n, NULL) ||
        n <= 0)
        return NULL;
    char *text = xcalloc((size_t)n + 1, 1);
    if (cudnnBackendGetAttribute(plan, name, CUDNN_TYPE_CHAR, n, &n, text)) {
        free(text);
        return NULL;
    }
    return text;
}

desc dnn_graph_plan(const struct dnn_target *t, const char *text)
{
    desc plan = NULL;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
                                     &plan))
        return NULL;
    if (target_set(plan, t, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                   CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) &&
        cudnnBackendSetAttribute(plan,
            CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            (int64_t)strlen(text), text) == 0 &&
        cudnnBackendFinalize(plan) == 0)
        return plan;
    cudnnBackendDestroyDescriptor(plan);
    return NULL;
}

desc dnn_properties(const char *json, struct error *err)
{
    struct dnn_graph g = { .n = 0 };
    desc d = make(&g, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "properties");

    set(&g, d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        (int64_t)strlen(json), json, "properties");
    finish(&g, d, "properties");
    if (!g.err.code)
        return d;
    if (d)
        cudnnBackendDestroyDescriptor(d);
    fail(err, g.err.code, "%s", g.err.text);
    return NULL;
}
