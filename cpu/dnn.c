/* cpu/dnn.c: oneDNN 2.x's calls. */
#include "cpu/dnn.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <oneapi/dnnl/dnnl_debug.h>
#include "common/mem.h"

// False, and the mistake kept, when a call or an earlier one failed.
static bool okay(struct dnn *d, dnnl_status_t status, const char *what)
{
    if (d->err.code)
        return false;
    if (status == dnnl_success)
        return true;
    fail(&d->err, status == dnnl_out_of_memory ? ERR_MEMORY : ERR_DEVICE,
         "oneDNN %s: %s", what, dnnl_status2str(status));
    return false;
}

void dnn_open(struct dnn *d)
{
    memset(d, 0, sizeof *d);
    if (okay(d, dnnl_engine_create(&d->engine, dnnl_cpu, 0), "engine"))
        okay(d, dnnl_stream_create(&d->stream, d->engine,
                                   dnnl_stream_default_flags), "stream");
}

static void prims_free(struct dnn *d)
{
    while (d->prims) {
        struct prim *p = d->prims;

        d->prims = p->next;
        if (p->scratchpad)
            dnnl_memory_destroy(p->scratchpad);
        if (p->handle)
            dnnl_primitive_destroy(p->handle);
        free(p);
    }
}

void dnn_close(struct dnn *d)
{
    prims_free(d);
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    d->stream = NULL;
    d->engine = NULL;
}

// ---- layouts -------------------------------------------------------------

static struct layout layout_new(int n_dims, const dnnl_dim_t *dims,
                                dnnl_format_tag_t tag)
{
    struct layout a = { 0 };

    dnnl_memory_desc_init_by_tag(&a.md, n_dims, dims, dnnl_f32, tag);
    return a;
}

static struct layout layout_of(struct shape s, dnnl_format_tag_t tag)
{
    return layout_new(4, (dnnl_dims_t){ s.n, s.c, s.h, s.w }, tag);
}

struct layout dnn_any(struct shape s)
{
    return layout_of(s, dnnl_format_tag_any);
}

struct layout dnn_plain(struct shape s)
{
    return layout_of(s, dnnl_abcd);
}

struct layout dnn_matrix(int rows, int columns)
{
    return layout_new(2, (dnnl_dims_t){ rows, columns }, dnnl_ab);
}

struct layout dnn_matrix_any(int rows, int columns)
{
    return layout_new(2, (dnnl_dims_t){ rows, columns }, dnnl_format_tag_any);
}

struct layout dnn_vector(int n)
{
    return layout_new(1, (dnnl_dims_t){ n }, dnnl_a);
}

struct layout dnn_plain_as(struct layout a)
{
    static const dnnl_format_tag_t tags[] = {
        [1] = dnnl_a, [2] = dnnl_ab, [3] = dnnl_abc, [4] = dnnl_abcd };

    return layout_new(a.md.ndims, a.md.dims, tags[a.md.ndims]);
}

size_t dnn_image(struct layout a)
{
    const dnnl_blocking_desc_t *b = &a.md.format_desc.blocking;
    size_t one = dnn_bytes(a) / sizeof(float) / (size_t)a.md.dims[0];

    for (int i = 0; i < b->inner_nblks; i++)
        if (b->inner_idxs[i] == 0)
            return 0;
    return (size_t)b->strides[0] == one ? one : 0;
}

bool dnn_same(struct layout a, struct layout b)
{
    return dnnl_memory_desc_equal(&a.md, &b.md);
}

size_t dnn_bytes(struct layout a)
{
    return dnnl_memory_desc_get_size(&a.md);
}

void dnn_tensor(struct dnn *d, struct tensor *t, struct layout at)
{
    memset(t, 0, sizeof *t);
    t->layout = at;
    t->bytes = dnn_bytes(at);
    if (!d->err.code)
        okay(d, dnnl_memory_create(&t->memory, &at.md, d->engine,
                                   DNNL_MEMORY_NONE), "tensor");
}

// Setting the handle also zeroes the layout's padding.
void dnn_place(struct dnn *d, struct tensor *t, void *data)
{
    if (d->err.code)
        return;
    t->data = data;
    okay(d, dnnl_memory_set_data_handle_v2(t->memory, data, d->stream),
         "memory");
}

void dnn_tensor_clear(struct tensor *t)
{
    if (t->memory)
        dnnl_memory_destroy(t->memory);
    memset(t, 0, sizeof *t);
}

// ---- primitives ----------------------------------------------------------

static struct prim *prim_new(struct dnn *d)
{
    struct prim *p = xcalloc(1, sizeof *p);

    p->next = d->prims;
    d->prims = p;
    return p;
}

static size_t scratchpad_of(const struct prim *p)
{
    const_dnnl_primitive_desc_t pd;

    dnnl_primitive_get_primitive_desc(p->handle, &pd);
    return dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(
        pd, dnnl_query_scratchpad_md, 0));
}

