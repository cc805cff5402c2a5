/* cpu/dnn.h: as much of oneDNN as the ops need, and the only file that knows
 * its version (2.x; 3.x replaced the calls that dnn.c makes).
 *
 * Errors are sticky, as in a graph: the first one stays in dnn->err, later
 * calls do nothing (and give an empty layout, or a primitive that may be asked
 * and given arguments as any other). So an op's setup holds no error handling;
 * whoever calls the setups looks at dnn->err when all are done.
 *
 * Layouts are oneDNN's memory descriptors: sizes, and where each number lies.
 * Blocked layouts pad channels with zeros, and every primitive keeps them
 * zero; so do element-by-element loops over all of a tensor's bytes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <oneapi/dnnl/dnnl.h>
#include "model/graph.h"

struct layout { dnnl_memory_desc_t md; };

// Numbers in a layout. data is NULL until dnn_place().
struct tensor {
    struct layout layout;
    size_t        bytes;
    dnnl_memory_t memory;
    float        *data;
};

enum { DNN_MAX_ARGS = 12 };

// A compiled operation with its arguments, ready to run.
struct prim {
    dnnl_primitive_t handle;            // NULL when it could not be made
    dnnl_memory_t    scratchpad;
    dnnl_exec_arg_t  args[DNN_MAX_ARGS];
    int              n_args;
    struct prim     *next;              // owned by struct dnn
};

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct prim  *prims;
    size_t        scratchpad_bytes;     // one primitive runs at a time: the
                                        // largest is enough for all
    struct error  err;                  // first mistake; code 0 = none
};

void dnn_open(struct dnn *d);
void dnn_close(struct dnn *d);          // frees all primitives

// ---- layouts -------------------------------------------------------------

struct layout dnn_any(struct shape s);          // oneDNN chooses
struct layout dnn_plain(struct shape s);        // n, c, h, w: PyTorch's
struct layout dnn_matrix(int rows, int columns);
struct layout dnn_matrix_any(int rows, int columns);
struct layout dnn_vector(int n);
struct layout dnn_plain_as(struct layout a);    // same sizes, PyTorch's order
// Numbers of an image, padding included, where each image lies in one piece
// behind the other; 0 where they are mixed.
size_t dnn_image(struct layout a);
bool   dnn_same(struct layout a, struct layout b);
size_t dnn_bytes(struct layout a);

void dnn_tensor(struct dnn *d, struct tensor *t, struct layout at);
void dnn_place(struct dnn *d, struct tensor *t, void *data);
void dnn_tensor_clear(struct tensor *t);

// ---- primitives ----------------------------------------------------------
// Owned by d. Give dnn_any() where oneDNN may choose, then ask what it chose:
// arg is a DNNL_ARG_ code. bias: whether there is one.

struct window { int k_h, k_w, stride, pad; };

struct prim *dnn_conv(struct dnn *d, struct layout x, struct layout w,
                      bool bias, struct layout y, struct window at);
struct prim *dnn_conv_dx(struct dnn *d, struct layout dx, struct layout w,
                         struct layout dy, struct window at);
struct prim *dnn_conv_dw(struct dnn *d, struct layout x, struct layout dw,
                         bool bias, struct layout dy, struct window at);

// Batch statistics, or given ones. relu: max(0, .) behind it; in training that
// takes a DNNL_ARG_WORKSPACE.
enum norm_stats { STATS_BATCH, STATS_GIVEN };
struct prim *dnn_norm(struct dnn *d, struct layout x, double eps,
                      enum norm_stats stats, bool relu);
struct prim *dnn_norm_dx(struct dnn *d, struct layout x, double eps, bool relu);

enum pool { POOL_MAX, POOL_AVERAGE };
struct prim *dnn_pool(struct dnn *d, enum pool kind, struct layout x,
                      struct layout y, struct window at);
struct prim *dnn_pool_dx(struct dnn *d, enum pool kind, struct layout dx,
                         struct layout dy, struct window at);

// y (n, out) = x (n, in) * w (out, in)^T + bias
struct prim *dnn_linear(struct dnn *d, struct layout x, struct layout w,
                        struct layout y);
struct prim *dnn_linear_dx(struct dnn *d, struct layout dx, struct layout w,
                           struct layout dy);
struct prim *dnn_linear_dw(struct dnn *d, struct layout x, struct layout dw,
                           struct layout dy);

// At once, outside of any plan of steps.
int dnn_copy(struct dnn *d, struct layout from, const float *src,
             struct layout to, float *dst, struct error *err);
struct prim *dnn_reorder(struct dnn *d, struct tensor *from, struct tensor *to);

struct layout dnn_asks(struct dnn *d, const struct prim *p, int arg);
const char   *dnn_name(const struct prim *p);   // which implementation
void dnn_arg(struct prim *p, int arg, const struct tensor *t);

// Once all primitives are made: scratchpad_bytes at base serve them all.
void dnn_scratchpads(struct dnn *d, void *base);
void dnn_run(struct dnn *d, const struct prim *p);
