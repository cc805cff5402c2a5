/* cpu/op.h: what an operation is to this backend, and what it may ask of the
 * plan it belongs to.
 *
 * A group is one or more nodes that run as one (fuse.c decides); it runs under
 * the table of its first node's operation. setup() makes primitives and
 * declares tensors; memory is given out when all setups are done, so setup may
 * keep tensors but not their data. Nothing is allocated during a step.
 */
#pragma once
#include "cpu/dnn.h"
#include "cpu/loop.h"
#include "model/ring.h"
#include "model/schedule.h"

struct cpu_plan;

// What taps want of passes over memory that a group makes anyway: room to work
// in, and what came out. tap.c makes it and reads it.
struct watch {
    double           *partial;
    struct loop_sums  out;              // of the output of an add and relu
    struct loop_norms adding;           // of what backward adds to the gradient
};                                      // of in[0], and of what that then is

struct group {
    const struct cpu_op *op;
    int   first, last;                  // nodes; the same when it is one
    bool  relu;                         // last is a relu fused to first
    val   in[MAX_IN], out;
    struct tensor *added;               // what its backward adds to the
                                        // gradient of in[0]; NULL: it writes
    struct watch *watch;                // NULL: nobody wants any
    size_t param_at, param_bytes;       // its parameters in the store's blocks
    void *state;                        // the op's own; freed by the plan
};

struct cpu_op {
    bool reads_in, reads_out;           // values that backward reads again
    void (*setup)   (struct cpu_plan *p, struct group *g);
    void (*forward) (struct cpu_plan *p, struct group *g);
    void (*backward)(struct cpu_plan *p, struct group *g);
};
#define X(tag, stem) extern const struct cpu_op cpu_op_##stem;
GRAPH_OPS(X)
#undef X

// Where a tensor's memory comes from, and so how long its numbers last.
enum room {
    ROOM_ARENA,                         // a life span: values and gradients
    ROOM_STAGE,                         // one stage of one group
    ROOM_KEEP,                          // the plan's life
    ROOM_WEIGHT, ROOM_GRAD, ROOM_STATE, // the store's
    ROOM_COUNT
};

struct cpu_tensor {
    struct tensor      t;               // first member
    enum room          room;
    size_t             offset;          // in the room
    struct cpu_tensor *view_of;         // whose memory it reads, or NULL
    struct cpu_tensor *next;
};

struct cpu_plan {
    struct plan         base;           // first: the seam hands out this
    struct dnn          dnn;
    struct store       *store;          // borrowed when shares
    bool                shares;
    struct schedule     schedule;
    struct group       *groups;         // by leader node; op NULL elsewhere
    val                *grad_of;        // by val: whose gradient's memory it
                                        // may take; itself when its own
    bool               *masked;         // by val: its last gradient writer
                                        // applies relu's mask
    struct tensor     **value, **grad;  // by val; NULL = is not there
    struct cpu_tensor  *tensors;
    size_t              room_bytes[ROOM_COUNT], stage_bytes;
    void               *block[ROOM_COUNT], *scratchpad;
    struct tap_plan    *taps;
    struct ring         ring;           // slots, and results that wait

    // Of the step in progress.
    const struct slot  *now;
    enum mode           mode;
    struct result      *result;         // to be filled
    bool                lost;           // a fused relu saw what is not a
                                        // number, and made it 0
};

// ---- for setup -----------------------------------------------------------

struct tensor *plan_tensor(struct cpu_plan *p, struct layout at,
                           enum room room);
// The same memory under another layout of as many bytes.
struct tensor *plan_view(struct cpu_plan *p, struct tensor *t,
                         struct layout at);
// The group's output, and the gradient that belongs to it, in this layout.
struct tensor *plan_output(struct cpu_plan *p, struct group *g,
                           struct layout at);
// The same in in[0]'s layout; in in[0]'s place when nobody reads that again.
struct tensor *plan_output_over(struct cpu_plan *p, struct group *g);
// A parameter or running statistic, in the layout that the first plan that
// used it wanted.
struct tensor *plan_param(struct cpu_plan *p, val v, struct layout wanted);
struct tensor *plan_param_grad(struct cpu_plan *p, val v);
bool plan_adds(const struct cpu_plan *p, const struct group *g, int k);
const struct node *plan_node(const struct cpu_plan *p, const struct group *g);

// Primitives to run one after the other, and a sum behind them.
enum { CHAIN_MAX = 8 };
struct chain {
    struct prim   *prims[CHAIN_MAX];
    int            n;
    struct tensor *sum, *into;          // into += sum, when not NULL;
    struct tensor *mask;                // 0 where this is not positive
    struct group  *adds_for;            // whose watch sees that, or NULL
};
void chain_push(struct chain *c, struct prim *p);
void chain_run(struct cpu_plan *p, const struct chain *c);

// t, or a copy in the wanted layout that a reorder in the chain makes.
struct tensor *chain_feed(struct cpu_plan *p, struct chain *c,
                          struct tensor *t, struct layout wanted);
// What a primitive that gives this layout shall write: to, or something that
// the chain's end brings there. Push the primitive first.
struct tensor *chain_drain(struct cpu_plan *p, struct chain *c,
                           struct layout given, struct tensor *to, bool adds);
// The same for the gradient of the group's in[k], which may not be wanted;
// layout is then all that counts.
struct tensor *chain_drain_grad(struct cpu_plan *p, struct chain *c,
                                struct layout given, struct group *g, int k);