// Takes pd.
static struct prim *prim_of(struct dnn *d, dnnl_primitive_desc_t pd,
                            const char *what)
{
    struct prim *p = prim_new(d);

    if (okay(d, dnnl_primitive_create(&p->handle, pd), what)) {
        size_t bytes = scratchpad_of(p);

        if (bytes > d->scratchpad_bytes)
            d->scratchpad_bytes = bytes;
    }
    dnnl_primitive_desc_destroy(pd);
    return p;
}

// From a filled op descriptor; init: what filling it gave. hint: the forward
// primitive's description that a backward one asks for, or NULL.
static struct prim *build(struct dnn *d, dnnl_status_t init, const void *op,
                          const_dnnl_primitive_desc_t hint, const char *what)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t made = dnnl_out_of_memory;

    if (!okay(d, init, what))
        return prim_new(d);
    if (dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(
            attr, dnnl_scratchpad_mode_user) == dnnl_success)
        made = dnnl_primitive_desc_create(&pd, op, attr, d->engine, hint);
    dnnl_primitive_attr_destroy(attr);
    if (!okay(d, made, what))
        return prim_new(d);
    return prim_of(d, pd, what);
}

static const_dnnl_primitive_desc_t desc_of(const struct prim *p)
{
    const_dnnl_primitive_desc_t pd = NULL;

    if (p->handle)
        dnnl_primitive_get_primitive_desc(p->handle, &pd);
    return pd;
}

// The bias beside weights (out, in, k, k).
static struct layout bias_of(struct layout w)
{
    return dnn_vector((int)w.md.dims[0]);
}

struct prim *dnn_conv(struct dnn *d, struct layout x, struct layout w,
                      bool bias, struct layout y, struct window at)
{
    dnnl_convolution_desc_t op;
    dnnl_dims_t strides = { at.stride, at.stride }, pads = { at.pad, at.pad };
    struct layout b = bias_of(w);

    return build(d, dnnl_convolution_forward_desc_init(
        &op, dnnl_forward_training, dnnl_convolution_direct, &x.md, &w.md,
        bias ? &b.md : NULL, &y.md, strides, pads, pads), &op, NULL,
        "convolution");
}

struct prim *dnn_conv_dx(struct dnn *d, struct layout dx, struct layout w,
                         struct layout dy, struct window at)
{
    dnnl_convolution_desc_t op;
    dnnl_dims_t strides = { at.stride, at.stride }, pads = { at.pad, at.pad };

    return build(d, dnnl_convolution_backward_data_desc_init(
        &op, dnnl_convolution_direct, &dx.md, &w.md, &dy.md, strides, pads,
        pads), &op, NULL, "convolution, backward by data");
}

struct prim *dnn_conv_dw(struct dnn *d, struct layout x, struct layout dw,
                         bool bias, struct layout dy, struct window at)
{
    dnnl_convolution_desc_t op;
    dnnl_dims_t strides = { at.stride, at.stride }, pads = { at.pad, at.pad };
    struct layout db = bias_of(dw);

    return build(d, dnnl_convolution_backward_weights_desc_init(
        &op, dnnl_convolution_direct, &x.md, &dw.md, bias ? &db.md : NULL,
        &dy.md, strides, pads, pads), &op, NULL,
        "convolution, backward by weights");
}

struct prim *dnn_norm(struct dnn *d, struct layout x, double eps,
                      enum norm_stats stats, bool relu)
{
    dnnl_batch_normalization_desc_t op;
    unsigned flags = dnnl_use_scale | dnnl_use_shift;

    if (relu)
        flags |= dnnl_fuse_norm_relu;
    if (stats == STATS_GIVEN)
        flags |= dnnl_use_global_stats;
    return build(d, dnnl_batch_normalization_forward_desc_init(
        &op, stats == STATS_GIVEN ? dnnl_forward_inference
                                  : dnnl_forward_training,
        &x.md, (float)eps, flags), &op, NULL, "batch norm");
}

struct prim *dnn_norm_dx(struct dnn *d, struct layout x, double eps, bool relu)
{
    dnnl_batch_normalization_desc_t op;
    unsigned flags = dnnl_use_scale | dnnl_use_shift;
    struct prim *forward = dnn_norm(d, x, eps, STATS_BATCH, relu);

    if (relu)
        flags |= dnnl_fuse_norm_relu;
    return build(d, dnnl_batch_normalization_backward_desc_init(
        &op, dnnl_backward, &x.md, &x.md, (float)eps, flags), &op,
        desc_of(forward), "batch norm, backward");
}

static dnnl_alg_kind_t pool_kind(enum pool kind)
{
    return kind == POOL_MAX ? dnnl_pooling_max
                            : dnnl_pooling_avg_exclude_padding;
}

struct prim *dnn_pool(struct dnn *d, enum pool kind, struct layout x,
                      struct layout y, struct window at)
{
    dnnl_pooling_desc_t op;
    dnnl_dims_t strides = { at.stride, at.stride }, pads = { at.pad, at.pad };
    dnnl_dims_t k = { at.k_h, at.k_w };

    return build(d, dnnl_pooling_forward_desc_init(
        &op, dnnl_forward_training, pool_kind(kind), &x.md, &y.md, strides, k,
        pads, pads), &op, NULL, "pooling");
}

