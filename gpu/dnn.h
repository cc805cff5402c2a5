/* gpu/dnn.h: convolutions, and nothing else of cuDNN, which only dnn.c,
 * dnn_graph.c and dnn_cache.c know.
 *
 * A plan is how one pass of one shape is computed. It is chosen once: out of
 * the cache on disk, or by trying on the device what cuDNN proposes; what does
 * not repeat bit for bit is not tried. Equal shapes share a plan.
 */
#pragma once
#include "common/error.h"
#include "gpu/kernels.h"

enum dnn_pass { DNN_FORWARD, DNN_DX, DNN_DW, DNN_PASSES };

// x (n, h, w, c), w (out, k, k, c), y (n, rows, cols, out), all of one type.
struct dnn_conv {
    enum dnn_pass pass;
    enum elem     elem;
    bool          tf32;         // f32 may be rounded to tf32 in products
    bool          stats;        // forward: sums (2, out), of y and of y * y
                                // over its pixels, are made in passing
    int           n, c, h, w, out, rows, cols, k, stride, pad;
};

struct dnn_data { void *x, *w, *y; float *sums; void *workspace; };

struct dnn_plan;                        // owned by struct dnn
struct dnn;

// For the current device. cache: a folder for plans, NULL = the user's.
// ERR_DEVICE when cuDNN is too old or fails.
int  dnn_open(const char *cache, struct dnn **out, struct error *err);
void dnn_close(struct dnn *d);          // NULL is fine

// The plan for this pass. May take seconds on the first run of a program with
// a new shape, milliseconds after. One with stats only where, as tried on the
// device, it is faster than one without and kernels.h's statistics behind it;
// else *out is NULL.
int    dnn_choose(struct dnn *d, const struct dnn_conv *at,
                  const struct dnn_plan **out, struct error *err);
size_t dnn_workspace(const struct dnn_plan *p);         // bytes

// Reads two of x, w, y and overwrites the third (y, x, w by pass), and sums.
// Can be captured.
int    dnn_run(struct dnn *d, const struct dnn_plan *p, struct dnn_data at,
               cudaStream_t stream, struct error *err);
