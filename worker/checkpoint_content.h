/* worker/checkpoint_content.h: which tensors a checkpoint of a plan has. For
 * checkpoint.c. */
#pragma once
#include "worker/checkpoint.h"
#include "worker/safetensors.h"

// Where the numbers of a tensor come from: a side of a value, or with v BAD_VAL
// a count, or rows.
struct source {
    val                v;
    enum side          side;
    int64_t            count;
    const struct rows *rows;
};

struct content {
    struct st_tensor *tensors;
    struct source    *sources;          // beside each tensor
    int               n, room;
    int64_t           most;             // elements of the largest
};

// rows may be NULL or empty: then there is no such tensor.
void content_of(struct content *c, const struct plan *p, int64_t steps,
                const struct rows *rows);
void content_clear(struct content *c);
