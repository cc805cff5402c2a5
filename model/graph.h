/* model/graph.h: a network as a list of operations on named values.
 *
 * A graph says what is computed, never how. Build it, graph_seal() it, only
 * read it from then on; backends compile it to a plan (backend.h).
 * Activations have shape (n, c, h, w), vectors (n, c, 1, 1). Names follow
 * PyTorch: a layer's output has its module's name ("layer1.0.conv1"), its
 * parameters the names of the state_dict ("layer1.0.conv1.weight"), so
 * reference dumps load by name. Builders never fail on the spot: the graph
 * keeps the first mistake, later calls do nothing and graph_seal() reports it.
 * A network definition therefore holds no error handling.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

typedef int val;                        // row of graph.values
enum { BAD_VAL = -1, MAX_IN = 2, MAX_PARAM = 4 };

// One row per operation: its tag, and the stem of its names elsewhere
// (graph_conv, cpu_op_conv, gpu_op_conv). A backend without it fails to link.
#define GRAPH_OPS(X)                                                           \
    X(INPUT, input)     X(CONV, conv)       X(NORM, norm)       X(RELU, relu)  \
    X(ADD, add)         X(MAXPOOL, maxpool) X(AVGPOOL, avgpool)                \
    X(LINEAR, linear)   X(XENT, xent)
#define X(tag, stem) OP_##tag,
enum op { GRAPH_OPS(X) OP_COUNT };
#undef X

// How first weights are drawn: PyTorch's default (uniform, bound
// 1/sqrt(fan_in), biases too), or kaiming (normal, std sqrt(2/fan_out) for
// convolution weights; everything else as PyTorch's default).
enum start { START_PYTORCH, START_KAIMING };

struct shape   { int n, c, h, w; };
struct input   { float mean[3], std[3]; };      // of pixel values / 255
struct conv    { int out, k, stride, pad; bool bias; };     // stride 0 = 1
struct norm    { double eps, momentum; };                   // 0 = 1e-5, 0.1
struct maxpool { int k, stride, pad; };
struct linear  { int out; };                                // with bias

enum role { ROLE_ACT, ROLE_PARAM, ROLE_STATE };     // STATE: running mean, var
enum fill { FILL_ZERO, FILL_ONE, FILL_NORMAL, FILL_UNIFORM };
enum side { SIDE_VALUE, SIDE_GRAD,
            SIDE_OPTIM,         // momentum; Adam's first moment
            SIDE_OPTIM2 };      // Adam's second moment

// What a tap measures. All but the norm are for one side: of an activation's
// value MEAN, STD (divided by the number of elements) and ZEROS (the share, 0
// to 1, of elements that are exactly 0); of a parameter's value CHANGE, the L2
// norm of what this step's update does to it, 0 in MODE_GRAD; of an
// activation's gradient SAMPLES, the sum over the images of the L2 norm of each
// one's part, and, where a branch begins (graph_branch()), BRANCH: the L2 norm
// of the part that comes back through the branch, not by the skip.
enum measure { MEASURE_NORM, MEASURE_MEAN, MEASURE_STD, MEASURE_ZEROS,
               MEASURE_CHANGE, MEASURE_SAMPLES, MEASURE_BRANCH };

struct value {
    char        *name;                  // owned by the graph
    struct shape shape;                 // conv weight (out, in, k, k); linear
                                        // weight (out, in, 1, 1); vectors of
                                        // parameters (c, 1, 1, 1)
    enum role    role;
    int          producer;              // node; -1 for PARAM and STATE
    int          param;                 // position among the PARAMs, else -1:
                                        // PyTorch's named_parameters() order
    bool         used;                  // some node reads it. A PARAM or STATE
                                        // can be held without being used: the
                                        // downsample branch without skips
    bool         needs_grad;
    enum fill    fill;                  // first content of PARAM and STATE
    double       scale;                 // std of NORMAL, bound of UNIFORM
};

struct node {
    enum op op;
    val in[MAX_IN], out;                // unused slots hold BAD_VAL
    val param[MAX_PARAM];               // weight, bias | gamma, beta, mean, var
    union {
        struct input input; struct conv conv; struct norm norm;
        struct maxpool maxpool; struct linear linear;
    } at;
};

// A tap asks for one number per step: the L2 norm of a value, or of d(loss) /
// d(value), over the whole batch. The loss is the batch mean, loss scaling is
// undone, and with several consumers it is the norm of the summed gradient.
// A tapped value may be fused away only if the fused kernel reports the norm.
// Activations and used parameters can be tapped; on a parameter SIDE_GRAD is
// the gradient before weight decay, SIDE_VALUE the weight before the update.
struct tap { val value; enum side side; enum measure measure; };

struct graph {                          // read-only outside graph.c
    struct value *values; int n_values;
    struct node  *nodes;  int n_nodes;  // in forward order
    struct tap   *taps;   int n_taps;
    val           input, logits, loss;
    enum start    start;
    char          prefix[64];
    bool          unused;               // builders now only declare parameters
    int           n_params;             // PARAM rows, unused ones too
    struct shape *ghosts; int n_ghosts; // graph.c's: outputs of unused ops
    struct error  err;                  // first mistake; code 0 = none
};

struct graph *graph_new(enum start start);  // aborts when out of memory
void graph_free(struct graph *g);
int  graph_seal(struct graph *g, struct error *err);
val  graph_find(const struct graph *g, const char *name);       // or BAD_VAL
struct shape graph_shape(const struct graph *g, val v);
int64_t      graph_elements(const struct graph *g, val v);

// Taps may be added before or after sealing, but before a compile. v must be an
// activation or a used parameter, one that needs_grad for SIDE_GRAD.
void graph_tap(struct graph *g, val v, enum side side);
void graph_tap_as(struct graph *g, val v, enum measure measure);    // no NORM

// Nodes whose output is a layer people name: convolutions and linears.
bool graph_is_layer(const struct graph *g, int node);

// The one node that reads v, or -1 when there are none or more.
int graph_only_reader(const struct graph *g, val v);

// Whether it is a linear layer; one of a whole image is a convolution here.
bool graph_is_linear(const struct graph *g, int node);

// Where v is the input of a block whose skip is the identity, an addition reads
// it and one node in front of that: this node, where the branch begins. Else
// -1.
int graph_branch(const struct graph *g, val v);

// Goes in front of the names of all ops that follow, its last dot included
// ("layer1.0."); "" ends it.
__attribute__((format(printf, 2, 3)))
void graph_prefix(struct graph *g, const char *fmt, ...);

// From on to off, builders declare parameters and running statistics but no
// operations, and give values that nothing may compute with: the downsample
// branch that PyTorch's module holds and a network without skips never runs.
void graph_unused(struct graph *g, bool on);

val graph_input  (struct graph *g, struct shape s, struct input at); // g->input
val graph_conv   (struct graph *g, val x, const char *name, struct conv at);
val graph_norm   (struct graph *g, val x, const char *name, struct norm at);
val graph_relu   (struct graph *g, val x, const char *name);
val graph_add    (struct graph *g, val a, val b, const char *name);
val graph_maxpool(struct graph *g, val x, const char *name, struct maxpool at);
val graph_avgpool(struct graph *g, val x, const char *name);        // to 1 x 1
// Of an image it takes all numbers, as PyTorch's Linear behind a flatten: that
// is a convolution whose window is the image, with the same weights in the same
// order under the shape (out, c, h, w).
val graph_linear (struct graph *g, val x, const char *name, struct linear at);
val graph_xent   (struct graph *g, val logits);     // g->logits, g->loss
