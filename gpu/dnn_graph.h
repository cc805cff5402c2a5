/* gpu/dnn_graph.h: a convolution as cuDNN's graph descriptors, and the plans
 * that cuDNN proposes for it. Private to dnn.c and to the test that asks for
 * plans without a device. */
#pragma once
#include <cudnn_graph.h>
#include "gpu/dnn.h"

// Whom to plan for: one of the two. properties: a finalised
// CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, which needs no device in the machine.
struct dnn_target {
    cudnnHandle_t            handle;
    cudnnBackendDescriptor_t properties;
};

// Counts up whenever a plan that was kept for a graph of the last kind would
// not fit any more: other operations, other ids.
enum { DNN_GRAPHS = 1 };
enum { DNN_X = 1, DNN_W, DNN_Y, DNN_SUM, DNN_SQUARES, DNN_IDS };   // of tensors

// Properties from cuDNN's JSON; NULL with err. Caller destroys.
cudnnBackendDescriptor_t dnn_properties(const char *json, struct error *err);

struct dnn_graph;                       // owns its descriptors
int  dnn_graph_new(const struct dnn_target *t, const struct dnn_conv *at,
                   struct dnn_graph **out, struct error *err);
void dnn_graph_free(struct dnn_graph *g);               // NULL is fine

// Finalised plans, cuDNN's best guess first, none that may give other bits the
// next time or, unless at->tf32, that rounds f32 or goes by FFT or Winograd.
// How many, at most `most`; the
// caller destroys them, and before the graph.
int  dnn_graph_plans(const struct dnn_target *t, const struct dnn_graph *g,
                     const struct dnn_conv *at, int most,
                     cudnnBackendDescriptor_t *plans);

size_t dnn_graph_workspace(cudnnBackendDescriptor_t plan);
// A plan as text, and back; NULL when cuDNN cannot. The caller frees the text.
char  *dnn_graph_text(cudnnBackendDescriptor_t plan);
cudnnBackendDescriptor_t dnn_graph_plan(const struct dnn_target *t,
                                        const char *text);
// "forward bf16 16x64x56x56 ...": equal for equal plans' wishes.
void dnn_conv_text(const struct dnn_conv *at, char *out, size_t size);
