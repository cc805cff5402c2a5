/* model/reference_ops.h: private to the reference backend: what an op sees of
 * a step, and what it has to do. */
#pragma once
#include "model/backend.h"

struct pass {
    const struct graph *graph;
    double            **value, **grad;  // by val; grad NULL where none is kept
    const struct slot  *slot;           // this step's images and labels
    enum mode           mode;
    int                 threads;
    int                 correct;        // written by xent
};

// forward overwrites the value of the node's output. backward reads the
// gradient of the output and adds to those of inputs and parameters that have
// one; it may read every value of the forward pass, for nothing is thrown away.
struct reference_op {
    void (*forward) (struct pass *p, const struct node *node);
    void (*backward)(struct pass *p, const struct node *node);
};

// One per row of GRAPH_OPS: reference_op_conv and so on.
#define X(tag, stem) extern const struct reference_op reference_op_##stem;
GRAPH_OPS(X)
#undef X

// Where a branch begins whose share is measured: its input's gradient before
// the node's turn in the backward pass (else NULL), and the measures when it
// has had it. The second one takes what the first one gave.
double *reference_branch_before(const struct pass *p, int node);
void reference_branch(const struct pass *p, int node, double *before,
                      double *out);

// A number for every tap, once the backward pass is over. Where a parameter's
// change is asked for, the parameter is kept in before (by tap, NULL
// elsewhere), and measured and freed by reference_changes() once the update is
// over.
void reference_measure(const struct pass *p, double **before, double *out);
void reference_changes(const struct pass *p, double **before, double *out);

// Shares a loop out among p->threads. Every turn of it must write places of
// its own, and sum in an order of its own: then results do not depend on the
// number of threads.
#define PARALLEL_FOR _Pragma("omp parallel for num_threads(p->threads)")

static inline struct shape shape_of(const struct pass *p, val v)
{
    return p->graph->values[v].shape;
}

static inline size_t elements(struct shape s)
{
    return (size_t)s.n * s.c * s.h * s.w;
}
