/* gpu/op.h: what an operation is to this backend, and what it may ask of the
 * plan it belongs to. Mirrors cpu/op.h.
 *
 * A group is one or more nodes that run as one (fuse.c decides); it runs under
 * the table of its first node's operation. setup() chooses how, and declares
 * buffers; memory is given out when all setups are done. forward and backward
 * only enqueue on the plan's streams: they are called while a step is captured
 * and never again, so all that they pass by value is the same at every step.
 * Mistakes are sticky in plan->err; who calls the ops looks at it.
 */
#pragma once
#include "gpu/kernels.h"
#include "gpu/store.h"
#include "model/backend.h"
#include "model/schedule.h"

struct gpu_plan;

struct group {
    const struct gpu_op *op;
    int   first, last;                  // nodes; the same when it is one
    int   add, shortcut;                // add: a fused add's node, or -1;
                                        // shortcut: which of its inputs is
                                        // the group's in[1]
    bool  relu;                         // last is a fused relu
    val   in[MAX_IN], out;
    struct buffer *added;               // what backward adds to in[0]'s
                                        // gradient, where it is kept apart
    void *state;                        // the op's own; freed by the plan
};

struct gpu_op {
    bool reads_in, reads_out;           // values that backward reads again
    void (*setup)   (struct gpu_plan *p, struct group *g);
    void (*forward) (struct gpu_plan *p, struct group *g);
    void (*backward)(struct gpu_plan *p, struct group *g);
};
#define X(tag, stem) extern const struct gpu_op gpu_op_##stem;
GRAPH_OPS(X)
#undef X

// Where a buffer's memory comes from, and so how long its numbers last.
enum room {
    ROOM_ARENA,                         // a life span: values and gradients
    ROOM_STAGE,                         // one stage of one group
    ROOM_KEEP,                          // from a group's forward to backward
    ROOMS
};

struct buffer {
    enum elem      elem;
    struct shape   shape;               // (n, h, w, c) inside
    int            c;                   // with padding: the stride of a pixel
    size_t         n, bytes;            // numbers, padding included
    enum room      room;
    size_t         offset;              // in the room
    struct span    life;                // in the arena
    void          *data;
    struct buffer *next;
};

// What a step takes its images from.
enum source { SOURCE_PIXELS, SOURCE_RESIDENT, SOURCE_VALUES, SOURCES };
enum { MODES = MODE_EVAL + 1 };

struct gpu_plan {
    struct plan      base;              // first: the seam hands out this
    struct store    *store;             // borrowed when shares
    bool             shares;
    struct schedule  schedule;
    struct group    *groups;            // by leader node; op NULL elsewhere
    struct buffer  **value, **grad;     // by val; NULL = is not there
    struct buffer  **late;              // by val: the last term of its
                                        // gradient, which its producer adds
                                        // when it reads it; or NULL
    struct buffer  **sums;              // by val: of a convolution's output,
                                        // which it makes in passing; or NULL
    struct buffer   *buffers;
    size_t           room_bytes[ROOMS], stage_bytes;
    void            *block[ROOMS];
    int              n_counters;
    unsigned        *counters;          // see kernels.h
    const struct score *score;          // the loss node's
    struct tap_plan *taps;
    struct feed     *feed;              // slots, images, results
    struct steps    *steps;             // what is on its way
    struct error     err;               // first mistake; code 0 = none

    // Of the step that is being captured.
    enum mode        mode;
    enum source      source;
    int              slot;
    size_t           updated;           // numbers of the store: convolutions'
                                        // weights from here on are updated
};

static inline cudaStream_t plan_stream(const struct gpu_plan *p)
{
    return p->store->main;
}

// ---- for setup --------------------------------------------------------------

struct buffer *plan_bytes(struct gpu_plan *p, size_t bytes, enum room room);
// The group's output, and the gradient that belongs to it.
struct buffer *plan_output(struct gpu_plan *p, struct group *g);
// A buffer of v's kind and size, for one stage.
struct buffer *plan_like(struct gpu_plan *p, val v);
// For a group that adds to the gradient of its in[0]: where to write its term
// instead, when the producer adds it up; or NULL.
struct buffer *plan_late(struct gpu_plan *p, const struct group *g);
void plan_counters(struct gpu_plan *p, int n);          // at least as many

// ---- for all ----------------------------------------------------------------

const struct node *plan_node(const struct gpu_plan *p, const struct group *g);
bool plan_adds(const struct gpu_plan *p, const struct group *g, int k);
struct grid plan_grid(const struct buffer *b);
static inline void *data_of(const struct buffer *b)
{
    return b ? b->data : NULL;
}
