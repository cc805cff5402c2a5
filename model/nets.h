/* model/nets.h: networks by name. A network is one file and one row here. */
#pragma once
#include "common/job.h"
#include "model/graph.h"

#define NETS(X)                                                                \
    X(resnet18) X(resnet34) X(resnet50) X(resnet101) X(resnet152)              \
    X(vgg11) X(vgg13) X(vgg16) X(vgg19) X(vgg38)

struct net_opts {
    const char   *arch;                 // "resnet50"
    bool          skip[JOB_STAGES];     // none in a vgg
    enum job_norm norm;
    enum start    start;
    double        width;                // 1 = the paper's
    int           classes, batch, image_size;
    struct input  input;
};

enum { NET_MAX_WIDTH = 4 };

// From images to logits, (n, classes, 1, 1); net_build() adds the rest.
#define X(name)                                                                \
    val net_##name(struct graph *g, val x, const struct net_opts *o);
NETS(X)
#undef X

// Sealed and free of taps, or NULL with err; caller frees.
struct graph *net_build(const struct net_opts *o, struct error *err);

// What a job asks for; classes is used when the spec leaves them open.
struct net_opts net_opts_of(const struct job *job, int classes, int batch);

extern const char *const net_names[];   // ends with NULL

// What people ask about a network; no backend needed.
struct net_layer {
    const char  *name;                  // the graph's
    int          node;
    int          depth;     // convolutions on the main path up to and with it;
                            // a downsample has its block's last one's
    bool         main;      // a convolution of the main path: not downsample,
                            // not fc or classifier
    struct shape out;
};
int     net_layers(const struct graph *g, struct net_layer **out); // how many
int64_t net_parameters(const struct graph *g, bool used_only);
// Bytes a training step holds: weights, gradients, optimizer state and planned
// activations, which take two bytes a number in bf16; library workspaces not
// counted. What the CUDA backend plans is within 10 % of it.
int64_t net_memory(const struct graph *g, const struct job *job);
