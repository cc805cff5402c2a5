/* gpu/resident.h: a data set's bytes on the device, and how they are resized
 * there. */
#pragma once
#include "gpu/kernels.h"
#include "model/backend.h"

struct resident {
    const uint8_t *host;                // whose copy it is; NULL = none
    uint8_t       *pixels;              // (n, h, w, 3) on the device
    int64_t        n;
    int            h, w;
    struct resize_side down, across;    // device tables; first NULL = as it is
    int32_t       *tables;              // the block they lie in
};

// 1 = held, 0 = there is no room for it, or another set is held: steps that
// were captured read that. to_h, to_w: the network's.
int  resident_take(struct resident *r, const struct images *im, int to_h,
                   int to_w, cudaStream_t stream, struct error *err);
void resident_drop(struct resident *r);
