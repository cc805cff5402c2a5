/* model/schedule.h: the order of a step, who adds to a gradient, life spans.
 *
 * What backends share below the seam. A backend decides about fusion and what
 * its backward passes read again; this file turns that into stages, and spans
 * that model/arena.h packs into one block.
 */
#pragma once
#include "model/graph.h"

enum phase { PHASE_FORWARD, PHASE_BACKWARD };

struct lowering {           // what a backend decided about a node
    int  leader;            // last node of its fused group; itself when alone
    bool in[MAX_IN], out;   // forward values its backward reads again
};
struct stage { int node; enum phase phase; };   // node: the group's leader
struct span  { int first, last; };      // stages; first < 0: none
struct schedule {
    struct stage *stages; int n_stages;
    struct span  *value, *grad;         // by val, activations only
    bool         *adds;                 // by node * MAX_IN + k: backward of the
};                                      // node does += into in[k]'s gradient

// The lowering without fusing, where backward reads again what its formula
// names. A row per node; the caller frees it.
struct lowering *schedule_plain(const struct graph *g);

// A group is one stage forward, where its leader stands, and one backward if a
// gradient passes; only its leader's output may be read outside of it, and what
// is inside takes no span. Nor does the loss's gradient, the constant 1. Logits
// and loss live to the end. Under keep_all every span is the whole step. lo has
// a row per node and is not needed afterwards. What was in *out is not freed.
void schedule_build(const struct graph *g, const struct lowering *lo,
                    bool keep_all, struct schedule *out);
void schedule_clear(struct schedule *s);
