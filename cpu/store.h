/* cpu/store.h: parameters, their gradients, optimizer state and running
 * statistics: what plans of one network at several batch sizes share.
 *
 * One block per side, parameters in use first, at the same offsets in each: the
 * optimizer is a loop over pieces of blocks. Layouts are fixed by the plan that
 * owns the store.
 */
#pragma once
#include "cpu/loop.h"
#include "cpu/op.h"

struct stored {                         // by val; parameters and statistics
    bool          placed;
    struct layout layout;
    enum room     room;                 // ROOM_WEIGHT or ROOM_STATE
    size_t        offset;               // the gradient's and optimizer's too
};

enum store_block { BLOCK_WEIGHT, BLOCK_GRAD, BLOCK_OPTIM, BLOCK_OPTIM2,
                   BLOCK_STATE, STORE_BLOCKS };

struct store {
    struct stored *rows;
    struct optim   optim;
    int64_t        steps;
    struct loop_sgd  sgd;               // of the step in progress
    struct loop_adam adam;
    size_t         used_bytes;          // of parameters that have gradients
    size_t         weight_bytes, state_bytes;
    void          *block[STORE_BLOCKS];
    size_t         bytes[STORE_BLOCKS]; // 0 = there is none
};

struct store *store_new(const struct graph *g, struct optim optim);
void store_free(struct store *s);

// The place of v; given one in this layout when it has none yet.
const struct stored *store_place(struct store *s, const struct graph *g, val v,
                                 struct layout wanted);
// Places what no op asked for: unused parameters. Returns the bytes needed.
size_t store_close(struct store *s, const struct graph *g);
int    store_alloc(struct store *s, struct error *err);

// The bytes that the used parameters of a node take in each block, which lie in
// a row; 0 when it has none.
size_t store_piece(const struct store *s, const struct node *n, size_t *from);
// Where a side of a stored value lies, or an error that names what is missing.
int store_find(const struct store *s, const struct graph *g, val v,
               enum side side, float **out, struct error *err);
