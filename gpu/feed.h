/* gpu/feed.h: what goes into a step and what comes out: slots, staged through
 * pinned memory, resident images, and results that the last kernel of a step
 * writes straight to pinned memory. */
#pragma once
#include "gpu/op.h"

size_t feed_bytes(const struct gpu_plan *p);            // of device memory
int  feed_open(struct gpu_plan *p, struct error *err);
void feed_close(struct gpu_plan *p);

struct slot *feed_slot(const struct gpu_plan *p, int slot);
// As backend.reside. Plans that share a store share the images; while they hold
// one set, another one does not fit.
int  feed_reside(struct gpu_plan *p, const struct images *im,
                 struct error *err);

// While a step is captured: the kernel that makes the network's input of
// p->slot's images, and what of the slot lies on the device.
void feed_input(struct gpu_plan *p, const struct buffer *y, struct input at);
const int32_t *feed_labels(const struct gpu_plan *p);
const struct optim_step *feed_step(const struct gpu_plan *p);

// Where a step of this slot takes its images from.
enum source feed_source(const struct gpu_plan *p, int slot);
// Sends the slot on its way; the main stream waits for it. Other steps go on
// meanwhile.
int feed_send(struct gpu_plan *p, int slot, enum source source,
              struct optim_step step, struct error *err);

// Of a slot, pinned.
struct score *feed_score(const struct gpu_plan *p, int slot);
double       *feed_norms(const struct gpu_plan *p, int slot);