struct prim *dnn_pool_dx(struct dnn *d, enum pool kind, struct layout dx,
                         struct layout dy, struct window at)
{
    dnnl_pooling_desc_t op;
    dnnl_dims_t strides = { at.stride, at.stride }, pads = { at.pad, at.pad };
    dnnl_dims_t k = { at.k_h, at.k_w };
    struct prim *forward = dnn_pool(d, kind, dx, dy, at);

    return build(d, dnnl_pooling_backward_desc_init(
        &op, pool_kind(kind), &dx.md, &dy.md, strides, k, pads, pads), &op,
        desc_of(forward), "pooling, backward");
}

struct prim *dnn_linear(struct dnn *d, struct layout x, struct layout w,
                        struct layout y)
{
    dnnl_inner_product_desc_t op;
    struct layout b = bias_of(w);

    return build(d, dnnl_inner_product_forward_desc_init(
        &op, dnnl_forward_training, &x.md, &w.md, &b.md, &y.md), &op, NULL,
        "inner product");
}

struct prim *dnn_linear_dx(struct dnn *d, struct layout dx, struct layout w,
                           struct layout dy)
{
    dnnl_inner_product_desc_t op;

    return build(d, dnnl_inner_product_backward_data_desc_init(
        &op, &dx.md, &w.md, &dy.md), &op, NULL,
        "inner product, backward by data");
}

struct prim *dnn_linear_dw(struct dnn *d, struct layout x, struct layout dw,
                           struct layout dy)
{
    dnnl_inner_product_desc_t op;
    struct layout db = bias_of(dw);

    return build(d, dnnl_inner_product_backward_weights_desc_init(
        &op, &x.md, &dw.md, &db.md, &dy.md), &op, NULL,
        "inner product, backward by weights");
}

struct prim *dnn_reorder(struct dnn *d, struct tensor *from, struct tensor *to)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t made = dnnl_out_of_memory;
    struct prim *p;

    if (d->err.code)
        return prim_new(d);
    if (dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(
            attr, dnnl_scratchpad_mode_user) == dnnl_success)
        made = dnnl_reorder_primitive_desc_create(
            &pd, &from->layout.md, d->engine, &to->layout.md, d->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (!okay(d, made, "reorder"))
        return prim_new(d);
    p = prim_of(d, pd, "reorder");
    dnn_arg(p, DNNL_ARG_FROM, from);
    dnn_arg(p, DNNL_ARG_TO, to);
    return p;
}

int dnn_copy(struct dnn *d, struct layout from, const float *src,
             struct layout to, float *dst, struct error *err)
{
    struct dnn once = { .engine = d->engine, .stream = d->stream };
    struct tensor a = { 0 }, b = { 0 };

    dnn_tensor(&once, &a, from);
    dnn_tensor(&once, &b, to);
    dnn_place(&once, &a, (void *)(uintptr_t)src);
    dnn_place(&once, &b, dst);
    struct prim *p = dnn_reorder(&once, &a, &b);
    void *scratchpad = xmalloc(once.scratchpad_bytes);
    dnn_scratchpads(&once, scratchpad);
    dnn_run(&once, p);
    prims_free(&once);
    free(scratchpad);
    dnn_tensor_clear(&a);
    dnn_tensor_clear(&b);
    return once.err.code ? fail(err, once.err.code, "%s", once.err.text) : 0;
}

struct layout dnn_asks(struct dnn *d, const struct prim *p, int arg)
{
    struct layout a = { 0 };

    if (!d->err.code)
        a.md = *dnnl_primitive_desc_query_md(desc_of(p),
                                             dnnl_query_exec_arg_md, arg);
    return a;
}

const char *dnn_name(const struct prim *p)
{
    const char *name = "";

    if (p->handle)
        dnnl_primitive_desc_query(desc_of(p), dnnl_query_impl_info_str, 0,
                                  &name);
    return name;
}

static void arg_push(struct prim *p, int arg, dnnl_memory_t memory)
{
    if (p->n_args < DNN_MAX_ARGS)
        p->args[p->n_args++] = (dnnl_exec_arg_t){ arg, memory };
}

void dnn_arg(struct prim *p, int arg, const struct tensor *t)
{
    arg_push(p, arg, t->memory);
}

void dnn_scratchpads(struct dnn *d, void *base)
{
    for (struct prim *p = d->prims; p && !d->err.code; p = p->next) {
        const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(
            desc_of(p), dnnl_query_scratchpad_md, 0);

        if (dnnl_memory_desc_get_size(md) == 0)
            continue;
        if (okay(d, dnnl_memory_create(&p->scratchpad, md, d->engine, base),
                 "scratchpad"))
            arg_push(p, DNNL_ARG_SCRATCHPAD, p->scratchpad);
    }
}

void dnn_run(struct dnn *d, const struct prim *p)
{
    if (!d->err.code)
        okay(d, dnnl_primitive_execute(p->handle, d->stream, p->n_args,
                                       p->args), "execution");
}
